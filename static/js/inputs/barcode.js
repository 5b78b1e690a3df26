/* A scanner types the code and presses Enter: that goes on to the next input and does not send the form. */
(function () {
  "use strict";

  document.addEventListener("keydown", function (event) {
    var input = event.target;
    if (event.key !== "Enter" || event.isComposing || !input.matches || !input.matches("[data-scan]") || !input.form) return;
    event.preventDefault();
    var stops = Array.from(input.form.querySelectorAll("input:not([type=hidden]), select, textarea, button[type=submit]")).filter(function (stop) {
      return !stop.disabled && stop.offsetParent !== null;
    });
    var next = stops[stops.indexOf(input) + 1];
    if (next) { next.focus(); if (next.select && next.type !== "submit") next.select(); }
  });

  document.addEventListener("focusin", function (event) {
    if (event.target.matches && event.target.matches("[data-scan]")) event.target.select();
  });
})();
