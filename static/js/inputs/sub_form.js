/* Line items as a table of inputs: add, copy, move, remove, paste from a spreadsheet, totals and computed columns. */
(function () {
  "use strict";

  var BLANK = "__n__";

  function boxOf(node) { return node.closest && node.closest("[data-rows]"); }
  function body(box) { return box.querySelector("table.rows > tbody"); }
  function lines(box) { return Array.from(body(box).children); }

  function changed(node) {
    node.dispatchEvent(new Event("input", { bubbles: true }));
    node.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function numbered(box) {
    lines(box).forEach(function (line, index) { line.querySelector("[data-number]").textContent = index + 1; });
    changed(box.querySelector("input[type=hidden]"));
    totals(box);
  }

  function add(box, after) {
    if (lines(box).length >= Number(box.dataset.most)) {
      window.guke.toast(box.dataset.tooMany, { kind: "error" });
      return null;
    }
    box.next = box.next || lines(box).length;
    while (box.querySelector('[name="' + box.dataset.rows + "." + box.next + '.id"]')) box.next += 1;
    var holder = document.createElement("tbody");
    holder.innerHTML = box.querySelector("template").innerHTML.split(BLANK).join(String(box.next));
    box.next += 1;
    var line = holder.firstElementChild;
    if (after) after.after(line); else body(box).append(line);
    if (window.htmx) window.htmx.process(line);
    numbered(box);
    return line;
  }

  function cell(line, column) { return line.querySelector('td[data-column="' + column + '"]'); }
  function control(td) {
    return td && td.querySelector("select, textarea, input:not([type=hidden]):not([type=file])");
  }

  /* Copies what the inputs of one row hold into another. */
  function fill(from, to) {
    Array.from(from.querySelectorAll("td[data-column]")).forEach(function (source) {
      var target = cell(to, source.dataset.column);
      var chips = source.querySelectorAll(".chip-held");
      if (target.querySelector("[data-files], [data-signature]")) return;
      chips.forEach(function (chip) {
        var name = target.querySelector("[data-chips] > input[type=hidden]").name;
        var twin = chip.cloneNode(true);
        twin.querySelector("input").name = name;
        target.querySelector(".picker").before(twin);
      });
      var controls = target.querySelectorAll("input, select, textarea");
      source.querySelectorAll("input, select, textarea").forEach(function (one, index) {
        if (chips.length) return;
        var twin = controls[index];
        if (!twin) return;
        if (one.type === "checkbox" || one.type === "radio") twin.checked = one.checked;
        else if (one.type !== "file") twin.value = one.value;
      });
      var picker = target.querySelector(".picker:not([data-no-clear])");
      if (picker) picker.querySelector(".picker-clear").hidden = !picker.querySelector("input[type=hidden]").value;
    });
  }

  function move(line, to) {
    var other = to < 0 ? line.previousElementSibling : line.nextElementSibling;
    if (!other) return;
    if (to < 0) other.before(line); else other.after(line);
    numbered(boxOf(line));
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-rows] button");
    if (!button) return;
    var box = boxOf(button), line = button.closest("tr");
    if (button.hasAttribute("data-row-add")) {
      var fresh = add(box);
      var first = fresh && fresh.querySelector("td[data-column] input:not([type=hidden]), td[data-column] select, td[data-column] textarea");
      if (first) first.focus();
    } else if (button.hasAttribute("data-row-copy")) {
      var twin = add(box, line);
      if (twin) { fill(line, twin); numbered(box); soon(box); }
    } else if (button.hasAttribute("data-row-remove")) {
      var near = line.nextElementSibling || line.previousElementSibling;
      line.remove();
      numbered(box);
      soon(box);
      (near ? near.querySelector("[data-row-remove]") : box.querySelector("[data-row-add]")).focus();
    } else if (button.hasAttribute("data-row-up") || button.hasAttribute("data-row-down")) {
      move(line, button.hasAttribute("data-row-up") ? -1 : 1);
      button.focus();
    }
  });

  document.addEventListener("keydown", function (event) {
    var line = event.target.closest && event.target.closest("[data-rows] .rows-line");
    if (!line || event.isComposing) return;
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      var at = document.activeElement;
      move(line, event.key === "ArrowUp" ? -1 : 1);
      at.focus();
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && event.target.matches("input:not([role=combobox])")) {
      /* On to the next row, as in a spreadsheet; the form is sent by its button. */
      event.preventDefault();
      var td = event.target.closest("td");
      var next = line.nextElementSibling || add(boxOf(line));
      var into = next && td && control(cell(next, td.dataset.column));
      if (into) into.focus();
    }
  });

  /* ---- paste ---- */

  function set(td, text) {
    var picker = td.querySelector(".picker");
    if (picker) { look(td, picker, text); return; }
    var one = control(td);
    if (!one) return;
    if (one.type === "checkbox") {
      one.checked = /^(1|是|y|yes|true|✓|√)$/i.test(text);
    } else if (one.nodeName === "SELECT") {
      var option = Array.from(one.options).find(function (o) { return o.text.trim() === text || o.value === text; });
      one.value = option ? option.value : "";
    } else if (one.type === "date") {
      var day = text.match(/^(\d{4})\D(\d{1,2})\D(\d{1,2})/);
      one.value = day ? day[1] + "-" + day[2].padStart(2, "0") + "-" + day[3].padStart(2, "0") : "";
    } else {
      one.value = text;
    }
    changed(one);
  }

  function look(td, picker, text) {
    if (!text) return;
    fetch(picker.dataset.pick + "?q=" + encodeURIComponent(text), { credentials: "same-origin", headers: { Accept: "application/json" } })
      .then(function (answer) { return answer.ok ? answer.json() : []; })
      .then(function (hits) {
        var hit = hits.find(function (h) { return h.title === text || h.hint === text; }) || (hits.length === 1 ? hits[0] : null);
        if (!hit) return;
        var hidden = picker.querySelector("input[type=hidden]");
        hidden.value = hit.id;
        picker.querySelector("[role=combobox]").value = hit.title;
        if (picker.guke) picker.guke.shown = hit.title;
        changed(hidden);
      }, function () { /* what was not found stays empty */ });
  }

  document.addEventListener("paste", function (event) {
    var td = event.target.closest && event.target.closest("[data-rows] td[data-column]");
    var text = td && event.clipboardData ? event.clipboardData.getData("text/plain") : "";
    if (!td || !/[\t\n]/.test(text.replace(/\r?\n$/, "")) || (event.target.nodeName === "TEXTAREA" && text.indexOf("\t") < 0)) return;
    event.preventDefault();
    var box = boxOf(td), line = td.closest("tr");
    var start = Number(td.dataset.column);
    text.replace(/\r/g, "").replace(/\n$/, "").split("\n").some(function (row, index) {
      if (index) line = line.nextElementSibling || add(box);
      if (!line) return true;
      var column = start;
      row.split("\t").forEach(function (value) {
        var into = cell(line, column);
        while (into && into.querySelector("[data-computed]")) into = cell(line, column += 1);
        if (into) set(into, value.trim());
        column += 1;
      });
      return false;
    });
    numbered(box);
    soon(box);
  });

  /* ---- totals and computed columns ---- */

  function amount(td) {
    if (!td) return 0;
    var one = control(td);
    var text = one ? one.value : td.textContent;
    var number = parseFloat(String(text).replace(/[^0-9.\-]/g, ""));
    return isNaN(number) ? 0 : number;
  }

  function totals(box) {
    box.querySelectorAll("[data-total]").forEach(function (foot) {
      var all = lines(box).map(function (line) { return amount(cell(line, foot.dataset.total)); });
      var sum = Math.round(all.reduce(function (a, b) { return a + b; }, 0) * 10000) / 10000;
      foot.textContent = all.length ? sum.toLocaleString("zh-CN", { minimumFractionDigits: sum % 1 ? 2 : 0, maximumFractionDigits: 4 }) : "";
    });
  }

  function soon(box) {
    totals(box);
    if (!box.dataset.rowsLive) return;
    clearTimeout(box.timer);
    box.timer = setTimeout(function () { compute(box); }, 250);
  }

  function values(box, line) {
    var found = {};
    line.querySelectorAll("td[data-column]").forEach(function (td) {
      if (td.querySelector("[data-computed], [data-files], [data-signature]")) return;
      var named = Array.from(td.querySelectorAll("[name]")).filter(function (one) {
        return (one.type !== "checkbox" && one.type !== "radio") || one.checked;
      });
      if (!named.length) return;
      found[td.dataset.key] = td.querySelector("[data-chips]") ? named.map(function (one) { return one.value; }).filter(Boolean) : named[named.length - 1].value;
    });
    return found;
  }

  function compute(box) {
    var mine = box.asked = (box.asked || 0) + 1;
    var all = lines(box);
    if (!all.length) return;
    var rows = all.map(function (line) { return { values: values(box, line) }; });
    fetch(box.dataset.rowsLive, {
      method: "POST", credentials: "same-origin", body: JSON.stringify({ rows: rows }),
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]').content },
    }).then(function (answer) { return answer.ok ? answer.json() : null; }).then(function (doc) {
      if (!doc || mine !== box.asked) return;
      doc.rows.forEach(function (said, index) {
        Object.keys(said.values).forEach(function (key) {
          var td = Array.from(all[index].children).find(function (one) { return one.dataset.key === key; });
          var out = td && td.querySelector("[data-computed]");
          if (out) out.textContent = said.values[key].text;
        });
      });
      totals(box);
    }, function () { /* the server computes it again when the record is saved */ });
  }

  document.addEventListener("input", function (event) {
    if (event.target.closest && event.target.closest("[data-rows] td[data-column]")) soon(boxOf(event.target));
  });
  document.addEventListener("change", function (event) {
    if (event.target.closest && event.target.closest("[data-rows] td[data-column]")) soon(boxOf(event.target));
  });

  function start(root) {
    (root.querySelectorAll ? root.querySelectorAll("[data-rows]") : []).forEach(function (box) {
      totals(box);
      if (!lines(box).length && !box.closest("[data-in-place]")) add(box);
    });
  }
  document.addEventListener("htmx:load", function (event) { start(event.detail.elt); });
  if (document.readyState !== "loading") start(document);
  else document.addEventListener("DOMContentLoaded", function () { start(document); });
})();
