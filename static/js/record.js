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
    if (!value || event.target.closest("a, button, summary, details") || String(window.getSelection())) return;
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

  /* ---- tabs ---- */

  function openTab(tab, focus) {
    var list = tab.closest("[role=tablist]");
    list.querySelectorAll("[role=tab]").forEach(function (other) {
      var on = other === tab;
      other.setAttribute("aria-selected", on ? "true" : "false");
      other.tabIndex = on ? 0 : -1;
      var panel = document.getElementById(other.getAttribute("aria-controls"));
      if (panel) panel.hidden = !on;
    });
    if (focus) tab.focus();
  }

  document.addEventListener("click", function (event) {
    var tab = event.target.closest("[data-tabs] [role=tab]");
    if (tab) openTab(tab);
  });
  document.addEventListener("keydown", function (event) {
    var tab = event.target.closest && event.target.closest("[data-tabs] [role=tab]");
    var step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!tab || !step) return;
    var tabs = Array.prototype.slice.call(tab.parentElement.querySelectorAll("[role=tab]"));
    openTab(tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length], true);
  });

  /* ---- what depends on a field that was saved ---- */

  var stale = false;
  function freshen() {
    var box = document.getElementById("sections");
    if (!stale || !box || box.querySelector("form[data-in-place]")) return;
    stale = false;
    var open = box.querySelector("[role=tab][aria-selected=true]");
    window.htmx.ajax("GET", box.dataset.url, { target: box, swap: "outerHTML" }).then(function () {
      var again = open && document.getElementById(open.id);
      if (again) openTab(again);
    });
  }
  document.addEventListener("guke:sections", function () { stale = true; setTimeout(freshen, 0); });
  document.addEventListener("htmx:afterSettle", freshen);

  /* ---- dialogs ---- */

  document.addEventListener("guke:done", function () {
    var dialog = document.getElementById("action-dialog");
    if (dialog && dialog.open) dialog.close();
  });
  document.addEventListener("close", function (event) {
    if (event.target.id === "action-dialog") event.target.replaceChildren();
  }, true);
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (event.detail.xhr.status === 409 && event.detail.requestConfig.elt.matches("[data-dialog-form]")) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  /* ---- may it be there already? ---- */

  var looking = 0;
  var lookTimer = 0;
  function look(form) {
    var mine = looking += 1;
    var data = new FormData();
    new FormData(form).forEach(function (value, key) { if (typeof value === "string") data.append(key, value); });
    fetch(form.dataset.duplicates, { method: "POST", body: data, credentials: "same-origin", headers: { "X-CSRF-Token": window.guke.csrf() } })
      .then(function (answer) { return answer.ok ? answer.text() : ""; })
      .then(function (html) {
        var slot = form.querySelector("[data-similar]");
        if (mine === looking && slot && slot.innerHTML.trim() !== html.trim()) slot.innerHTML = html;
      })
      .catch(function () { /* only a hint */ });
  }
  document.addEventListener("input", function (event) {
    var form = event.target.closest && event.target.closest("form[data-duplicates]");
    if (!form || !event.target.name) return;
    clearTimeout(lookTimer);
    lookTimer = setTimeout(function () { look(form); }, 400);
  });

  /* ---- what was typed is kept in this tab until it is saved ---- */

  var draftForm = document.querySelector("form[data-draft]");
  var draftKey = draftForm && "guke.draft." + draftForm.dataset.draftOf + "." + draftForm.dataset.draft;

  function keep() {
    var held = [];
    new FormData(draftForm).forEach(function (value, key) {
      if (typeof value === "string" && key !== "csrf_token" && key !== "base" && key !== "version") held.push([key, value]);
    });
    try { sessionStorage.setItem(draftKey, JSON.stringify({ at: Date.now(), version: (draftForm.elements.version || {}).value, held: held })); } catch (error) { /* full or switched off */ }
  }

  function drop() {
    try { sessionStorage.removeItem(draftKey); } catch (error) { /* nothing to drop */ }
  }

  /* Whether this is the page that follows a saved form (and not the one after signing in again). */
  function served() {
    var sent = session("guke.sent");
    if (!sent || (draftForm && (draftForm.dataset.dirty || sent !== draftKey))) return false;
    return /\/(edit|new)$/.test(document.referrer.split("?")[0]);
  }

  function fill(held) {
    held.forEach(function (pair) {
      var all = draftForm.querySelectorAll('[name="' + CSS.escape(pair[0]) + '"]');
      var several = held.filter(function (other) { return other[0] === pair[0]; }).map(function (other) { return other[1]; });
      all.forEach(function (input) {
        if (input.type === "checkbox" || input.type === "radio") input.checked = several.indexOf(input.value) >= 0;
        else if (input.multiple) Array.prototype.forEach.call(input.options, function (option) { option.selected = several.indexOf(option.value) >= 0; });
        else if (all.length === 1) input.value = pair[1];
        input.dispatchEvent(new Event("input", { bubbles: true }));
        input.dispatchEvent(new Event("change", { bubbles: true }));
      });
    });
  }

  function offer(saved) {
    var words = draftForm.dataset;
    var box = document.createElement("div");
    box.className = "notice notice-blue draft-offer";
    box.setAttribute("role", "status");
    var text = document.createElement("p");
    text.textContent = words.draftWords;
    var take = document.createElement("button");
    take.type = "button"; take.className = "btn btn-sm btn-primary"; take.textContent = words.draftTake;
    take.addEventListener("click", function () { fill(saved.held); box.remove(); });
    var leave = document.createElement("button");
    leave.type = "button"; leave.className = "btn btn-sm"; leave.textContent = words.draftDrop;
    leave.addEventListener("click", function () { drop(); box.remove(); });
    box.append(text, take, leave);
    draftForm.prepend(box);
  }

  if (draftForm) {
    var saved = JSON.parse(session(draftKey) || "null");
    var now = (draftForm.elements.version || {}).value;
    if (saved && served()) drop();
    else if (saved && !draftForm.dataset.dirty && saved.version === now) offer(saved);
    else if (saved && !draftForm.dataset.dirty) drop();
    draftForm.addEventListener("input", function () { clearTimeout(draftForm.gukeKeep); draftForm.gukeKeep = setTimeout(keep, 500); });
    draftForm.addEventListener("click", function (event) { if (event.target.closest(".form-actions a")) { clearTimeout(draftForm.gukeKeep); drop(); } });
    draftForm.addEventListener("submit", function () {
      clearTimeout(draftForm.gukeKeep);
      keep();
      try { sessionStorage.setItem("guke.sent", draftKey); } catch (error) { /* kept until the tab closes */ }
    });
  } else if (served()) {
    try { sessionStorage.removeItem(session("guke.sent")); sessionStorage.removeItem("guke.sent"); } catch (error) { /* nothing kept */ }
  }

  /* The first error of a form is where the eye should go. */
  var first = document.querySelector('.record-form [aria-invalid="true"]');
  if (first) first.focus();
})();
