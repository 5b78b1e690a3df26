/* The customer's page and the tag page: figures that explain themselves, tags found while typing, dialogs that close. */
(function () {
  "use strict";

  document.addEventListener("click", function (event) {
    var why = event.target.closest("[data-why]");
    if (!why) return;
    var text = why.closest(".stat").querySelector(".why-text");
    text.hidden = !text.hidden;
    why.setAttribute("aria-expanded", String(!text.hidden));
  });

  document.addEventListener("input", function (event) {
    var input = event.target.closest("[data-tag-filter]");
    if (!input) return;
    var typed = input.value.trim().toLowerCase();
    input.closest(".menu-list").querySelectorAll("[data-tag-name]").forEach(function (button) {
      button.hidden = typed !== "" && button.dataset.tagName.toLowerCase().indexOf(typed) < 0;
    });
  });

  document.addEventListener("htmx:afterRequest", function (event) {
    var form = event.target.closest && event.target.closest("form[data-close-after]");
    if (!form || !event.detail.successful || event.detail.xhr.getResponseHeader("HX-Retarget")) return;
    var dialog = form.closest("dialog");
    if (dialog) dialog.close();
  });
})();
