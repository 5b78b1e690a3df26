/* The editors of segments and metrics: which parts are shown for the kind that is chosen. */
(function () {
  "use strict";

  function show(form) {
    var chosen = form.querySelector("[data-kind]:checked");
    if (!chosen) return;
    form.querySelectorAll("[data-for]").forEach(function (part) {
      part.hidden = part.dataset.for.split(" ").indexOf(chosen.value) < 0;
    });
    var sample = form.querySelector("[data-for-sample]");
    if (sample) sample.hidden = chosen.value === "static";
  }

  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-kind]")) show(event.target.form);
    // A choice on which the rest of the form depends: the server draws it anew with what was typed.
    if (event.target.matches("[data-redraw]")) event.target.form.dispatchEvent(new CustomEvent("guke:redraw"));
  });
})();
