/* The editors of rules and decision tables: what a choice shows, moving cards by mouse, touch and keyboard, removing
   them. Every edit tells the form ("guke:edited"), which asks for a new preview. */
(function () {
  "use strict";

  function edited(element) {
    var form = element.closest("form");
    if (!form) return;
    if (form.dataset.arrange) { arranged(form); return; }
    form.dataset.dirty = "1";
    form.dispatchEvent(new CustomEvent("guke:edited", { bubbles: true }));
  }

  /* ---- the order of a list ---- */

  /* Every row says in which folder it stands now; the form tells the server. */
  function arranged(form) {
    form.querySelectorAll("[data-rank]").forEach(function (list) {
      list.querySelectorAll("[data-folder-of]").forEach(function (input) { input.value = list.dataset.folder; });
    });
    form.dispatchEvent(new CustomEvent("guke:arranged", { bubbles: true }));
  }

  /* A row at the edge of its folder goes on into the next one. */
  function over(card, step) {
    var lists = Array.prototype.slice.call(document.querySelectorAll("[data-rank]"));
    var list = lists[lists.indexOf(card.parentElement) + step];
    if (!list) return false;
    if (step < 0) list.append(card); else list.prepend(card);
    return true;
  }

  /* ---- a choice shows what belongs to it ---- */

  function showFor(input) {
    var shown = input.dataset.shows;
    document.querySelectorAll('[data-shown-by="' + input.name + '"]').forEach(function (part) {
      part.hidden = part.id !== shown;
    });
  }

  function switchTo(select) {
    var scope = select.closest("form") || document;
    scope.querySelectorAll('[data-case="' + select.dataset.switch + '"]').forEach(function (part) {
      part.hidden = part.dataset.when.split(" ").indexOf(select.value) < 0;
    });
  }

  function addField(select) {
    var key = select.value;
    if (!key) return;
    var box = document.querySelector(select.dataset.target);
    select.value = "";
    if (Array.from(box.querySelectorAll('input[type="hidden"]')).some(function (i) { return i.value === key; })) return;
    htmx.ajax("GET", select.dataset.addField + "&key=" + encodeURIComponent(key), { target: box, swap: "beforeend" })
      .then(function () { edited(box); });
  }

  document.addEventListener("change", function (event) {
    var target = event.target;
    if (target.dataset.shows !== undefined && target.type === "radio") showFor(target);
    if (target.dataset.switch) switchTo(target);
    if (target.dataset.toggles) document.getElementById(target.dataset.toggles).hidden = !target.checked;
    if (target.dataset.addField) { event.stopPropagation(); addField(target); }
    if (target.dataset.go) {
      var form = target.closest("form");
      delete form.dataset.dirty;
      location.assign(target.dataset.go + "?form=" + encodeURIComponent(target.value));
    }
  }, true);

  /* ---- cards ---- */

  function move(card, step) {
    var other = step < 0 ? card.previousElementSibling : card.nextElementSibling;
    if (other) {
      if (step < 0) other.before(card); else other.after(card);
    } else if (!card.parentElement.hasAttribute("data-rank") || !over(card, step)) return;
    card.querySelector("[data-grip]").focus();
    edited(card);
  }

  document.addEventListener("keydown", function (event) {
    var grip = event.target.closest && event.target.closest("[data-grip]");
    if (!grip || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    move(grip.closest("[data-card]"), event.key === "ArrowUp" ? -1 : 1);
  });

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-remove]");
    if (!button) return;
    var card = button.closest("[data-card]");
    var list = card.parentElement;
    var next = card.nextElementSibling || card.previousElementSibling;
    card.remove();
    edited(list);
    var focus = next && next.querySelector("[data-grip], [data-remove]");
    if (focus) focus.focus();
  });

  function sortable(root) {
    root.querySelectorAll("[data-sort], [data-rank]").forEach(function (list) {
      if (list.dataset.sorted) return;
      list.dataset.sorted = "1";
      new Sortable(list, {
        group: list.hasAttribute("data-rank") ? "rank" : undefined,
        handle: "[data-grip]", animation: 120, ghostClass: "auto-ghost", forceFallback: false,
        onEnd: function () { edited(list); }
      });
    });
  }

  document.addEventListener("DOMContentLoaded", function () { sortable(document); });
  document.addEventListener("htmx:afterSwap", function (event) {
    sortable(document);
    if (event.detail.target.id === "automation-dialog-body") document.getElementById("automation-dialog").showModal();
    if (event.detail.target.closest && event.detail.target.closest("[data-editor]") && event.detail.target.id !== "preview" && !event.detail.target.closest("#preview")) {
      edited(event.detail.target);
    }
  });
})();
