/* A table as a sheet: the arrow keys walk through its cells, Enter or F2 or a double click edits one, Tab goes on to the next.
   Columns are as wide as somebody drew them, and the first ones may stay in sight. */
(function () {
  "use strict";

  var list = document.getElementById("list");
  var editor = document.getElementById("cell-editor");
  if (!list || !editor) return;

  function el(id) { return document.getElementById(id); }
  function all(selector, root) { return Array.from((root || document).querySelectorAll(selector)); }
  function table() { return list.querySelector("table.records"); }
  function head(cell) { return table().tHead.rows[0].cells[cell.cellIndex]; }
  function wide() { return window.matchMedia("(min-width: 768px)").matches; }
  function canEdit(cell) { return !!cell && cell.matches(".can, th.title") && "editable" in head(cell).dataset; }

  /* ---- walking ---- */

  function focusCell(cell) {
    if (!cell) return;
    all("[data-at]", table()).forEach(function (old) { old.removeAttribute("data-at"); old.tabIndex = -1; });
    cell.dataset.at = "1";
    cell.tabIndex = 0;
    cell.focus({ preventScroll: true });
    reveal(cell);
  }

  function reveal(cell) {
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    var box = cell.closest(".list-table");
    if (!box || cell.matches(".title, .frozen")) return;
    /* The frozen columns and the head lie over the others. */
    var edge = all(".title, .frozen", cell.parentElement).reduce(function (most, one) { return Math.max(most, one.getBoundingClientRect().right); }, 0);
    var left = cell.getBoundingClientRect().left;
    if (left < edge) box.scrollLeft -= edge - left;
    var top = table().tHead.getBoundingClientRect().bottom, at = cell.getBoundingClientRect().top;
    if (at < top) box.scrollTop -= top - at;
  }

  function cellBeside(cell, rows, columns) {
    var row = cell.parentElement;
    while (rows) {
      var next = rows > 0 ? row.nextElementSibling : row.previousElementSibling;
      if (!next || !next.dataset.id) break;
      row = next;
      rows += rows > 0 ? -1 : 1;
    }
    var cells = Array.from(row.cells).filter(function (one) { return !one.matches(".pick, .row-actions"); });
    var at = cells.findIndex(function (one) { return one.cellIndex === cell.cellIndex; });
    return cells[Math.max(0, Math.min(cells.length - 1, at + columns))];
  }

  function firstCell() { return table() && table().querySelector("tbody tr[data-id] > .title"); }

  list.addEventListener("keydown", function (event) {
    if (event.ctrlKey && event.key !== "Home" && event.key !== "End" || event.metaKey || event.altKey) return;
    if (event.target.matches(".list-table")) {
      if (event.key === "ArrowDown" || event.key === "ArrowRight") { event.preventDefault(); focusCell(firstCell()); }
      return;
    }
    var cell = event.target.closest("tbody tr[data-id] > td, tbody tr[data-id] > th");
    if (!cell || event.target.matches("input, button, select, textarea")) return;
    var steps = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1], PageDown: [15, 0], PageUp: [-15, 0], Home: [0, -999], End: [0, 999] };
    if (steps[event.key] && !event.defaultPrevented) {
      event.preventDefault();
      focusCell(cellBeside(cell, steps[event.key][0], steps[event.key][1]));
    } else if (event.key === "F2" || (event.key === "Enter" && event.target === cell && !cell.matches(".title"))) {
      event.preventDefault();
      if (canEdit(cell)) edit(cell);
    } else if (event.key === "Enter" && event.target === cell) {
      cell.querySelector("a").click();
    } else if (event.key === " " && event.target === cell) {
      var box = cell.parentElement.querySelector(".pick input");
      if (box) { event.preventDefault(); box.click(); }
    } else if (event.key === "Escape" && event.target === cell) {
      cell.closest(".list-table").focus();
    }
  });

  /* ---- editing ---- */

  var now = null;
  var after = 0;

  function edit(cell) {
    if (!wide() || !canEdit(cell)) return;
    shut();
    now = cell;
    focusCell(cell);
    var url = cell.closest(".list-table").dataset.cells + cell.parentElement.dataset.id + "/cells/" + head(cell).dataset.key;
    window.htmx.ajax("GET", url, { target: editor, swap: "innerHTML" });
  }

  function place() {
    if (!now || editor.hidden) return;
    var at = now.getBoundingClientRect();
    editor.style.width = Math.max(260, Math.min(at.width + 16, 420)) + "px";
    editor.style.left = Math.max(8, Math.min(at.left - 8, window.innerWidth - editor.offsetWidth - 8)) + "px";
    editor.style.top = Math.max(8, Math.min(at.top - 8, window.innerHeight - editor.offsetHeight - 8)) + "px";
  }

  function shut() {
    editor.hidden = true;
    editor.replaceChildren();
    now = null;
  }

  document.addEventListener("htmx:beforeSwap", function (event) {
    var pasting = event.detail.requestConfig && /\/paste$/.test(event.detail.requestConfig.path);
    if (event.detail.target !== editor && !pasting) return;
    /* A refusal, and what somebody else saved meanwhile, are shown in the editor. */
    if (event.detail.xhr.status === 409 || event.detail.xhr.status === 422) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  document.addEventListener("htmx:afterSwap", function (event) {
    if (event.detail.target !== editor || !now) return;
    var shown = editor.querySelector("[data-cell-shown]");
    if (shown) { saved(shown); return; }
    editor.hidden = false;
    place();
    var input = editor.querySelector("[aria-invalid=true], input:not([type=hidden]), select, textarea, [contenteditable]");
    if (!input) return;
    input.focus();
    if (input.select && /^(text|tel|email|url|search)$/.test(input.type)) input.select();
  });

  function saved(shown) {
    var cell = now, step = after;
    after = 0;
    if (cell.matches(".title")) cell.querySelector("a").textContent = shown.textContent.trim() || cell.querySelector("a").textContent;
    else cell.replaceChildren.apply(cell, Array.from(shown.childNodes));
    shut();
    var next = step ? sibling(cell, step) : null;
    if (next) edit(next); else focusCell(cell);
  }

  /* The next cell that can be edited: along the row, then in the row below. */
  function sibling(cell, step) {
    var cells = all("tbody tr[data-id] > .can, tbody tr[data-id] > th.title", table()).filter(canEdit);
    return cells[cells.indexOf(cell) + step];
  }

  function submit(step) {
    after = step;
    var form = editor.querySelector("form");
    if (form) form.requestSubmit();
  }

  editor.addEventListener("keydown", function (event) {
    if (event.key === "Escape" && !event.defaultPrevented) {
      event.preventDefault();
      event.stopPropagation();
      var cell = now;
      shut();
      focusCell(cell);
    } else if (event.key === "Tab" && !event.target.matches("button")) {
      event.preventDefault();
      submit(event.shiftKey ? -1 : 1);
    } else if (event.key === "Enter" && event.target.matches("select")) {
      event.preventDefault();
      submit(0);
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      submit(0);
    }
  });
  editor.addEventListener("click", function (event) {
    if (!event.target.closest("[data-cell-cancel]")) return;
    var cell = now, theirs = editor.querySelector(".theirs");
    shut();
    focusCell(cell);
    if (theirs) window.htmx.trigger(document.body, "guke:refresh");
  });
  /* A click elsewhere saves what was changed and leaves what was not. */
  document.addEventListener("pointerdown", function (event) {
    if (editor.hidden || editor.contains(event.target) || event.target.closest("dialog, #toasts")) return;
    var form = editor.querySelector("form");
    if (form && form.dataset.dirty) submit(0); else shut();
  });
  document.addEventListener("scroll", place, true);
  window.addEventListener("resize", place);

  list.addEventListener("dblclick", function (event) {
    var cell = event.target.closest("tbody tr[data-id] > td.can, tbody tr[data-id] > th.title");
    if (!cell || event.target.closest("a, button, input") || !canEdit(cell)) return;
    event.preventDefault();
    String(window.getSelection()) && window.getSelection().removeAllRanges();
    edit(cell);
  });

  /* ---- pasting ---- */

  /* A column from a spreadsheet goes into this cell and those below it, once what it would do was seen. */
  list.addEventListener("paste", function (event) {
    var cell = event.target.closest("tbody tr[data-id] > td, tbody tr[data-id] > th.title");
    if (!cell || event.target.matches("input, select, textarea, [contenteditable]") || !canEdit(cell)) return;
    var url = cell.closest(".list-table").dataset.paste, text = event.clipboardData.getData("text/plain");
    if (!url || !text) return;
    event.preventDefault();
    var ids = [];
    for (var row = cell.parentElement; row; row = row.nextElementSibling) if (row.dataset.id) ids.push(row.dataset.id);
    window.htmx.ajax("POST", url, { target: "#bulk-dialog", swap: "innerHTML", values: { field: head(cell).dataset.key, ids: ids.join(","), text: text } });
  });

  /* ---- frozen columns ---- */

  function freeze() {
    var sheet = table();
    if (!sheet) return;
    var cells = Array.from(sheet.tHead.rows[0].cells);
    var left = 0;
    cells.forEach(function (cell) {
      var match = /frozen-(\d)/.exec(cell.className);
      if (match) sheet.style.setProperty("--frozen-" + match[1], left + "px");
      if (cell.matches(".pick, .title, .frozen")) left += cell.offsetWidth;
    });
  }

  /* ---- widths ---- */

  function keep(values) {
    window.htmx.ajax("POST", el("list-state").dataset.layoutUrl, { swap: "none", values: { layout: JSON.stringify(values) } });
  }

  function widths() {
    var found = {};
    all("th[data-key]", table().tHead).forEach(function (th) { found[th.dataset.key] = Math.round(th.getBoundingClientRect().width); });
    return found;
  }

  function apply(found) {
    var sheet = table(), sum = 96;
    all("th[data-key]", sheet.tHead).forEach(function (th) { th.width = found[th.dataset.key]; sum += found[th.dataset.key]; });
    sheet.setAttribute("width", sum);
    sheet.classList.add("sized");
    freeze();
  }

  document.addEventListener("pointerdown", function (event) {
    var handle = event.target.closest("[data-resize]");
    if (!handle || event.button || !table()) return;
    event.preventDefault();
    var th = handle.closest("th"), found = widths(), key = th.dataset.key, from = event.clientX, before = found[key], changed = false;
    handle.classList.add("active");
    function move(e) {
      changed = true;
      found[key] = Math.max(48, Math.min(800, before + e.clientX - from));
      apply(found);
    }
    function up() {
      document.removeEventListener("pointermove", move);
      document.removeEventListener("pointerup", up);
      handle.classList.remove("active");
      if (changed) keep({ widths: found });
    }
    document.addEventListener("pointermove", move);
    document.addEventListener("pointerup", up);
  });
  /* Twice on the line between two columns: back to the widths that the content asks for. */
  list.addEventListener("dblclick", function (event) {
    if (!event.target.closest("[data-resize]")) return;
    keep({ widths: {} });
    window.htmx.trigger(document.body, "guke:refresh");
  });
  list.addEventListener("click", function (event) {
    if (event.target.closest("[data-resize]")) { event.preventDefault(); event.stopPropagation(); }
  }, true);
  list.addEventListener("change", function (event) {
    if (event.target.name !== "frozen") return;
    keep({ frozen: Number(event.target.value) });
    setTimeout(function () { window.htmx.trigger(document.body, "guke:refresh"); }, 150);
  });

  document.addEventListener("htmx:afterSettle", function (event) {
    var id = event.detail.target && event.detail.target.id;
    if (id === "list" || id === "list-body") { shut(); freeze(); }
  });
  freeze();
})();
