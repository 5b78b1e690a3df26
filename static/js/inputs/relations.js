/* Inputs of related records: chips of those that were chosen, and a new one made in a dialog. */
(function () {
  "use strict";

  function changed(box) {
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function add(box, id, title) {
    var held = Array.from(box.querySelectorAll(".chip-held input")).some(function (one) { return one.value === String(id); });
    if (held) return;
    var chip = box.querySelector("template").content.firstElementChild.cloneNode(true);
    chip.querySelector("span").textContent = title;
    chip.querySelector("input").value = id;
    var out = chip.querySelector("button");
    out.setAttribute("aria-label", out.getAttribute("aria-label") + " " + title);
    box.insertBefore(chip, box.querySelector(".picker"));
    changed(chip.querySelector("input"));
  }

  document.addEventListener("change", function (event) {
    var chosen = event.target.closest && event.target.closest("[data-chips] [data-chosen]");
    if (!chosen || !chosen.value) return;
    event.stopPropagation();
    var picker = chosen.closest(".picker"), text = picker.querySelector("[role=combobox]");
    add(chosen.closest("[data-chips]"), chosen.value, text.value);
    chosen.value = "";
    text.value = "";
    picker.querySelector(".picker-clear").hidden = true;
    if (picker.guke) picker.guke.shown = "";
    text.focus();
  }, true);

  document.addEventListener("click", function (event) {
    var out = event.target.closest("[data-chips] .chip-out");
    if (!out) return;
    var box = out.closest("[data-chips]");
    out.closest(".chip-held").remove();
    changed(box.querySelector("input[type=hidden]"));
    box.querySelector("[role=combobox]").focus();
  });

  document.addEventListener("keydown", function (event) {
    var text = event.target.closest && event.target.closest("[data-chips] [role=combobox]");
    if (!text || event.key !== "Backspace" || text.value || event.isComposing) return;
    var last = Array.from(text.closest("[data-chips]").querySelectorAll(".chip-out")).pop();
    if (last) last.click();
  });

  /* ---- a new record in a dialog ---- */

  var dialog = null, asker = null;

  function box() {
    if (dialog) return dialog;
    dialog = document.createElement("dialog");
    dialog.className = "modal-box quick-box";
    dialog.setAttribute("aria-labelledby", "quick-title");
    dialog.addEventListener("close", function () { if (asker) asker.focus(); });
    document.body.append(dialog);
    return dialog;
  }

  function show(html) {
    box().innerHTML = html;
    if (window.htmx) window.htmx.process(dialog);
    if (!dialog.open) dialog.showModal();
    var first = dialog.querySelector('[aria-invalid="true"], .quick-body input:not([type=hidden]), .quick-body select, .quick-body textarea');
    if (first) first.focus();
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-quick]");
    if (!button) return;
    asker = button;
    var text = button.parentElement.querySelector("[role=combobox]");
    var typed = text && text.value !== (text.closest(".picker").guke || {}).shown ? text.value : "";
    fetch(button.dataset.quick + (typed ? "?title=" + encodeURIComponent(typed) : ""), { credentials: "same-origin", headers: { "HX-Request": "true" } })
      .then(function (answer) { if (!answer.ok) throw new Error(); return answer.text(); })
      .then(show)
      .catch(function () { window.guke.toast(window.guke.word("failed"), { kind: "error" }); });
  });

  document.addEventListener("submit", function (event) {
    var form = event.target.closest(".quick-form");
    if (!form) return;
    event.preventDefault();
    event.stopPropagation();
    fetch(form.action, { method: "POST", body: new FormData(form), credentials: "same-origin", headers: { "HX-Request": "true" } })
      .then(function (answer) {
        if (answer.status === 201) return answer.json().then(taken);
        if (answer.status === 422) return answer.text().then(show);
        throw new Error();
      })
      .catch(function () { window.guke.toast(window.guke.word("failed"), { kind: "error" }); });
  }, true);

  function taken(made) {
    var chips = asker.closest("[data-chips]");
    if (chips) {
      add(chips, made.id, made.title);
    } else {
      var picker = asker.parentElement.querySelector(".picker");
      var hidden = picker.querySelector("input[type=hidden]");
      hidden.value = made.id;
      picker.querySelector("[role=combobox]").value = made.title;
      if (picker.guke) picker.guke.shown = made.title;
      picker.querySelector(".picker-clear").hidden = false;
      changed(hidden);
    }
    dialog.close();
  }
})();
