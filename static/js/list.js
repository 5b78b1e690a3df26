/* The list: selection and what to do with it, columns, filter and view dialogs, the way into records. */
(function () {
  "use strict";

  var list = document.getElementById("list");
  if (!list) return;
  var everything = false;

  function el(id) { return document.getElementById(id); }
  function all(selector, root) { return Array.from((root || document).querySelectorAll(selector)); }
  function state() { return el("list-state").dataset; }

  /* ---- the way back: records know the list they were opened from ---- */

  function remember() {
    try {
      sessionStorage.setItem("guke.list." + list.dataset.form, JSON.stringify({ url: state().url, args: state().args }));
    } catch (error) { /* storage may be switched off */ }
  }

  /* ---- selection ---- */

  function boxes() { return all("tbody .pick input", list); }
  function picked() { return boxes().filter(function (box) { return box.checked; }); }

  function show() {
    var bar = el("bulk-bar");
    if (!bar) return;
    var rows = boxes();
    var chosen = picked();
    rows.forEach(function (box) { box.closest("tr").classList.toggle("picked", box.checked); });
    var page = list.querySelector("[data-pick-page]");
    if (!page) return;
    page.checked = rows.length > 0 && chosen.length === rows.length;
    page.indeterminate = chosen.length > 0 && chosen.length < rows.length;
    if (chosen.length < rows.length) everything = false;
    bar.hidden = !chosen.length;
    var count = bar.querySelector("[data-bulk-count]");
    count.textContent = (everything ? Number(bar.dataset.all) : chosen.length).toLocaleString("en-US");
    var more = bar.querySelector("[data-bulk-all]");
    if (more) more.hidden = everything || chosen.length < rows.length;
    if (more && !more.hidden && !bar.dataset.all) countAll(bar, more);
  }

  /* "Select all 12,304 that match" says the exact number before it is chosen. */
  function countAll(bar, button) {
    bar.dataset.all = "?";
    fetch(bar.dataset.allUrl, { credentials: "same-origin" }).then(function (answer) { return answer.text(); }).then(function (html) {
      var found = new DOMParser().parseFromString(html, "text/html").querySelector("[data-count]");
      if (!found) { delete bar.dataset.all; return; }
      bar.dataset.all = found.dataset.count;
      button.textContent = button.dataset.words.replace("{}", Number(bar.dataset.all).toLocaleString("en-US"));
    }, function () { delete bar.dataset.all; });
  }

  function selection() {
    return {
      ids: picked().map(function (box) { return box.closest("tr").dataset.id; }).join(","),
      everything: everything ? "1" : "", where: state().where, q: state().q,
    };
  }

  var last = null;
  list.addEventListener("click", function (event) {
    var target = event.target;
    var box = target.closest("tbody .pick input");
    if (box) {
      var rows = boxes();
      if (event.shiftKey && last && rows.indexOf(last) >= 0) {
        var from = rows.indexOf(last), to = rows.indexOf(box);
        rows.slice(Math.min(from, to), Math.max(from, to) + 1).forEach(function (b) { b.checked = box.checked; });
      }
      last = box;
      show();
      return;
    }
    if (target.closest("[data-pick-page]")) {
      var on = target.checked;
      boxes().forEach(function (b) { b.checked = on; });
      show();
    } else if (target.closest("[data-bulk-none]")) {
      everything = false;
      boxes().forEach(function (b) { b.checked = false; });
      show();
    } else if (target.closest("[data-bulk-all]")) {
      if (!/^\d+$/.test(el("bulk-bar").dataset.all || "")) return;
      everything = true;
      show();
    } else if (target.closest("[data-bulk]")) {
      bulk(target.closest("[data-bulk]").dataset.bulk);
    } else if (target.closest("[data-export]")) {
      exportList(target.closest("[data-export]"));
    } else if (target.closest("[data-filter]")) {
      openFilter();
    } else if (target.closest("[data-view-form]")) {
      openDialog("view-dialog", "#view-form", target.closest("[data-view-form]").dataset.viewForm);
    } else if (target.closest("[data-move]")) {
      moveColumn(target.closest("[data-move]"));
    } else {
      openRow(event);
    }
  });

  /* A click beside the title opens the record too. */
  function openRow(event) {
    var row = event.target.closest("tbody tr[data-id]");
    clearTimeout(opening);
    if (row) row.classList.remove("opening");
    if (!row || event.detail > 1 || event.target.closest("a, button, input, label") || String(window.getSelection())) return;
    if (event.target.closest(".pick")) { row.querySelector(".pick input").click(); return; }
    var url = row.querySelector(".title a").href;
    if (event.ctrlKey || event.metaKey) { window.open(url, "_blank"); return; }
    /* Where a double click edits, the first of two clicks must not leave the page. */
    if (!event.target.closest(".can")) { location.assign(url); return; }
    row.classList.add("opening");
    opening = setTimeout(function () { location.assign(url); }, 240);
  }
  var opening = 0;

  function bulk(url) {
    var dialog = el("bulk-dialog");
    /* The answer is a dialog that asks for more, a running job, or nothing but a notice. */
    window.htmx.ajax("POST", url, { values: selection(), target: dialog, swap: "innerHTML" });
  }

  document.addEventListener("htmx:afterSwap", function (event) {
    var dialog = el("bulk-dialog");
    if (event.detail.target === dialog && dialog.firstElementChild) {
      var running = dialog.querySelector(".bulk-progress");
      if (running) {
        dialog.close();
        el("bulk-progress").replaceChildren(running);
      } else if (!dialog.open) {
        dialog.showModal();
      }
    }
  });
  document.addEventListener("guke:refresh", function () { el("bulk-dialog").close(); });
  document.addEventListener("guke:progress", function (event) {
    var slot = el("bulk-progress");
    if (slot) { el("bulk-bar").hidden = false; window.htmx.ajax("GET", event.detail.value, { target: slot, swap: "innerHTML" }); }
  });
  document.addEventListener("guke:list", function (event) {
    window.htmx.ajax("GET", event.detail.value, { target: "#list", swap: "innerHTML" }).then(function () { history.replaceState(null, "", event.detail.value); });
  });

  function exportList(button) {
    var url = new URL(button.dataset.export, location.href);
    var chosen = selection();
    if (chosen.ids && !everything) {
      url.searchParams.set("ids", chosen.ids);
    } else {
      new URLSearchParams(state().args).forEach(function (value, name) { url.searchParams.set(name, value); });
      if (chosen.where !== "{}") url.searchParams.set("where", chosen.where);
    }
    url.searchParams.set("columns", all("thead th[data-key]", list).map(function (th) { return th.dataset.key; }).join(","));
    location.assign(url);
  }

  /* ---- dialogs ---- */

  function openDialog(id, target, url) {
    var dialog = el(id);
    window.htmx.ajax("GET", url, { target: target, swap: "innerHTML" }).then(function () { if (!dialog.open) dialog.showModal(); });
  }

  function openFilter() { openDialog("filter-dialog", "#filter-dialog", state().filterUrl); }

  document.addEventListener("submit", function (event) {
    if (event.target.id === "filter-form") el("filter-dialog").close();
  });

  /* ---- columns ---- */

  document.addEventListener("toggle", function (event) {
    if (event.target.id === "columns-menu" && event.target.open) {
      window.htmx.ajax("GET", state().columnsUrl, { target: "#columns-list", swap: "innerHTML" });
    }
  }, true);
  document.addEventListener("htmx:load", function (event) {
    var choices = event.detail.elt.querySelector && event.detail.elt.querySelector("[data-sortable]");
    if (choices && window.Sortable) window.Sortable.create(choices, { handle: ".grip", animation: 120 });
  });

  function moveColumn(button) {
    var item = button.closest("li");
    var other = button.dataset.move === "-1" ? item.previousElementSibling : item.nextElementSibling;
    if (!other) return;
    if (button.dataset.move === "-1") other.before(item); else other.after(item);
    button.focus();
  }

  /* ---- rows ---- */

  list.addEventListener("mouseover", function (event) {
    var cell = event.target.closest("tbody td, tbody th");
    if (cell && !cell.title && cell.scrollWidth > cell.clientWidth) cell.title = cell.innerText.trim();
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "/" && !event.target.closest("input, textarea, select, [contenteditable], dialog")) {
      event.preventDefault();
      el("list-q").focus();
    }
  });

  function placeCount() {
    /* On wide windows the count stands beside the title. */
    var slot = el("list-count-slot");
    if (!slot || !window.matchMedia("(min-width: 768px)").matches) return;
    var before = slot.firstElementChild;
    slot.replaceChildren();
    var count = el("list-count");
    /* The former number stands until the new one is there. */
    if (count && before && !count.firstElementChild) count.innerHTML = before.innerHTML;
    if (count) slot.append(count);
  }

  function ready() {
    everything = false;
    last = null;
    remember();
    show();
    placeCount();
  }

  document.addEventListener("htmx:afterSettle", function (event) {
    var id = event.detail.target && event.detail.target.id;
    if (id === "list" || id === "list-body") {
      ready();
      var table = list.querySelector(".list-table");
      if (table) table.scrollTop = 0;
    }
  });
  ready();
})();
