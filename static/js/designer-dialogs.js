/* The form designer's dialogs (conditions, many choices at once, preview, publishing, versions) and its larger editors
   (choices, trees, formulas). */
(function () {
  "use strict";

  var D = window.gukeDesigner;
  if (!D) return;
  var w = D.words, data = D.data, el = D.el, icon = D.icon, label = D.label, fill = D.fill;

  function fetchHtml(url, body) {
    return fetch(url, {
      method: body ? "POST" : "GET", credentials: "same-origin",
      headers: Object.assign({ "X-CSRF-Token": window.guke.csrf(), "HX-Request": "true" }, body ? { "Content-Type": "application/json" } : {}),
      body: body ? JSON.stringify(body) : undefined,
    }).then(function (answer) {
      return answer.text().then(function (text) {
        if (!answer.ok && answer.status !== 422) throw new Error(answer.status);
        return text;
      });
    });
  }

  function put(box, html) {
    box.innerHTML = html;
    window.htmx.process(box);
    window.htmx.trigger(box, "htmx:load", { elt: box });
  }

  function offline() { window.guke.toast(window.guke.word("offline"), { kind: "error" }); }

  /* ---- conditions ---- */

  var conditionDialog = document.getElementById("designer-condition");
  var conditionFor = null;
  var worded = {};

  function conditionUrl(url, formKey) { return url + (formKey ? "&form=" + encodeURIComponent(formKey) : ""); }

  D.conditionWords = function (where, formKey) {
    var id = JSON.stringify([where, formKey, D.doc.fields.map(function (f) { return [f.key, f.label]; })]);
    if (!worded[id]) {
      worded[id] = D.flush().then(function () { return D.post(conditionUrl(data.urls.condition_words, formKey), { where: where }); }).then(function (answer) { return answer.doc; }, function () { delete worded[id]; return { words: "…" }; });
    }
    return worded[id];
  };

  D.editCondition = function (key, name, formKey, text) {
    D.flush().then(function () {
      conditionFor = { key: key, name: name };
      document.getElementById("designer-condition-title").textContent = text;
      var f = D.field(key);
      var meta = data.urls.condition_meta + "&v=" + D.version + "-" + Date.now() + (formKey ? "&form=" + encodeURIComponent(formKey) : "");
      var box = el("div", { class: "conditions", "data-conditions": formKey || data.form, "data-meta": meta, "data-words": conditionUrl(data.urls.condition_words, formKey), "data-pick": data.urls.pick }, [
        el("input", { type: "hidden", name: "where" }), el("div", { class: "conditions-tree" }, [el("span", { class: "dz-wait" })]),
        el("p", { class: "conditions-error field-error", role: "alert", hidden: true }), el("p", { class: "conditions-summary", "aria-live": "polite" }),
      ]);
      box.querySelector("input").value = JSON.stringify(f[name] || {});
      document.getElementById("designer-condition-body").replaceChildren(box);
      conditionDialog.showModal();
      window.guke.conditions(box);
    });
  };

  conditionDialog.querySelector("form").addEventListener("submit", function (event) {
    event.preventDefault();
    var where = JSON.parse(conditionDialog.querySelector("input[name=where]").value || "{}");
    var target = conditionFor;
    conditionDialog.close();
    D.change(function () {
      var f = D.field(target.key);
      if (Object.keys(where).length) f[target.name] = where; else delete f[target.name];
    });
  });

  /* ---- choices ---- */

  function textOf(item) { return typeof item === "string" ? item : label(item.label) || item.value; }

  function asDoc(item) { return typeof item === "string" ? { value: item, label: item } : D.copy(item); }

  D.choicesEditor = function (f, name, set) {
    var list = (f[name] || []).map(asDoc);
    var known = data.published[f.key] ? (data.choices[f.key] || []) : [];
    var box = el("div", { class: "dz-choices" });
    var showEnglish = list.some(function (c) { return c.label && typeof c.label === "object" && c.label.en; });

    function tell(redraw, focus) {
      set(name, list.map(function (c) { return c; }), { merge: redraw ? "" : "f:" + D.selected.key + ":" + name });
      if (redraw) draw(focus);
    }

    function relabel(item, zh, en) {
      var old = item.value;
      item.label = en ? { zh: zh, en: en } : zh;
      if (known.indexOf(old) < 0) item.value = free(zh || old, item);
    }

    function free(text, item) {
      var taken = list.filter(function (c) { return c !== item; }).map(function (c) { return c.value; });
      if (taken.indexOf(text) < 0) return text;
      for (var n = 2; ; n += 1) if (taken.indexOf(text + " " + n) < 0) return text + " " + n;
    }

    function addMany(lines, at) {
      lines.forEach(function (text, n) {
        var item = { value: "", label: text, color: data.colors[(list.length + n) % data.colors.length] };
        item.value = free(text, item);
        list.splice(at + n, 0, item);
      });
    }

    function draw(focus) {
      var rows = el("ol", { class: "dz-choice-list" }, list.map(function (item, at) {
        var zh = typeof item.label === "object" && item.label ? item.label.zh || "" : item.label || item.value;
        var en = typeof item.label === "object" && item.label ? item.label.en || "" : "";
        var input = el("input", { type: "text", class: "form-control", value: zh, maxlength: 100, "aria-label": fill(w.choice_n, { n: at + 1 }), autocomplete: "off" });
        var english = el("input", { type: "text", class: "form-control", lang: "en", value: en, maxlength: 100, placeholder: w.english, "aria-label": fill(w.in_english, { what: zh }), autocomplete: "off", hidden: !showEnglish });
        input.addEventListener("input", function () { relabel(item, input.value, english.value); tell(false); });
        english.addEventListener("input", function () { relabel(item, input.value, english.value); tell(false); });
        input.addEventListener("paste", function (event) {
          var lines = event.clipboardData.getData("text").split(/\r?\n/).map(function (t) { return t.trim(); }).filter(Boolean);
          if (lines.length < 2) return;
          event.preventDefault();
          if (!input.value.trim()) list.splice(at, 1);
          addMany(lines, input.value.trim() ? at + 1 : at);
          tell(true);
        });
        input.addEventListener("keydown", function (event) {
          if (event.isComposing) return;
          if (event.key === "Enter") { event.preventDefault(); addMany([fill(w.choice_n, { n: list.length + 1 })], at + 1); tell(true, at + 1); }
          if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
            event.preventDefault();
            var to = at + (event.key === "ArrowUp" ? -1 : 1);
            if (!list[to]) return;
            list.splice(to, 0, list.splice(at, 1)[0]);
            tell(true, to);
          }
        });
        return el("li", {}, [
          el("span", { class: "grip", "aria-hidden": "true" }, [icon("grip-vertical", 16)]),
          swatch(item, at),
          el("span", { class: "dz-choice-text" }, [input, english]),
          D.iconButton("x", fill(w.remove_what, { what: zh }), { onclick: function () { list.splice(at, 1); tell(true); } }),
        ]);
      }));
      var chosen = f.default;
      var dflt = el("select", { class: "form-select dz-choice-default", "aria-label": w.default_choice }, [el("option", { value: "", text: w.no_default })].concat(list.map(function (c) { return el("option", { value: c.value, text: textOf(c), selected: c.value === chosen }); })));
      dflt.addEventListener("change", function () { chosen = dflt.value; set("default", dflt.value || undefined, { panel: true }); });
      box.replaceChildren(rows, el("div", { class: "row-gap" }, [
        el("button", { type: "button", class: "btn btn-sm", onclick: function () { addMany([fill(w.choice_n, { n: list.length + 1 })], list.length); tell(true, list.length - 1); } }, [icon("plus", 16), el("span", { text: w.add_choice })]),
        el("button", { type: "button", class: "btn btn-sm btn-ghost", onclick: function () { many(addAll); } }, [icon("clipboard-list", 16), el("span", { text: w.add_many })]),
        el("button", { type: "button", class: "btn btn-sm btn-ghost", "aria-pressed": showEnglish ? "true" : "false", onclick: function () { showEnglish = !showEnglish; draw(); } }, [icon("language", 16), el("span", { text: w.english })]),
      ]));
      if (f.type === "choice") box.append(el("div", { class: "dz-inline" }, [el("span", { class: "form-label", text: w.default }), dflt]));
      new Sortable(rows, { handle: ".grip", forceFallback: true, animation: 120, onEnd: function (event) {
        if (event.oldIndex === event.newIndex) return;
        list.splice(event.newIndex, 0, list.splice(event.oldIndex, 1)[0]);
        tell(true);
      } });
      if (focus !== undefined && rows.children[focus]) { var at = rows.children[focus].querySelector("input"); at.focus(); at.select(); }
    }

    function addAll(lines) { addMany(lines, list.length); tell(true); }

    function swatch(item, at) {
      var menu = el("details", { class: "menu dz-swatch-menu" }, [el("summary", { class: "dz-swatch tag-" + (item.color || "gray"), title: w.color, "aria-label": fill(w.color_of, { what: textOf(item) || fill(w.choice_n, { n: at + 1 }) }) }), el("div", { class: "menu-list dz-swatch-list" }, data.colors.map(function (name) {
        return el("button", { type: "button", class: "dz-swatch tag-" + name, title: w["color_" + name], "aria-label": w["color_" + name], "aria-pressed": item.color === name ? "true" : "false", onclick: function () { item.color = name; menu.open = false; tell(true); } });
      }))]);
      return menu;
    }

    draw();
    return box;
  };

  var manyDialog = document.getElementById("designer-many");
  var manyDone = null;
  function many(done) {
    manyDone = done;
    manyDialog.querySelector("textarea").value = "";
    manyDialog.showModal();
    manyDialog.querySelector("textarea").focus();
  }
  manyDialog.querySelector("form").addEventListener("submit", function (event) {
    event.preventDefault();
    var lines = manyDialog.querySelector("textarea").value.split(/\r?\n/).map(function (t) { return t.trim(); }).filter(Boolean);
    manyDialog.close();
    if (lines.length) manyDone(lines);
  });

  /* ---- columns of line items ---- */

  var COLUMN_TYPES = ["text", "integer", "decimal", "money", "percent", "date", "yes_no", "relation", "formula"];

  D.columnsEditor = function (f, set) {
    var list = D.copy(f.fields || []);
    var before = (data.columns || {})[f.key] || [];
    var box = el("div", { class: "dz-columns" });
    var timers = {};
    function tell(focus) {
      set("fields", D.copy(list));
      if (focus !== undefined) draw(focus);
    }
    function nameKey(column) {
      if (before.indexOf(column.key) >= 0) return;
      clearTimeout(timers[column.key]);
      timers[column.key] = setTimeout(function () {
        D.post(data.urls.key, { label: label(column.label), taken: list.filter(function (c) { return c !== column; }).map(function (c) { return c.key; }) }).then(function (answer) {
          if (answer.ok && list.indexOf(column) >= 0 && column.key !== answer.doc.key) { column.key = answer.doc.key; tell(); }
        });
      }, 500);
    }
    function draw(focus) {
      var rows = el("ol", { class: "dz-order-list dz-column-list" }, list.map(function (column, at) {
        var name = el("input", { type: "text", class: "form-control", value: label(column.label), maxlength: 60, "aria-label": fill(w.column_n, { n: at + 1 }), autocomplete: "off" });
        name.addEventListener("input", function () { column.label = name.value; nameKey(column); tell(); });
        var known = before.indexOf(column.key) >= 0;
        var types = COLUMN_TYPES.indexOf(column.type) < 0 ? COLUMN_TYPES.concat([column.type]) : COLUMN_TYPES;
        var type = el("select", { class: "form-select", "aria-label": fill(w.type_of, { what: label(column.label) }), disabled: known }, types.filter(function (t) { return D.types[t]; }).map(function (t) { return el("option", { value: t, text: D.types[t].name, selected: t === column.type }); }));
        type.addEventListener("change", function () {
          column.type = type.value;
          delete column.form;
          delete column.formula;
          if (type.value === "relation") column.form = data.forms[0].key;
          tell(at);
        });
        var more = null;
        if (column.type === "relation") {
          more = el("select", { class: "form-select", "aria-label": w.related_form }, data.forms.map(function (one) { return el("option", { value: one.key, text: one.label, selected: one.key === column.form }); }));
          more.addEventListener("change", function () { column.form = more.value; tell(); });
        } else if (column.type === "formula") {
          more = el("input", { type: "text", class: "form-control mono", value: column.formula || "", "aria-label": w.formula, placeholder: w.column_formula });
          more.addEventListener("input", function () { column.formula = more.value; tell(); });
        }
        return el("li", {}, [el("span", { class: "grip", "aria-hidden": "true" }, [icon("grip-vertical", 16)]), el("span", { class: "dz-column" }, [name, type, more]),
          D.iconButton("x", fill(w.remove_what, { what: label(column.label) }), { disabled: list.length === 1, onclick: function () { list.splice(at, 1); tell(0); } })]);
      }));
      box.replaceChildren(rows, el("div", { class: "row-gap" }, [el("button", { type: "button", class: "btn btn-sm", onclick: function () {
        var n = 1;
        while (list.some(function (c) { return c.key === "column_" + n; })) n += 1;
        list.push({ key: "column_" + n, type: "text", label: fill(w.column_n, { n: list.length + 1 }) });
        tell(list.length - 1);
      } }, [icon("plus", 16), el("span", { text: w.add_column })])]));
      new Sortable(rows, { handle: ".grip", forceFallback: true, animation: 120, onEnd: function (event) {
        if (event.oldIndex === event.newIndex) return;
        list.splice(event.newIndex, 0, list.splice(event.oldIndex, 1)[0]);
        tell(event.newIndex);
      } });
      if (focus !== undefined && rows.children[focus]) { var first = rows.children[focus].querySelector("input"); first.focus(); first.select(); }
    }
    draw();
    return box;
  };

  /* ---- trees: an outline; Tab and Shift+Tab move a line in and out ---- */

  D.treeEditor = function (f, name, set) {
    var lines = [];
    var english = {};
    (function flatten(items, depth) {
      (items || []).forEach(function (item) {
        var doc = asDoc(item);
        lines.push({ depth: depth, doc: doc, text: typeof doc.label === "object" && doc.label ? doc.label.zh || "" : doc.label || doc.value });
        if (doc.label && typeof doc.label === "object") english[lines.length - 1] = doc.label.en;
        flatten(doc.children, depth + 1);
      });
    })(f[name], 0);
    if (!lines.length) lines.push({ depth: 0, doc: {}, text: "" });
    var known = data.published[f.key] ? (data.choices[f.key] || []) : [];
    var box = el("div", { class: "dz-tree" });

    function tree() {
      var roots = [], stack = [];
      lines.forEach(function (one) {
        if (!one.text.trim()) return;
        var text = one.text.trim();
        var doc = Object.assign({}, one.doc);
        delete doc.children;
        doc.label = doc.label && typeof doc.label === "object" ? Object.assign({}, doc.label, { zh: text }) : text;
        if (!doc.value || known.indexOf(doc.value) < 0) doc.value = text;
        one.doc = doc;
        stack.length = Math.min(stack.length, one.depth);
        var siblings = stack.length ? (stack[stack.length - 1].children = stack[stack.length - 1].children || []) : roots;
        siblings.push(doc);
        stack.push(doc);
      });
      return roots;
    }
    function tell(focus) { set(name, tree()); if (focus !== undefined) draw(focus); }
    function shift(at, by) {
      var max = at ? lines[at - 1].depth + 1 : 0;
      lines[at].depth = Math.max(0, Math.min(max, lines[at].depth + by));
      tell(at);
    }
    function draw(focus) {
      box.replaceChildren(el("ol", { class: "dz-tree-list" }, lines.map(function (one, at) {
        var input = el("input", { type: "text", class: "form-control", value: one.text, maxlength: 100, "aria-label": fill(w.tree_line, { n: at + 1, level: one.depth + 1 }), autocomplete: "off" });
        input.addEventListener("input", function () { one.text = input.value; tell(); });
        input.addEventListener("paste", function (event) {
          var rows = event.clipboardData.getData("text").split(/\r?\n/).filter(function (t) { return t.trim(); });
          if (rows.length < 2) return;
          event.preventDefault();
          var base = one.text.trim() ? at + 1 : at;
          if (!one.text.trim()) lines.splice(at, 1);
          rows.forEach(function (row, n) {
            var indent = row.match(/^[\t 　]*/)[0].replace(/\t/g, "  ").length;
            lines.splice(base + n, 0, { depth: Math.min(5, Math.floor(indent / 2)), doc: {}, text: row.trim() });
          });
          tell(base);
        });
        input.addEventListener("keydown", function (event) {
          if (event.isComposing) return;
          if (event.key === "Enter") { event.preventDefault(); lines.splice(at + 1, 0, { depth: one.depth, doc: {}, text: "" }); draw(at + 1); }
          else if (event.altKey && event.key === "ArrowRight") { event.preventDefault(); shift(at, 1); }
          else if (event.altKey && event.key === "ArrowLeft") { event.preventDefault(); shift(at, -1); }
          else if (event.altKey && event.key === "ArrowUp" && at) { event.preventDefault(); lines.splice(at - 1, 0, lines.splice(at, 1)[0]); tell(at - 1); }
          else if (event.altKey && event.key === "ArrowDown" && at < lines.length - 1) { event.preventDefault(); lines.splice(at + 1, 0, lines.splice(at, 1)[0]); tell(at + 1); }
          else if (event.key === "Backspace" && !input.value && lines.length > 1) { event.preventDefault(); lines.splice(at, 1); tell(Math.max(0, at - 1)); }
        });
        var row = el("li", { class: "dz-depth-" + Math.min(5, one.depth) }, [
          input,
          D.iconButton("indent-decrease", w.outdent, { disabled: one.depth === 0, onclick: function () { shift(at, -1); } }),
          D.iconButton("indent-increase", w.indent, { disabled: at === 0 || one.depth > lines[at - 1].depth, onclick: function () { shift(at, 1); } }),
          D.iconButton("x", fill(w.remove_what, { what: one.text }), { disabled: lines.length === 1, onclick: function () { lines.splice(at, 1); tell(Math.max(0, at - 1)); } }),
        ]);
        return row;
      })), el("div", { class: "row-gap" }, [el("button", { type: "button", class: "btn btn-sm", onclick: function () { lines.push({ depth: 0, doc: {}, text: "" }); draw(lines.length - 1); } }, [icon("plus", 16), el("span", { text: w.add_choice })])]),
      el("p", { class: "field-help", text: w.tree_help }));
      if (focus !== undefined && box.querySelectorAll("input")[focus]) box.querySelectorAll("input")[focus].focus();
    }
    draw();
    return box;
  };

  /* ---- formulas ---- */

  /* A formula keeps keys and shows labels: {dan_jia} reads {单价}. */
  function readable(text) {
    return String(text || "").replace(/\{([^{}.]+)(\.[^{}]*)?\}/g, function (all, key, rest) { var f = D.field(key); return f && label(f.label) ? "{" + label(f.label) + (rest || "") + "}" : all; });
  }
  function keyed(text) {
    return text.replace(/\{([^{}.]+)(\.[^{}]*)?\}/g, function (all, name, rest) {
      var found = D.doc.fields.filter(function (f) { return f.key === name.trim() || label(f.label) === name.trim(); });
      return found.length === 1 ? "{" + found[0].key + (rest || "") + "}" : all;
    });
  }

  D.formulaEditor = function (f, name, set) {
    var id = "dz-formula-" + name;
    var input = el("textarea", { class: "form-control mono", rows: 3, id: id, spellcheck: "false", "aria-label": w.formula, "data-main": true, "aria-describedby": id + "-said" });
    input.value = readable(f[name]);
    var said = el("p", { class: "field-help", id: id + "-said", role: "status" });
    var timer = 0, asked = 0;
    function check() {
      var mine = ++asked;
      if (!input.value.trim()) { said.textContent = ""; return; }
      D.post(data.urls.formula, { formula: keyed(input.value), key: D.selected && D.selected.key, name: name, fields: D.doc.fields }).then(function (answer) {
        if (mine !== asked) return;
        said.className = answer.doc.error ? "field-error" : "field-help";
        said.textContent = answer.doc.error || answer.doc.words || "";
        input.setAttribute("aria-invalid", answer.doc.error ? "true" : "false");
      }, function () { /* told by the saving */ });
    }
    function tell() {
      var text = keyed(input.value);
      D.change(function () { var now = D.field(D.selected.key); if (now) now[name] = text; }, { panel: false, merge: "f:" + D.selected.key + ":" + name });
      clearTimeout(timer);
      timer = setTimeout(check, 350);
    }
    input.addEventListener("input", tell);
    var fields = el("select", { class: "form-select", "aria-label": w.insert_field }, [el("option", { value: "", text: w.insert_field })].concat(D.doc.fields.filter(function (x) { return x.key !== f.key; }).map(function (x) { return el("option", { value: "{" + (label(x.label) || x.key) + "}", text: label(x.label) || x.key }); })));
    var functions = el("select", { class: "form-select", "aria-label": w.insert_function }, [el("option", { value: "", text: w.insert_function })].concat(data.functions.map(function (one) { return el("option", { value: one.name, text: one.label }); })));
    function insert(text, back) {
      var at = input.selectionStart;
      input.setRangeText(text, at, input.selectionEnd, "end");
      input.focus();
      if (back) input.setSelectionRange(input.selectionStart - back, input.selectionStart - back);
      tell();
    }
    fields.addEventListener("change", function () { if (fields.value) insert(fields.value); fields.value = ""; });
    functions.addEventListener("change", function () { if (functions.value) insert(functions.value + "()", 1); functions.value = ""; });
    setTimeout(check, 0);
    return el("div", { class: "dz-formula" }, [input, said, el("div", { class: "dz-pair" }, data.functions.length ? [fields, functions] : [fields])]);
  };

  /* ---- problems ---- */

  document.getElementById("designer-problems").addEventListener("click", function () {
    var list = document.getElementById("designer-problem-list");
    list.replaceChildren.apply(list, Object.keys(D.found).map(function (key) {
      return el("li", {}, [el("button", { type: "button", class: "menu-item", onclick: function () { document.getElementById("designer-problem-dialog").close(); D.goTo(key); } }, [el("b", { text: D.field(key) ? D.nameOf(key) : w.form_settings }), el("span", { text: D.found[key] })])]);
    }));
    document.getElementById("designer-problem-dialog").showModal();
  });

  /* ---- preview ---- */

  var preview = document.getElementById("designer-preview");
  var previewBody = document.getElementById("designer-preview-body");

  function drawPreview() {
    previewBody.classList.add("busy");
    var record = preview.querySelector('[name="preview-record"]');
    fetchHtml(data.urls.preview, { record: record && record.value ? Number(record.value) : null }).then(function (html) {
      put(previewBody, html);
      previewBody.classList.remove("busy");
    }, function () { previewBody.classList.remove("busy"); offline(); });
  }

  function width(name) {
    preview.querySelectorAll("[data-preview-width]").forEach(function (b) { b.setAttribute("aria-pressed", b.dataset.previewWidth === name ? "true" : "false"); });
    previewBody.dataset.width = name;
  }

  preview.addEventListener("change", function (event) { if (event.target.name === "preview-record") drawPreview(); });
  previewBody.addEventListener("submit", function (event) { event.preventDefault(); }, true);
  previewBody.addEventListener("click", function (event) {
    var tab = event.target.closest("[data-preview-tab]");
    if (!tab) return;
    previewBody.querySelectorAll("[data-preview-tab]").forEach(function (t) { t.setAttribute("aria-selected", t === tab ? "true" : "false"); });
    previewBody.querySelectorAll("[data-preview-page]").forEach(function (p) { p.hidden = p.dataset.previewPage !== tab.dataset.previewTab; });
  });

  /* ---- publishing, versions ---- */

  var publish = document.getElementById("designer-publish");
  var publishBody = document.getElementById("designer-publish-body");
  var versions = document.getElementById("designer-versions");

  function openPublish() {
    D.flush().then(function (saved) {
      if (!saved) return;
      publishBody.replaceChildren(el("span", { class: "dz-wait" }));
      publish.showModal();
      fetchHtml(data.urls.publish).then(function (html) { put(publishBody, html); ready(); }, function () { publish.close(); offline(); });
    });
  }

  /* The button waits for the tick and the typed word. */
  function ready() {
    var send = publishBody.querySelector("[data-publish]");
    if (!send) return;
    var accept = publishBody.querySelector("[name=accept]");
    var word = publishBody.querySelector("[name=word]");
    send.disabled = (accept && !accept.checked) || (word && word.value.trim() !== word.dataset.word) || false;
  }
  publishBody.addEventListener("input", ready);
  publishBody.addEventListener("change", ready);
  publishBody.addEventListener("submit", function (event) {
    event.preventDefault();
    var send = publishBody.querySelector("[data-publish]");
    if (!send || send.disabled) return;
    send.disabled = true;
    send.querySelector("span").textContent = w.publishing;
    var accept = publishBody.querySelector("[name=accept]");
    var word = publishBody.querySelector("[name=word]");
    D.post(data.urls.publish, { version: D.version, accept: !!(accept && accept.checked), word: word ? word.value : "" }).then(function (answer) {
      if (answer.ok) { D.leave(answer.doc.url); return; }
      var box = publishBody.querySelector("[data-publish-error]");
      box.hidden = false;
      box.querySelector("p").textContent = answer.doc.message || window.guke.word("failed");
      send.querySelector("span").textContent = w.publish;
      send.disabled = false;
    }, function () { send.disabled = false; send.querySelector("span").textContent = w.publish; offline(); });
  });
  publishBody.addEventListener("click", function (event) {
    if (event.target.closest("[data-catch-up]")) { D.catchUp(); return; }
    var link = event.target.closest("[data-problem]");
    if (!link) return;
    publish.close();
    D.goTo(link.dataset.problem);
  });

  D.leave = function (url) {
    try { localStorage.removeItem("guke.designer." + data.draft); } catch (error) { /* no storage */ }
    location.assign(url);
  };

  document.addEventListener("click", function (event) {
    var verb = event.target.closest("[data-designer]");
    var name = verb && verb.dataset.designer;
    if (name === "publish") openPublish();
    if (name === "preview") D.flush().then(function () { width(window.innerWidth < 768 ? "phone" : "desktop"); preview.showModal(); drawPreview(); });
    if (name === "versions") { versions.showModal(); fetchHtml(data.urls.versions).then(function (html) { put(document.getElementById("designer-versions-body"), html); }, offline); }
    var size = event.target.closest("[data-preview-width]");
    if (size) width(size.dataset.previewWidth);
    var revert = event.target.closest("[data-revert]");
    if (revert) D.post(data.urls.revert, { version: Number(revert.dataset.revert) }).then(function (answer) {
      if (answer.ok) D.leave(answer.doc.url); else window.guke.toast(answer.doc.message || window.guke.word("failed"), { kind: "error" });
    }, offline);
  });

  var discard = document.getElementById("designer-discard");
  if (discard) discard.addEventListener("close", function () {
    if (this.returnValue !== "yes") return;
    this.returnValue = "";
    D.post(data.urls.discard, {}).then(function (answer) {
      if (answer.ok) D.leave(answer.doc.url); else window.guke.toast(answer.doc.message || window.guke.word("failed"), { kind: "error" });
    }, offline);
  });
})();
