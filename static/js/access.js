/* Shows a part of a form only while a choice has certain values: data-only="name:value value". */
(function () {
  "use strict";

  function update(form) {
    form.querySelectorAll("[data-only]").forEach(function (part) {
      var rule = part.dataset.only.split(":");
      var input = form.elements[rule[0]];
      var value = input.type === "checkbox" ? String(input.checked) : input.value;
      part.hidden = rule[1].split(" ").indexOf(value) < 0;
    });
  }

  document.addEventListener("change", function (event) {
    if (event.target.form && event.target.form.querySelector("[data-only]")) update(event.target.form);
  });
  document.querySelectorAll("form").forEach(function (form) {
    if (form.querySelector("[data-only]")) update(form);
  });
})();
