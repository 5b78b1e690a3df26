/* The settings of a public form: the order of its fields, by mouse, touch or arrow keys. */
(function () {
  "use strict";

  document.querySelectorAll("[data-sort]").forEach(function (list) {
    window.Sortable.create(list, { handle: "[data-handle]", animation: 120, onEnd: function () { changed(list); } });
    list.addEventListener("keydown", function (event) {
      var handle = event.target.closest("[data-handle]");
      if (!handle || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
      event.preventDefault();
      var row = handle.closest("li");
      if (event.key === "ArrowUp" && row.previousElementSibling) row.previousElementSibling.before(row);
      if (event.key === "ArrowDown" && row.nextElementSibling) row.nextElementSibling.after(row);
      handle.focus();
      changed(list);
    });
    list.addEventListener("change", function (event) {
      if (event.target.matches("[data-shown]")) event.target.closest("li").classList.toggle("is-off", !event.target.checked);
    });
  });

  function changed(list) { list.dispatchEvent(new Event("input", { bubbles: true })); }
})();
