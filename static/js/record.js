/* The page of a record: editing a field in place, and the way back to the list it was opened from. */
(function () {
  "use strict";

  var record = document.getElementById("record");

  function session(name) {
    try { return sessionStorage.getItem(name); } catch (error) { return null; }
  }

  function fromList(root) {
    if (!record) return;
    var saved = JSON.parse(session("guke.list." + record.dataset.form) || "null");
    if (!saved) return;
    var back = root.querySelector("[data-back-to-list]");
    if (back) back.href = saved.url;
    var slot = root.querySelector("[data-neighbours]");
    if (slot && !slot.children.length) {
      window.htmx.ajax("GET", slot.dataset.neighbours + "?" + saved.args, { target: slot, swap: "innerHTML" });
    }
  }

  if (record) {
    document.addEventListener("DOMContentLoaded", function () { fromList(document); });
    if (document.readyState === "complete") fromList(document);
    document.addEventListener("htmx:afterSettle", function (event) {
      if (event.detail.target && event.detail.target.id === "record-header") fromList(event.detail.target);
    });
  }

  /* A click beside a value edits it. */
  document.addEventListener("click", function (event) {
    var value = event.target.closest(".can-edit > .prop-value");
    if (!value || event.target.closest("a, button") || String(window.getSelection())) return;
    value.parentElement.querySelector(".prop-edit").click();
  });

  document.addEventListener("htmx:beforeSwap", function (event) {
    /* Somebody else was quicker: the answer shows both values. */
    if (event.detail.xhr.status === 409 && event.detail.requestConfig.elt.matches("[data-in-place]")) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  document.addEventListener("htmx:load", function (event) {
    var form = event.detail.elt;
    if (!form.matches || !form.matches("form[data-in-place]")) return;
    var input = form.querySelector(".prop-input input:not([type=hidden]), .prop-input select, .prop-input textarea");
    if (!input) return;
    input.focus();
    if (input.select && input.type !== "date" && input.type !== "datetime-local") input.select();
  });

  document.addEventListener("keydown", function (event) {
    var form = event.target.closest("form[data-in-place]");
    if (form && event.key === "Escape" && !event.defaultPrevented) {
      event.preventDefault();
      form.querySelector("[data-cancel]").click();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      var owner = event.target.closest("form[data-in-place], form.record-form");
      if (owner) owner.requestSubmit();
    } else if (record && !event.target.closest("input, textarea, select, dialog") && (event.key === "j" || event.key === "k") && !event.ctrlKey && !event.metaKey && !event.altKey) {
      var link = record.querySelector('[data-neighbour="' + (event.key === "k" ? 1 : 2) + '"]');
      if (link) link.click();
    }
  });

  /* The first error of a form is where the eye should go. */
  var first = document.querySelector('.record-form [aria-invalid="true"]');
  if (first) first.focus();
})();
