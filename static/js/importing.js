/* The import wizard: dropping a file, choosing a field from a searchable list, the undo dialog. */
(function () {
  "use strict";

  /* ---- the file ---- */

  function showFile(input) {
    var box = input.closest("[data-drop]");
    var file = input.files[0];
    if (!file) return;
    box.classList.add("has-file");
    box.querySelector("[data-drop-name]").textContent = file.name;
  }

  document.addEventListener("change", function (event) {
    if (event.target.matches(".drop-input")) showFile(event.target);
  });
  ["dragover", "dragleave", "drop"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      var box = event.target.closest && event.target.closest("[data-drop]");
      if (box) box.classList.toggle("over", name === "dragover");
    });
  });
  document.addEventListener("submit", function (event) {
    if (!event.target.matches("[data-upload]")) return;
    event.target.querySelector("[data-uploading]").hidden = false;
    event.target.querySelector("[type=submit]").disabled = true;
  });

  /* ---- the target of a column: a button that opens one dialog; the select under it keeps the value ---- */

  var current = null;

  function el(id) { return document.getElementById(id); }

  function name(select) { return select.options[select.selectedIndex].textContent; }

  function refresh(select) {
    var button = select.previousElementSibling;
    button.firstElementChild.textContent = name(select);
    button.toggleAttribute("data-empty", !select.value);
    button.setAttribute("aria-label", document.getElementById(select.getAttribute("aria-labelledby")).textContent + ": " + name(select));
  }

  function enhance(root) {
    if (!el("target-dialog")) return;
    root.querySelectorAll("[data-target-select]").forEach(function (select) {
      if (select.hidden) return;
      var button = document.createElement("button");
      button.type = "button";
      button.className = "form-select target-button";
      button.setAttribute("aria-haspopup", "dialog");
      var text = document.createElement("span");
      text.className = "cut";
      button.append(text);
      select.before(button);
      select.hidden = true;
      refresh(select);
      button.addEventListener("click", function () { open(select); });
    });
  }

  function open(select) {
    current = select;
    el("target-search").value = "";
    list("");
    el("target-dialog").showModal();
    el("target-search").focus();
  }

  function list(text) {
    var box = el("target-list");
    var wanted = text.trim().toLowerCase();
    box.replaceChildren();
    Array.prototype.forEach.call(current.children, function (child) {
      var options = child.tagName === "OPTGROUP" ? Array.from(child.children) : [child];
      options = options.filter(function (option) {
        return !wanted || (option.textContent + " " + option.value).toLowerCase().indexOf(wanted) >= 0;
      });
      if (!options.length) return;
      if (child.tagName === "OPTGROUP") {
        var head = document.createElement("div");
        head.className = "target-group";
        head.textContent = child.label;
        box.append(head);
      }
      options.forEach(function (option) { box.append(row(option)); });
    });
    var chosen = box.querySelector('[data-value="' + CSS.escape(current.value) + '"]');
    mark((!wanted && chosen) || box.querySelector("[role=option]"));
  }

  function row(option) {
    var item = document.createElement("div");
    item.className = "target-option";
    item.setAttribute("role", "option");
    item.id = "target-" + option.index;
    item.dataset.value = option.value;
    item.textContent = option.textContent;
    var used = usedBy(option.value);
    if (used) {
      var note = document.createElement("small");
      note.textContent = used;
      item.append(note);
    }
    return item;
  }

  /* Which other column fills the target already. */
  function usedBy(value) {
    if (!value) return "";
    var other = Array.from(document.querySelectorAll("[data-target-select]")).find(function (select) {
      return select !== current && select.value === value;
    });
    return other ? "← " + document.getElementById(other.getAttribute("aria-labelledby")).textContent : "";
  }

  function mark(item) {
    el("target-list").querySelectorAll("[aria-selected=true]").forEach(function (old) { old.setAttribute("aria-selected", "false"); });
    if (!item) return;
    item.setAttribute("aria-selected", "true");
    el("target-search").setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  function choose(item) {
    if (!item || !current) return;
    var select = current;
    select.value = item.dataset.value;
    select.classList.toggle("is-mapped", !!select.value);
    refresh(select);
    el("target-dialog").close();
    select.previousElementSibling.focus();
    select.dispatchEvent(new Event("change", { bubbles: true }));
  }

  document.addEventListener("input", function (event) {
    if (event.target.id === "target-search") list(event.target.value);
  });
  document.addEventListener("keydown", function (event) {
    if (event.target.id !== "target-search") return;
    var items = Array.from(el("target-list").querySelectorAll("[role=option]"));
    var at = items.findIndex(function (item) { return item.getAttribute("aria-selected") === "true"; });
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      mark(items[Math.min(items.length - 1, Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1)))]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(items[at]);
    }
  });
  document.addEventListener("click", function (event) {
    var item = event.target.closest(".target-option");
    if (item) choose(item);
    var undo = event.target.closest("[data-undo]");
    if (undo) {
      window.htmx.ajax("GET", undo.dataset.undo, { target: "#undo-dialog", swap: "innerHTML" }).then(function () {
        el("undo-dialog").showModal();
      });
    }
  });

  document.addEventListener("htmx:afterSettle", function (event) { if (event.detail.target) enhance(document); });
  enhance(document);
})();
