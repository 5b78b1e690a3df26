/* The calendar: dragging an entry to another day, a click on a day makes a record, the list of a full day. */
(function () {
  "use strict";

  var list = document.getElementById("list");
  if (!list) return;

  function el(id) { return document.getElementById(id); }
  function dayAt(x, y) {
    return document.elementsFromPoint(x, y).find(function (hit) { return hit.matches("#calendar .cal-day"); });
  }
  function shift(day, days) {
    var at = new Date(day + "T12:00:00Z");
    at.setUTCDate(at.getUTCDate() + days);
    return at.toISOString().slice(0, 10);
  }
  function move(id, from, to) {
    if (from !== to) window.gukeBoards.send(el("calendar"), id, { from: from, to: to });
  }

  /* ---- dragging ---- */

  var dragged = false;

  document.addEventListener("pointerdown", function (event) {
    var entry = event.target.closest("#calendar[data-may-move] .cal-bar-entry");
    if (!entry || event.button) return;
    var start = { x: event.clientX, y: event.clientY };
    /* A press on the third day of an entry grabs it by its third day. */
    var under = dayAt(event.clientX, event.clientY);
    var grabbed = under ? under.dataset.day : entry.dataset.from;
    var ghost = null, over = null;
    dragged = false;

    function begin() {
      dragged = true;
      ghost = document.createElement("div");
      ghost.className = "cal-ghost";
      ghost.textContent = entry.textContent.trim();
      document.body.append(ghost);
      entry.classList.add("dragged");
    }
    function mark(next) {
      if (over === next) return;
      if (over) over.classList.remove("over");
      over = next || null;
      if (over) over.classList.add("over");
    }
    function moving(e) {
      if (!ghost && Math.hypot(e.clientX - start.x, e.clientY - start.y) > 5) begin();
      if (!ghost) return;
      ghost.style.left = e.clientX + 8 + "px";
      ghost.style.top = e.clientY + 8 + "px";
      mark(dayAt(e.clientX, e.clientY));
    }
    function end(write) {
      document.removeEventListener("pointermove", moving);
      document.removeEventListener("pointerup", up);
      document.removeEventListener("pointercancel", cancel);
      document.removeEventListener("keydown", escape, true);
      var to = over && over.dataset.day;
      mark(null);
      if (ghost) ghost.remove();
      entry.classList.remove("dragged");
      if (write && ghost && to) move(entry.dataset.id, grabbed, to);
    }
    function up() { end(true); }
    function cancel() { end(false); }
    function escape(e) { if (e.key === "Escape") end(false); }
    document.addEventListener("pointermove", moving);
    document.addEventListener("pointerup", up);
    document.addEventListener("pointercancel", cancel);
    document.addEventListener("keydown", escape, true);
  });

  document.addEventListener("click", function (event) {
    if (dragged && event.target.closest("#calendar")) {
      event.preventDefault();
      event.stopPropagation();
    }
    dragged = false;
  }, true);

  /* ---- keyboard: Alt and arrows move by a day or a week ---- */

  document.addEventListener("keydown", function (event) {
    var entry = event.target.closest && event.target.closest("#calendar[data-may-move] .cal-bar-entry");
    if (!entry) return;
    var days = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 }[event.key];
    if (event.altKey && days) {
      event.preventDefault();
      move(entry.dataset.id, entry.dataset.first, shift(entry.dataset.first, days));
    } else if (event.key === "m" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      ask(entry.dataset.id, entry.dataset.first);
    }
  });

  /* ---- "move to…" asks for the day ---- */

  function ask(id, first) {
    var dialog = el("board-dialog"), calendar = el("calendar");
    dialog.replaceChildren();
    var form = document.createElement("form");
    form.className = "modal-body stack";
    var label = document.createElement("label");
    label.className = "form-label";
    label.textContent = calendar.dataset.moveWords;
    var input = document.createElement("input");
    input.type = "date";
    input.className = "form-control";
    input.value = first;
    input.max = "9990-12-31";
    input.required = true;
    label.append(input);
    var foot = document.createElement("div");
    foot.className = "form-actions";
    var ok = document.createElement("button");
    ok.className = "btn btn-primary";
    ok.textContent = calendar.dataset.okWords;
    var close = document.createElement("button");
    close.type = "button";
    close.className = "btn";
    close.textContent = calendar.dataset.closeWords;
    close.addEventListener("click", function () { dialog.close(); });
    foot.append(ok, close);
    form.append(label, foot);
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      event.stopPropagation();
      dialog.close();
      move(id, first, input.value);
    });
    dialog.append(form);
    if (!dialog.open) dialog.showModal();
    input.focus();
  }

  document.addEventListener("click", function (event) {
    var mover = event.target.closest("[data-move-entry]");
    if (mover) {
      var one = mover.closest(".cal-entry");
      ask(one.dataset.id, one.dataset.first);
      return;
    }
    var day = event.target.closest("[data-day-url]");
    if (day) {
      window.htmx.ajax("GET", day.dataset.dayUrl, { target: "#board-dialog", swap: "innerHTML" }).then(function () {
        if (!el("board-dialog").open) el("board-dialog").showModal();
      });
      return;
    }
    var cell = event.target.closest("#calendar[data-new-url] .cal-day");
    if (cell && !event.target.closest("a, button") && !event.defaultPrevented) cell.querySelector("a.cal-number").click();
  });
})();
