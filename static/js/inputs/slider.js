/* The slider and its number follow each other; until either is touched the value is empty. */
(function () {
  "use strict";

  function start(box) {
    var range = box.querySelector("input[type=range]");
    if (!range.hidden) return;
    range.hidden = false;
    fill(range);
  }

  function fill(range) {
    var part = (range.value - range.min) / (range.max - range.min) * 100;
    range.style.setProperty("--part", range.classList.contains("is-unset") ? "0%" : part + "%");
  }

  document.addEventListener("input", function (event) {
    var box = event.target.closest && event.target.closest("[data-slider]");
    if (!box) return;
    var range = box.querySelector("input[type=range]"), text = box.querySelector("input[type=text]");
    if (event.target === range) {
      range.classList.remove("is-unset");
      text.value = range.value;
    } else {
      range.classList.toggle("is-unset", !text.value.trim());
      if (/^-?\d+(\.\d+)?$/.test(text.value.trim())) range.value = text.value.trim();
    }
    fill(range);
  });

  /* A click where the knob already stands chooses that value too. */
  document.addEventListener("change", function (event) {
    if (event.target.matches && event.target.matches("[data-slider] input[type=range].is-unset")) event.target.dispatchEvent(new Event("input", { bubbles: true }));
  });

  function all(root) { root.querySelectorAll("[data-slider]").forEach(start); }
  document.addEventListener("htmx:load", function (event) { all(event.detail.elt); });
  if (document.readyState !== "loading") all(document); else document.addEventListener("DOMContentLoaded", function () { all(document); });
})();
