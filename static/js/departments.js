/* The tree of departments: drag to move, dialogs that close, a list of people that is searched. */
(function () {
  "use strict";

  function arrange(root) {
    if (!window.Sortable) return;
    root.querySelectorAll(".departments").forEach(function (list) {
      window.Sortable.create(list, {
        group: "departments", handle: ".grip", animation: 120, fallbackOnBody: true, swapThreshold: 0.6,
        onEnd: function (event) {
          if (event.from === event.to && event.oldIndex === event.newIndex) return;
          var next = event.item.nextElementSibling;
          window.htmx.ajax("POST", event.item.closest("[data-move]").dataset.move + "/" + event.item.dataset.department + "/move", {
            target: "#departments", swap: "innerHTML",
            values: { parent: event.to.dataset.parent, before: next ? next.dataset.department : "" },
          });
        },
      });
    });
  }

  document.addEventListener("htmx:load", function (event) {
    if (event.detail.elt.closest && event.detail.elt.closest("#departments, body")) arrange(event.detail.elt.closest("#departments") || document);
  });

  document.addEventListener("htmx:afterRequest", function (event) {
    var form = event.target.closest && event.target.closest("form[data-close-after]");
    if (!form || !event.detail.successful || event.detail.xhr.getResponseHeader("HX-Retarget")) return;
    if (form.closest("dialog")) form.closest("dialog").close();
  });

  document.addEventListener("input", function (event) {
    if (!event.target.matches("[data-filter-people]")) return;
    var typed = event.target.value.trim().toLowerCase();
    event.target.closest("form").querySelectorAll("[data-name]").forEach(function (one) {
      one.hidden = typed !== "" && one.dataset.name.toLowerCase().indexOf(typed) < 0;
    });
  });
})();
