/* The well and the text of a colour follow each other. */
(function () {
  "use strict";

  document.addEventListener("input", function (event) {
    var box = event.target.closest && event.target.closest("[data-color]");
    if (!box) return;
    var well = box.querySelector("input[type=color]"), text = box.querySelector("input[type=text]");
    if (event.target === well) {
      text.value = well.value;
      text.dispatchEvent(new Event("change", { bubbles: true }));
    } else if (/^#[0-9a-f]{6}$/i.test(text.value.trim())) {
      well.value = text.value.trim().toLowerCase();
    }
  });
})();
