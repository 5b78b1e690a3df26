/* Forms that answer while they are filled in: fields appear, become required or locked, computed ones show what they come to.
   A form says `data-live="URL"`; each field stands in an element `data-field="key"`; a computed value shows in
   `data-computed="key"`. After each answer the form gets the event `guke:live` with the answer as its detail. */
(function () {
  "use strict";

  var WAIT = 180;
  var waiting = new WeakMap();
  var asking = new WeakMap();

  function ask(form) {
    var before = asking.get(form);
    if (before) before.abort();
    var control = new AbortController();
    asking.set(form, control);
    var data = new FormData();
    new FormData(form).forEach(function (value, key) { if (typeof value === "string") data.append(key, value); });
    window.fetch(form.dataset.live, {
      method: "POST", body: data, signal: control.signal, credentials: "same-origin",
      headers: { "X-CSRF-Token": window.guke.csrf(), Accept: "application/json" }
    }).then(function (answer) {
      return answer.ok ? answer.json() : null;
    }).then(function (answer) {
      if (answer) apply(form, answer);
    }).catch(function () { /* offline, or a newer question: saving asks the server again anyway */ });
  }

  function apply(form, answer) {
    Object.keys(answer.states).forEach(function (key) {
      var state = answer.states[key];
      form.querySelectorAll('[data-field="' + key + '"]').forEach(function (box) {
        box.hidden = !state.shown;
        box.classList.toggle("is-locked", state.locked);
        box.classList.toggle("is-required", state.required);
        box.querySelectorAll("input, select, textarea, button").forEach(function (input) {
          if (input.type === "hidden" && !state.locked) return;
          input.disabled = state.locked;
        });
        var star = box.querySelector(".required");
        if (star) star.hidden = !state.required;
      });
    });
    form.querySelectorAll("[data-group]").forEach(function (group) {
      var fields = group.querySelectorAll("[data-field]");
      group.hidden = fields.length > 0 && Array.prototype.every.call(fields, function (f) { return f.hidden; });
    });
    Object.keys(answer.values).forEach(function (key) {
      form.querySelectorAll('[data-computed="' + key + '"]').forEach(function (out) {
        var text = answer.values[key].text || "—";
        if (out.textContent !== text) out.textContent = text;
      });
    });
    form.dispatchEvent(new CustomEvent("guke:live", { bubbles: true, detail: answer }));
  }

  function soon(form) {
    window.clearTimeout(waiting.get(form));
    waiting.set(form, window.setTimeout(function () { ask(form); }, WAIT));
  }

  ["input", "change"].forEach(function (kind) {
    document.addEventListener(kind, function (event) {
      var form = event.target.closest && event.target.closest("form[data-live]");
      if (form) soon(form);
    });
  });

  function start(root) {
    root.querySelectorAll("form[data-live]").forEach(ask);
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", function () { start(document); });
  else start(document);
  document.addEventListener("htmx:load", function (event) {
    var elt = event.detail.elt;
    if (elt.matches && elt.matches("form[data-live]")) ask(elt);
    else if (elt !== document.body && elt.querySelectorAll) start(elt);
  });
})();
