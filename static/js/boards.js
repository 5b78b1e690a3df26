/* Kanban and tree: moving records by mouse, touch and keyboard; columns that close; what a board shows. */
(function () {
  "use strict";

  var list = document.getElementById("list");
  if (!list) return;

  function el(id) { return document.getElementById(id); }
  function all(selector, root) { return Array.from((root || document).querySelectorAll(selector)); }

  /* Posts a move. The promise says whether it was written; notices come with the answer. */
  function send(board, id, values) {
    var url = board.dataset.moveUrl.replace(/\/move\/0\b/, "/move/" + id);
    var source = board;
    return new Promise(function (resolve) {
      function ended(event) {
        if (event.detail.requestConfig.path.indexOf("/move/" + id) < 0) return;
        source.removeEventListener("htmx:afterRequest", ended);
        resolve(event.detail.successful);
      }
      source.addEventListener("htmx:afterRequest", ended);
      window.htmx.ajax("POST", url, { source: source, target: source, swap: "none", values: values });
    });
  }

  /* ---- kanban ---- */

  function columnOf(node) { return node.closest(".kanban-column"); }

  function kanban() {
    var board = el("kanban");
    if (!board || board.dataset.ready) return;
    board.dataset.ready = "1";
    if (!("mayMove" in board.dataset) || !window.Sortable) return;
    all("[data-cards]", board).forEach(function (cards) {
      window.Sortable.create(cards, {
        group: "kanban", draggable: ".board-card", animation: 120, delay: 180, delayOnTouchOnly: true, touchStartThreshold: 6,
        sort: false, scroll: true, filter: ".board-card-move", preventOnFilter: false, fallbackOnBody: true, forceFallback: true,
        fallbackTolerance: 4,
        onMove: function (event) {
          all(".kanban-column.over", board).forEach(function (c) { c.classList.remove("over"); });
          columnOf(event.to).classList.add("over");
        },
        onEnd: function (event) {
          all(".kanban-column.over", board).forEach(function (c) { c.classList.remove("over"); });
          /* The click that ends a drag opens nothing. */
          var stop = function (click) { click.preventDefault(); click.stopPropagation(); };
          event.item.addEventListener("click", stop, true);
          setTimeout(function () { event.item.removeEventListener("click", stop, true); }, 50);
          if (event.to !== event.from) moved(board, event.item, columnOf(event.from), columnOf(event.to), event.oldIndex);
        }
      });
    });
  }

  function moved(board, card, from, to, place) {
    send(board, card.dataset.id, { from: from.dataset.key, to: to.dataset.key }).then(function (done) {
      if (done) return;
      var cards = from.querySelector("[data-cards]");
      cards.insertBefore(card, cards.children[place] || null);
    });
  }

  function carry(card, to) {
    var from = columnOf(card), cards = from.querySelector("[data-cards]");
    var place = Array.from(cards.children).indexOf(card);
    if (from === to) return;
    to.querySelector("[data-cards]").prepend(card);
    card.querySelector("a").focus();
    moved(el("kanban"), card, from, to, place);
  }

  function collapse(button) {
    var column = columnOf(button);
    var closed = column.classList.toggle("is-closed");
    button.setAttribute("aria-expanded", !closed);
    var keys = all(".kanban-column.is-closed").map(function (c) { return c.dataset.key; });
    window.htmx.ajax("POST", el("list-state").dataset.layoutUrl, { swap: "none", values: { layout: JSON.stringify({ collapsed: keys }) } })
      .then(function () {
        /* A column that was closed when the page came has not read its cards. */
        if (!closed && !column.querySelector(".board-card")) window.htmx.trigger(document.body, "guke:refresh");
      });
  }

  /* ---- the keyboard's way: a list of the places ---- */

  var pop = null;

  function closePop() {
    if (!pop) return;
    pop.remove();
    pop = null;
  }

  function openPop(card, anchor) {
    closePop();
    pop = document.createElement("div");
    pop.className = "board-pop";
    pop.setAttribute("role", "menu");
    all("#kanban .kanban-column").forEach(function (column) {
      if (column === columnOf(card)) return;
      var item = document.createElement("button");
      item.type = "button";
      item.className = "menu-item";
      item.setAttribute("role", "menuitem");
      item.textContent = column.querySelector("h2").textContent;
      item.addEventListener("click", function () { closePop(); carry(card, column); });
      pop.append(item);
    });
    var at = anchor.getBoundingClientRect();
    document.body.append(pop);
    pop.style.top = Math.max(8, Math.min(at.bottom + 4, window.innerHeight - pop.offsetHeight - 8)) + "px";
    if (window.innerWidth > 767) pop.style.left = Math.max(8, Math.min(at.left, window.innerWidth - 228)) + "px";
    var first = pop.querySelector("button");
    if (first) first.focus();
    pop.addEventListener("keydown", function (event) {
      var items = all("button", pop), here = items.indexOf(document.activeElement);
      if (event.key === "Escape") { closePop(); anchor.focus(); }
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        items[(here + (event.key === "ArrowDown" ? 1 : -1) + items.length) % items.length].focus();
      }
    });
  }

  document.addEventListener("click", function (event) {
    var target = event.target;
    if (pop && !target.closest(".board-pop, [data-move-card]")) closePop();
    var mover = target.closest("[data-move-card]");
    if (mover) openPop(mover.closest(".board-card"), mover);
    var closer = target.closest("[data-collapse]");
    if (closer) collapse(closer);
    var toggle = target.closest("[data-toggle-branch]");
    if (toggle) branch(toggle);
    var place = target.closest("[data-place]");
    if (place) {
      window.htmx.ajax("GET", place.dataset.place, { target: "#board-dialog", swap: "innerHTML" }).then(function () { el("board-dialog").showModal(); });
    }
  });

  document.addEventListener("keydown", function (event) {
    var card = event.target.closest && event.target.closest("#kanban[data-may-move] .board-card");
    if (card && event.key === "m" && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      openPop(card, event.target);
    }
    var row = event.target.closest && event.target.closest("#tree tr[data-id]");
    if (row && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
      var open = row.getAttribute("aria-expanded");
      if (open === (event.key === "ArrowRight" ? "false" : "true")) { event.preventDefault(); branch(row.querySelector("[data-toggle-branch]")); }
    }
  });
  document.addEventListener("guke:refresh", function () {
    closePop();
    if (el("board-dialog") && el("board-dialog").open) el("board-dialog").close();
  });

  /* ---- tree ---- */

  function below(row) {
    var level = Number(row.dataset.level), found = [];
    for (var next = row.nextElementSibling; next && Number(next.dataset.level) > level; next = next.nextElementSibling) found.push(next);
    return found;
  }

  function branch(button) {
    var row = button.closest("tr");
    if (row.getAttribute("aria-expanded") === "true") {
      below(row).forEach(function (child) { child.remove(); });
      row.setAttribute("aria-expanded", "false");
      return;
    }
    row.setAttribute("aria-expanded", "true");
    window.htmx.ajax("GET", button.dataset.toggleBranch, { target: row, swap: "afterend" });
  }

  function rowAt(x, y) {
    var hit = document.elementFromPoint(x, y);
    return hit && hit.closest("#tree > tbody > tr");
  }

  document.addEventListener("pointerdown", function (event) {
    var grip = event.target.closest("#tree[data-may-move] [data-grip]");
    if (!grip || event.button) return;
    event.preventDefault();
    var tree = el("tree"), row = grip.closest("tr"), over = null, top = tree.querySelector("[data-top]");
    row.classList.add("dragged");
    if (Number(row.dataset.level) > 1) top.hidden = false;
    function mark(next) {
      if (over) over.classList.remove("over");
      over = next && next !== row && (next.dataset.id || next === top) ? next : null;
      if (over) over.classList.add("over");
    }
    function move(e) { mark(rowAt(e.clientX, e.clientY)); }
    function up() {
      document.removeEventListener("pointermove", move);
      document.removeEventListener("pointerup", up);
      document.removeEventListener("pointercancel", cancel);
      document.removeEventListener("keydown", escape, true);
      var to = over;
      row.classList.remove("dragged");
      mark(null);
      top.hidden = true;
      if (to) send(tree, row.dataset.id, { to: to === top ? "" : to.dataset.id });
    }
    function cancel() { mark(null); up(); }
    function escape(e) { if (e.key === "Escape") cancel(); }
    document.addEventListener("pointermove", move);
    document.addEventListener("pointerup", up);
    document.addEventListener("pointercancel", cancel);
    document.addEventListener("keydown", escape, true);
  });

  /* ---- what a board shows ---- */

  document.addEventListener("toggle", function (event) {
    if (event.target.id === "board-menu" && event.target.open) {
      window.htmx.ajax("GET", event.target.dataset.url, { target: "#board-options", swap: "innerHTML" });
    }
  }, true);

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.id !== "board-form") return;
    event.preventDefault();
    var query = new URLSearchParams();
    all("input[type=hidden], select", form).forEach(function (input) { query.set(input.name, input.value); });
    query.set("cards", all("[name=card]:checked", form).map(function (box) { return box.value; }).join(","));
    var url = form.dataset.url + "?" + query;
    window.htmx.ajax("GET", url, { target: "#list", swap: "innerHTML" });
  });

  /* ---- tabs ---- */

  function keepTabs() {
    var row = el("list-tabs");
    var ids = all("[data-view]", row).map(function (tab) { return tab.dataset.view; });
    window.htmx.ajax("POST", row.dataset.orderUrl, { swap: "none", values: { ids: ids.join(",") } });
  }

  function tabs() {
    var row = el("list-tabs");
    if (!row || row.dataset.ready || !window.Sortable) return;
    row.dataset.ready = "1";
    window.Sortable.create(row.querySelector(".list-tabs"), {
      draggable: "[data-view]", animation: 120, delay: 200, delayOnTouchOnly: true, onEnd: keepTabs
    });
  }

  document.addEventListener("click", function (event) {
    var mover = event.target.closest("[data-move-tab]");
    if (mover) {
      var tab = document.querySelector("#list-tabs [aria-current]");
      var other = mover.dataset.moveTab === "-1" ? tab.previousElementSibling : tab.nextElementSibling;
      if (other && other.dataset.view) {
        if (mover.dataset.moveTab === "-1") other.before(tab); else other.after(tab);
        keepTabs();
      }
    }
    var copier = event.target.closest("[data-copy-link]");
    if (copier) window.guke.copy(new URL(copier.dataset.copyLink, location.href).href);
  });
  document.addEventListener("guke:close", function () { el("view-dialog").close(); });
  document.addEventListener("guke:tabs", function () {
    window.htmx.ajax("GET", el("list-state").dataset.url, { target: "#list", swap: "innerHTML" });
  });

  function ready() { kanban(); tabs(); }
  document.addEventListener("htmx:afterSettle", ready);
  ready();
  window.gukeBoards = { send: send };
})();
