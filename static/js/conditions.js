/* The condition builder: edits the JSON of a condition (see forms/builder.py for what the server tells it) in a hidden
   input. What it cannot edit it shows as words and keeps as it is. */
(function () {
  "use strict";

  var metas = {};
  var serial = 0;

  function el(tag, attributes, children) {
    var node = document.createElement(tag);
    Object.keys(attributes || {}).forEach(function (name) {
      var value = attributes[name];
      if (value === false || value === null || value === undefined) return;
      if (name === "text") node.textContent = value;
      else if (name.slice(0, 2) === "on") node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : value);
    });
    (children || []).forEach(function (child) { if (child) node.append(child); });
    return node;
  }

  function load(url) {
    if (!metas[url]) {
      metas[url] = fetch(url, { credentials: "same-origin" }).then(function (answer) {
        if (!answer.ok) { delete metas[url]; throw new Error(answer.status); }
        return answer.json();
      });
    }
    return metas[url];
  }

  function post(url, where, signal) {
    return fetch(url, {
      method: "POST", credentials: "same-origin", signal: signal,
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": window.guke.csrf() },
      body: JSON.stringify({ where: where }),
    }).then(function (answer) { return answer.json().then(function (doc) { return { ok: answer.ok, doc: doc }; }); });
  }

  function isObject(value) { return value !== null && typeof value === "object" && !Array.isArray(value); }
  function copy(value) { return JSON.parse(JSON.stringify(value)); }

  /* ---- understanding a condition ---- */

  var SPANS = ["within", "not_within", "next", "anniversary_within"];
  var WHOLE_DAYS = ["next", "anniversary_within"];
  var PERIODS = ["this", "last"];
  var LISTS = ["in", "not_in", "has_any", "has_all", "has_none"];
  var NOTHING = ["empty", "not_empty"];
  var MEMBERS = { person: "people", department: "departments" };
  var TEXTS = ["contains", "not_contains", "starts_with", "ends_with"];

  function Builder(box) {
    this.box = box;
    this.input = box.querySelector("input[type=hidden]");
    this.tree = box.querySelector(".conditions-tree");
    this.summary = box.querySelector(".conditions-summary");
    this.problem = box.querySelector(".conditions-error");
    this.form = box.dataset.conditions;
    this.timer = 0;
    this.abort = null;
  }

  var proto = Builder.prototype;

  proto.start = function () {
    var self = this;
    load(this.box.dataset.meta).then(function (meta) {
      self.meta = meta;
      self.w = meta.words;
      self.read();
      self.ask();
      if (self.box.dataset.error) self.fail(self.box.dataset.error, self.box.dataset.path);
    }, function () {
      self.problem.textContent = window.guke.word("offline");
      self.problem.hidden = false;
    });
  };

  /* Takes the condition from the input. */
  proto.read = function () {
    var doc = {};
    try { doc = JSON.parse(this.input.value || "{}"); } catch (error) { doc = {}; }
    this.root = this.asGroup(doc);
    this.render();
  };

  proto.asGroup = function (doc) {
    if (!isObject(doc) || !Object.keys(doc).length) return { all: [] };
    return this.groupOf(doc) ? doc : { all: [doc] };
  };

  proto.groupOf = function (doc) {
    var keys = Object.keys(doc);
    return keys.length === 1 && (keys[0] === "all" || keys[0] === "any") && Array.isArray(doc[keys[0]]) ? keys[0] : null;
  };

  proto.formMeta = function (key) { return this.meta.forms[key]; };

  /* The field a path names, with its words: {field, label} or null. */
  proto.fieldAt = function (form, path) {
    var keys = String(path).split(".");
    var meta = this.formMeta(form);
    /* What an event holds is called "props.product". */
    var whole = meta && meta.fields.find(function (f) { return f.key === path; });
    if (whole) return { field: whole, label: whole.label };
    if (!meta || keys.length > 2) return null;
    var first = meta.fields.find(function (f) { return f.key === keys[0]; });
    if (!first || keys.length === 1) return first ? { field: first, label: first.label } : null;
    var target = first.through && this.formMeta(first.form);
    var second = target && target.fields.find(function (f) { return f.key === keys[1]; });
    return second ? { field: second, label: this.w.the.replace("%(relation)s", first.label) + second.label } : null;
  };

  proto.entryFor = function (form, doc) {
    var meta = this.formMeta(form);
    return !meta ? null : meta.tests.find(function (entry) {
      if (!(entry.test in doc)) return false;
      var fixed = entry.fixed || {};
      var same = Object.keys(fixed).every(function (k) { return doc[k] === fixed[k] || (entry.assume && doc[k] === undefined); });
      var known = [entry.test].concat(Object.keys(fixed));
      entry.parts.forEach(function (part) { known.push(part.at); if (part.input === "compare") known.push("value"); });
      return same && Object.keys(doc).every(function (k) { return known.indexOf(k) >= 0; });
    }) || null;
  };

  function simpleSpan(span, days) {
    var keys = isObject(span) ? Object.keys(span) : [];
    return keys.length === 1 && Number.isInteger(span[keys[0]]) && (!days || keys[0] === "days");
  }

  /* Whether the inputs can hold this value of this field. */
  proto.holds = function (field, op, value) {
    var self = this;
    if (!field.ops.some(function (pair) { return pair[0] === op; })) return false;
    if (NOTHING.indexOf(op) >= 0 || value === undefined) return true;
    if (SPANS.indexOf(op) >= 0) return simpleSpan(value, WHOLE_DAYS.indexOf(op) >= 0);
    if (PERIODS.indexOf(op) >= 0) return typeof value === "string";
    if (LISTS.indexOf(op) >= 0 || op === "between") {
      return Array.isArray(value) && (op !== "between" || value.length === 2) && value.every(function (v) { return self.single(field, v); });
    }
    return this.single(field, value);
  };

  proto.single = function (field, value) {
    if (isObject(value)) {
      if (field.input === "person" && value.me === true || MEMBERS[field.input] && value.my_department === true) return Object.keys(value).length === 1;
      return typeof value.of === "string" && typeof value.km === "number" && Object.keys(value).length === 2;
    }
    if (Array.isArray(value) || value === null) return false;
    if (field.input === "relation") return Number.isInteger(value) || /^\d+$/.test(value);
    return true;
  };

  proto.editable = function (form, doc) {
    if (!isObject(doc)) return null;
    if ("field" in doc) {
      var found = this.fieldAt(form, doc.field);
      var plain = Object.keys(doc).every(function (k) { return ["field", "op", "value"].indexOf(k) >= 0; });
      return found && plain && this.holds(found.field, doc.op || "eq", doc.value) ? "field" : null;
    }
    var entry = this.entryFor(form, doc);
    return entry && this.entryHolds(entry, doc) ? "entry" : null;
  };

  proto.entryHolds = function (entry, doc) {
    var self = this;
    return entry.parts.every(function (part) {
      var value = doc[part.at];
      if (part.input === "compare") {
        var field = self.compared(part, doc);
        return self.holds({ input: field.input, ops: part.ops, choices: field.choices }, doc.op || part.ops[0][0], doc.value === undefined ? 1 : doc.value);
      }
      if (value === undefined) return true;
      if (part.input === "span") return simpleSpan(value);
      if (part.input === "choices") return Array.isArray(value) || typeof value === "string";
      if (part.input === "where") return isObject(value) && !!self.formMeta(part.form);
      if (part.input === "field") return self.fieldsFor(part, doc).some(function (f) { return f.key === value; });
      return typeof value !== "object";
    });
  };

  proto.fieldsFor = function (part, doc) {
    return this.formMeta(part.form).fields.filter(function (f) {
      return part.inputs ? part.inputs.indexOf(f.input) >= 0 : f.aggs.indexOf(doc.agg || "count") >= 0;
    });
  };

  /* What an aggregate is compared as. */
  proto.compared = function (part, doc) {
    var agg = doc.agg || "count";
    if (part.as) return part.as;
    if (part.form && doc.of && agg !== "count" && agg !== "distinct") {
      var found = this.fieldAt(part.form, doc.of);
      if (found) return found.field;
    }
    return { input: "number" };
  };

  /* ---- writing it back ---- */

  /* The condition without empty groups; remembers at which path each node ends up. */
  proto.clean = function (doc, path, paths) {
    var self = this;
    if (!isObject(doc)) return doc;
    paths.set(doc, path);
    var group = this.groupOf(doc);
    if (group) {
      var kept = [];
      doc[group].forEach(function (child) {
        var one = self.clean(child, path + group + "." + kept.length + ".", paths);
        if (one) kept.push(one);
      });
      if (!kept.length) return null;
      var out = {};
      out[group] = kept;
      return out;
    }
    if ("not" in doc && Object.keys(doc).length === 1) {
      var inner = this.clean(doc.not, path + "not.", paths);
      return inner ? { not: inner } : null;
    }
    if (isObject(doc.where)) {
      var where = this.clean(doc.where, path, new Map());
      var rest = Object.assign({}, doc);
      if (where) rest.where = where.all && where.all.length === 1 ? where.all[0] : where;
      else delete rest.where;
      return rest;
    }
    return doc;
  };

  proto.value = function () {
    this.paths = new Map();
    var doc = this.clean(this.root, "", this.paths);
    /* One condition alone needs no group around it. */
    if (doc && doc.all && doc.all.length === 1) {
      var only = doc.all[0];
      this.paths.forEach(function (path, node) { this.paths.set(node, path.replace(/^all\.0\./, "")); }, this);
      return only;
    }
    return doc || {};
  };

  proto.changed = function () {
    this.input.value = JSON.stringify(this.value());
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
    this.input.dispatchEvent(new Event("change", { bubbles: true }));
    this.problem.hidden = true;
    this.box.querySelectorAll(".cond-bad").forEach(function (row) {
      row.classList.remove("cond-bad");
      var note = row.querySelector(":scope > .field-error");
      if (note) note.remove();
    });
    clearTimeout(this.timer);
    this.timer = setTimeout(this.ask.bind(this), 300);
  };

  /* Words and count, from the server. */
  proto.ask = function () {
    var self = this, data = this.box.dataset, w = this.w;
    var where = this.value();
    if (this.abort) this.abort.abort();
    this.abort = new AbortController();
    var signal = this.abort.signal;
    if (!Object.keys(where).length) {
      this.summary.textContent = w.empty;
    } else if (this.unfinished()) {
      this.summary.textContent = w.unfinished;
      return;
    }
    var said = Object.keys(where).length ? post(data.words, where, signal) : Promise.resolve({ ok: true, doc: { words: w.empty } });
    said.then(function (answer) {
      if (!answer.ok) { self.summary.textContent = ""; self.fail(answer.doc.message, answer.doc.path); return; }
      var count = el("b", { class: "num", text: data.count ? w.counting : "" });
      self.summary.replaceChildren(el("span", { text: answer.doc.words }), count);
      if (!data.count) return;
      return post(data.count, where, signal).then(function (counted) {
        if (!counted.ok) { count.remove(); self.fail(counted.doc.message, counted.doc.path); return; }
        count.textContent = (counted.doc.more ? w.more : w.count).replace("%(count)s", counted.doc.count.toLocaleString("en-US"));
      });
    }).catch(function (error) {
      if (error.name !== "AbortError") self.summary.textContent = "";
    });
  };

  proto.fail = function (message, path) {
    var best = null, length = -1;
    this.value();
    this.paths.forEach(function (at, node) {
      if (String(path || "").indexOf(at) === 0 && at.length >= length && this.rows.get(node)) { best = this.rows.get(node); length = at.length; }
    }, this);
    if (best && !best.classList.contains("cond-root")) this.mark(best, message);
    else { this.problem.textContent = message; this.problem.hidden = false; }
  };

  proto.mark = function (row, message) {
    row.classList.add("cond-bad");
    var note = row.querySelector(":scope > .field-error");
    if (!note) row.append(note = el("p", { class: "field-error", role: "alert" }));
    note.textContent = message;
  };

  /* The first row that still lacks something. */
  proto.unfinished = function () {
    return this.tree.querySelector("[data-lacks]");
  };

  /* ---- rows ---- */

  proto.render = function () {
    this.rows = new Map();
    this.tree.replaceChildren(this.group(this.root, this.form, null, true));
  };

  function stops(row) { return row ? Array.from(row.querySelectorAll("button, select, input, summary")) : []; }

  /* Draws everything anew; the focus stays where it was in the row of `focus`. */
  proto.again = function (focus) {
    var at = focus ? stops(this.rows.get(focus)).indexOf(document.activeElement) : -1;
    this.render();
    if (focus) {
      var after = stops(this.rows.get(focus));
      if (after.length) (after[at] || after[0]).focus();
    }
    this.changed();
  };

  proto.group = function (doc, form, place, root) {
    var self = this, w = this.w;
    var kind = this.groupOf(doc);
    var list = doc[kind];
    var rows = el("div", { class: "cond-rows" });
    list.forEach(function (child, index) {
      rows.append(self.node(child, form, { list: list, index: index }));
    });
    var mode = el("select", { class: "form-select cond-mode", "aria-label": w.group, onchange: function () {
      var next = mode.value;
      if (next === self.groupOf(doc)) return;
      var items = doc[self.groupOf(doc)];
      delete doc[self.groupOf(doc)];
      doc[next] = items;
      self.again(doc);
    } }, [el("option", { value: "all", text: w.all, selected: kind === "all" }), el("option", { value: "any", text: w.any, selected: kind === "any" })]);
    var add = el("button", { type: "button", class: "btn btn-sm cond-add", text: "+ " + w.add, onclick: function () {
      var fresh = { field: "" };
      doc[self.groupOf(doc)].push(fresh);
      self.render();
      self.openFields(self.rows.get(fresh));
    } });
    var nest = el("button", { type: "button", class: "btn btn-ghost btn-sm", text: "+ " + w.add_group, onclick: function () {
      var fresh = { field: "" };
      doc[self.groupOf(doc)].push(self.groupOf(doc) === "all" ? { any: [fresh] } : { all: [fresh] });
      self.render();
      self.openFields(self.rows.get(fresh));
    } });
    var head = el("div", { class: "cond-head" }, [place && place.not, list.length > 1 || !root ? mode : null, place && this.remover(place, w.remove_group)]);
    var box = el("div", { class: "cond-group" + (root ? " cond-root" : ""), role: "group", "aria-label": kind === "all" ? w.all : w.any },
      [head, rows, el("div", { class: "cond-foot" }, [add, nest])]);
    this.rows.set(doc, box);
    return box;
  };

  proto.node = function (doc, form, place) {
    /* {"not": c} is c with its switch on. */
    var negated = isObject(doc) && Object.keys(doc).length === 1 && isObject(doc.not);
    var inner = negated ? doc.not : doc;
    var self = this, w = this.w;
    var outer = place.list;
    var not = el("button", { type: "button", class: "cond-not", "aria-pressed": negated ? "true" : "false", title: w.not, text: w.not_on, onclick: function () {
      outer[place.index] = negated ? inner : { not: inner };
      self.again(outer[place.index]);
    } });
    var inside = { list: place.list, index: place.index, not: not };
    var row;
    if (this.groupOf(inner)) row = this.group(inner, form, inside, false);
    else if (inner.field === "") row = this.blank(inner, form, inside);
    else {
      var kind = this.editable(form, inner);
      row = kind === "field" ? this.fieldRow(inner, form, inside) : kind === "entry" ? this.entryRow(inner, form, inside) : this.keptRow(inner, form, inside);
    }
    this.rows.set(inner, row);
    this.rows.set(doc, row);
    return row;
  };

  proto.remover = function (place, label) {
    var self = this;
    return el("button", { type: "button", class: "icon-btn cond-remove", "aria-label": label, title: label, text: "×", onclick: function () {
      place.list.splice(place.index, 1);
      self.again();
      var add = self.tree.querySelector(".cond-add");
      if (add) add.focus();
    } });
  };

  proto.row = function (place, children, lacks) {
    return el("div", { class: "cond-row", "data-lacks": lacks ? "1" : null }, [el("div", { class: "cond-parts" }, [place.not].concat(children)), this.remover(place, this.w.remove)]);
  };

  /* Where a condition on records of a form is put into words; what is no form ("_event") is asked of the one that knows it. */
  proto.wordsUrl = function (form) {
    var data = this.box.dataset, url = data.words.split("?")[0];
    return form.charAt(0) === "_" ? url + "?of=" + form : url.replace("/" + data.form + "/", "/" + form + "/");
  };

  proto.keptRow = function (doc, form, place) {
    var text = el("span", { class: "cond-kept", title: this.w.kept, text: "…" });
    post(this.wordsUrl(form), doc).then(function (answer) {
      text.textContent = answer.ok ? answer.doc.words : answer.doc.message;
    }, function () { text.textContent = JSON.stringify(doc); });
    return this.row(place, [text, el("small", { class: "muted", text: this.w.kept })]);
  };

  proto.blank = function (doc, form, place) {
    return this.row(place, [this.fieldButton(doc, form, place, this.w.choose)], true);
  };

  proto.fieldRow = function (doc, form, place) {
    var self = this;
    var found = this.fieldAt(form, doc.field);
    var op = doc.op || "eq";
    var row;
    var ops = this.operators(found.field.ops, op, function (next) {
      if (!compatible(op, next)) delete doc.value;
      doc.op = next;
      if (SPANS.indexOf(next) >= 0 && doc.value === undefined) doc.value = { days: 30 };
      if (PERIODS.indexOf(next) >= 0 && doc.value === undefined) doc.value = "month";
      self.again(doc);
    });
    var value = this.valueInputs(found.field, op, doc.value, function (next) {
      if (next === undefined) delete doc.value; else doc.value = next;
      self.lack(row, self.lacksValue(op, doc.value));
      self.changed();
    });
    row = this.row(place, [this.fieldButton(doc, form, place, found.label), ops, value], this.lacksValue(op, doc.value));
    return row;
  };

  proto.lack = function (row, lacks) {
    if (lacks) row.setAttribute("data-lacks", "1"); else row.removeAttribute("data-lacks");
  };

  proto.lacksValue = function (op, value) {
    if (NOTHING.indexOf(op) >= 0) return false;
    if (Array.isArray(value)) return !value.length || value.some(function (v) { return v === "" || v === undefined || v === null; });
    return value === undefined || value === "";
  };

  function shape(op) {
    return NOTHING.indexOf(op) >= 0 ? "none" : SPANS.indexOf(op) >= 0 ? "span" : PERIODS.indexOf(op) >= 0 ? "period"
      : LISTS.indexOf(op) >= 0 ? "list" : op === "between" ? "pair" : TEXTS.indexOf(op) >= 0 ? "text" : op === "near" ? "near" : "one";
  }
  function compatible(a, b) { return shape(a) === shape(b); }

  proto.operators = function (ops, chosen, onchange) {
    var select = el("select", { class: "form-select cond-op", "aria-label": this.w.operator, onchange: function () { onchange(select.value); } },
      ops.map(function (pair) { return el("option", { value: pair[0], text: pair[1], selected: pair[0] === chosen }); }));
    return select;
  };

  /* ---- tests of all rooms ---- */

  proto.entryRow = function (doc, form, place) {
    var self = this;
    var entry = this.entryFor(form, doc);
    var parts = [this.fieldButton(doc, form, place, entry.label)];
    var below = [];
    var lacks = false;
    var row;
    function update(at, value) {
      if (value === undefined) delete doc[at]; else doc[at] = value;
      self.lack(row, self.entryLacks(entry, doc));
      self.changed();
    }
    entry.parts.forEach(function (part) {
      if (part.with && doc[part.with] === undefined) return;
      if (part.when) {
        var key = Object.keys(part.when)[0];
        if (part.when[key].indexOf(doc[key] === undefined && key === "agg" ? "count" : doc[key]) < 0) return;
      }
      if (part.optional && doc[part.at] === undefined) {
        below.push(el("button", { type: "button", class: "btn btn-ghost btn-sm", text: "+ " + part.add, onclick: function () {
          doc[part.at] = part.input === "span" ? { days: 30 } : part.input === "where" ? { all: [] } : part.input === "choices" ? [] : "";
          entry.parts.forEach(function (other) { if (other.with === part.at && other.start) doc[other.at] = other.start; });
          self.again(doc);
        } }));
        return;
      }
      var built = self.part(part, doc, entry, update);
      var out = part.optional ? el("button", { type: "button", class: "icon-btn cond-out", "aria-label": self.w.leave_out, title: self.w.leave_out, text: "×", onclick: function () {
        delete doc[part.at];
        entry.parts.forEach(function (other) { if (other.with === part.at) delete doc[other.at]; });
        self.again(doc);
      } }) : null;
      if (part.input === "where") {
        below.push(el("div", { class: "cond-where" }, [el("div", { class: "cond-where-head" }, [el("span", { class: "muted", text: part.before }), out]), built]));
      } else {
        parts.push(el("span", { class: "cond-part" }, [part.before && el("span", { class: "muted", text: part.before }), built, part.after && el("span", { class: "muted", text: part.after }), out]));
      }
    });
    lacks = this.entryLacks(entry, doc);
    row = this.row(place, parts, lacks);
    if (below.length) row.append(el("div", { class: "cond-below" }, below));
    return row;
  };

  proto.entryLacks = function (entry, doc) {
    return entry.parts.some(function (part) {
      if (part.input === "compare" && NOTHING.indexOf(doc.op) >= 0) return false;
      if (part.input === "compare") return (doc.value === undefined && doc.op !== undefined) || doc.value === "" || (Array.isArray(doc.value) && doc.value.some(function (v) { return v === ""; }));
      if (part.input === "where" || part.optional || part.with || part.when) return false;
      var value = doc[part.at] === undefined ? (entry.start || {})[part.at] : doc[part.at];
      return value === undefined || value === "" || (Array.isArray(value) && !value.length);
    });
  };

  proto.part = function (part, doc, entry, update) {
    var self = this;
    var value = doc[part.at];
    if (part.input === "select") {
      return this.select(part.options, value === undefined ? (entry.start || {})[part.at] : value, part.label || entry.label, function (next) {
        doc[part.at] = next;
        /* What was asked of the former choice may not be one of this. */
        if (part.at === "agg") {
          entry.parts.forEach(function (other) {
            if (other.at !== "of") return;
            var fields = self.fieldsFor(other, doc);
            if (next === "count") delete doc.of;
            else if (!fields.some(function (f) { return f.key === doc.of; }) && fields.length) doc.of = (fields.find(function (f) { return f.key === "amount"; }) || fields[0]).key;
          });
          delete doc.value;
        }
        self.again(doc);
      });
    }
    if (part.input === "choices") {
      return this.many(part.options, Array.isArray(value) ? value : value === undefined ? [] : [value], function (next) { update(part.at, next); }, false);
    }
    if (part.input === "span") return this.span(value, false, function (next) { update(part.at, next); });
    if (part.input === "field") {
      var fields = this.fieldsFor(part, doc);
      return this.select(fields.map(function (f) { return [f.key, f.label]; }), value === undefined ? part.start : value, this.w.choose, function (next) {
        doc[part.at] = next;
        self.again(doc);
      });
    }
    if (part.input === "where") {
      doc[part.at] = this.asGroup(value || {});
      return this.group(doc[part.at], part.form, null, true);
    }
    if (part.input === "compare") {
      var field = this.compared(part, doc);
      var op = doc.op || part.ops[0][0];
      return el("span", { class: "cond-compare" }, [
        this.operators(part.ops, op, function (next) {
          if (!compatible(op, next)) delete doc.value;
          doc.op = next;
          if (SPANS.indexOf(next) >= 0 && doc.value === undefined) doc.value = { days: 30 };
          if (PERIODS.indexOf(next) >= 0 && doc.value === undefined) doc.value = "month";
          self.again(doc);
        }),
        /* Without operator and value: at least one. */
        this.valueInputs(field, op, doc.op === undefined && doc.value === undefined ? 1 : doc.value, function (next) {
          doc.op = op;
          update("value", next);
        }),
      ]);
    }
    return this.line(part.input, value, function (next) { update(part.at, next); });
  };

  /* ---- values ---- */

  proto.valueInputs = function (field, op, value, onchange) {
    var self = this;
    switch (shape(op)) {
      case "none": return null;
      case "span": return this.span(value, WHOLE_DAYS.indexOf(op) >= 0, onchange);
      case "period": return this.select(this.meta.periods, value, this.w.value, onchange);
      case "pair": {
        var pair = Array.isArray(value) ? value.slice(0, 2) : ["", ""];
        var set = function (i) { return function (next) { pair[i] = next === undefined ? "" : next; onchange(pair.slice()); }; };
        return el("span", { class: "cond-pair" }, [this.line(field.input, pair[0], set(0)), el("span", { class: "muted", text: this.w.and }), this.line(field.input, pair[1], set(1))]);
      }
      case "list": {
        var list = Array.isArray(value) ? value : [];
        if (field.choices) return this.many(field.choices, list, onchange, field.open);
        if (MEMBERS[field.input]) return this.many(this.people(field, list), list.map(function (v) { return self.personKey(field, v); }), function (next) { onchange(next.map(personValue)); }, false);
        return this.tokens(field, list, onchange);
      }
      case "text": return this.line("text", value, onchange);
      case "near": return this.near(value, onchange);
    }
    return this.one(field, value, onchange);
  };

  proto.one = function (field, value, onchange) {
    var self = this, w = this.w;
    if (field.choices && !field.open) {
      var options = [["", ""]].concat(field.choices);
      return this.select(options, value === undefined ? "" : value, w.value, function (next) { onchange(next === "" ? undefined : next); });
    }
    if (field.choices) {
      var known = field.choices.find(function (o) { return o[0] === value; });
      return this.line("text", known ? known[1] : value, function (next) {
        var chosen = field.choices.find(function (o) { return o[1] === next; });
        onchange(chosen ? chosen[0] : next);
      }, field.choices.map(function (o) { return o[1]; }));
    }
    if (MEMBERS[field.input]) {
      return this.select([["", ""]].concat(this.people(field, [value])), value === undefined ? "" : this.personKey(field, value), w.value, function (next) { onchange(next === "" ? undefined : personValue(next)); });
    }
    if (field.input === "yes_no") {
      var yes = [true, 1, "1", "true", "是", "yes"].indexOf(value) >= 0;
      return this.select([["", ""], ["1", w.yes], ["0", w.no]], value === undefined ? "" : yes ? "1" : "0", w.value, function (next) { onchange(next === "" ? undefined : next === "1"); });
    }
    if (field.pick) {
      return window.guke.picker({ url: field.pick, value: value, placeholder: w.pick, label: w.value, onchange: function (id) { onchange(id || undefined); } });
    }
    if (field.input === "relation") {
      return window.guke.picker({ url: this.box.dataset.pick.replace("FORM", field.form), value: value, placeholder: w.pick, label: w.value, onchange: function (id) { onchange(id ? Number(id) : undefined); } });
    }
    return this.line(field.input, value, onchange, null, field.unit);
  };

  proto.personKey = function (field, value) {
    if (isObject(value)) return value.me ? "@me" : "@department";
    var found = this.meta[MEMBERS[field.input]].find(function (p) { return p[0] === value || p[2] === value || String(p[2]) === value; });
    return found ? found[0] : String(value);
  };
  function personValue(key) { return key === "@me" ? { me: true } : key === "@department" ? { my_department: true } : key; }

  proto.people = function (field, values) {
    var self = this;
    var mine = field.input === "person" ? [["@me", this.w.me], ["@department", this.w.my_people]] : [["@department", this.w.my_department]];
    var options = mine.concat(this.meta[MEMBERS[field.input]].map(function (p) { return [p[0], p[1]]; }));
    values.forEach(function (v) {
      if (v === undefined) return;
      var key = self.personKey(field, v);
      if (!options.some(function (o) { return o[0] === key; })) options.push([key, key]);
    });
    return options;
  };

  proto.select = function (options, value, label, onchange) {
    /* What is chosen and no longer offered stays to be seen. */
    if (value !== undefined && value !== null && !options.some(function (pair) { return String(pair[0]) === String(value); })) {
      options = options.concat([[value, String(value)]]);
    }
    var select = el("select", { class: "form-select", "aria-label": label, onchange: function () { onchange(select.value); } },
      options.map(function (pair) { return el("option", { value: pair[0], text: pair[1], selected: String(pair[0]) === String(value) }); }));
    return select;
  };

  /* What the browser has an input of its own for, as long as it can show the value. */
  var LOCAL = {
    date: /^\d{4}-\d\d-\d\d$/, datetime: /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?$/, time: /^\d\d:\d\d(:\d\d)?$/, month: /^\d{4}-\d\d$/,
  };

  /* One line of input: text, number, date, datetime, time, month or duration. */
  proto.line = function (kind, value, onchange, suggestions, unit) {
    var shown = value === undefined || value === null ? "" : String(value);
    var type = "text";
    if (LOCAL[kind] && (!shown || LOCAL[kind].test(shown))) {
      type = kind === "datetime" ? "datetime-local" : kind;
      if (kind === "datetime" && shown.length === 10) shown += "T00:00";
      shown = shown.replace(" ", "T");
    }
    var list = suggestions ? "cond-list-" + (++serial) : null;
    var input = el("input", { class: "form-control" + (kind === "text" ? "" : " num"), type: type, value: shown, list: list, autocomplete: "off",
      inputmode: kind === "number" ? "decimal" : null, placeholder: kind === "duration" ? "1:30" : kind === "month" ? "2026-11" : null, "aria-label": this.w.value, oninput: function () {
        var text = input.value.trim();
        if (text === "") onchange(undefined);
        else if (kind === "number" && /^-?\d{1,15}(\.\d{1,6})?$/.test(text)) onchange(Number(text));
        else onchange(text);
      } });
    if (!suggestions && !unit) return input;
    return el("span", { class: "with-unit" }, [input, unit && el("span", { class: "unit", text: unit, "aria-hidden": "true" }),
      suggestions && el("datalist", { id: list }, suggestions.map(function (text) { return el("option", { value: text }); }))]);
  };

  proto.span = function (value, days, onchange) {
    var unit = value ? Object.keys(value)[0] : "days";
    var units = days ? this.meta.spans.filter(function (p) { return p[0] === "days"; }) : this.meta.spans;
    var number = el("input", { class: "form-control num cond-days", type: "number", min: 0, max: 100000, step: 1, value: value ? value[unit] : 30, "aria-label": this.w.value, oninput: tell });
    var select = el("select", { class: "form-select cond-unit", "aria-label": this.w.value, onchange: tell },
      units.map(function (pair) { return el("option", { value: pair[0], text: pair[1], selected: pair[0] === unit }); }));
    function tell() {
      var count = parseInt(number.value, 10);
      var next = {};
      next[select.value] = count;
      onchange(number.value === "" || !(count >= 0) ? undefined : next);
    }
    return el("span", { class: "cond-span" }, [number, select]);
  };

  /* Several of a list of options: a drop-down of boxes to tick. */
  proto.many = function (options, values, onchange, open) {
    var chosen = values.slice();
    var all = options.slice();
    chosen.forEach(function (v) { if (!all.some(function (o) { return o[0] === v; })) all.push([v, String(v)]); });
    var self = this;
    var summary = el("summary", { class: "form-select cond-many-sum", "aria-label": this.w.value });
    var list = el("div", { class: "menu-list cond-many-list" });
    function say() {
      var names = all.filter(function (o) { return chosen.indexOf(o[0]) >= 0; }).map(function (o) { return o[1]; });
      summary.textContent = names.length ? names.join(self.w.comma) : self.w.choose_many;
      summary.title = names.join(self.w.comma);
    }
    function tick(option) {
      return el("label", { class: "form-check" }, [el("input", { type: "checkbox", class: "form-check-input", checked: chosen.indexOf(option[0]) >= 0, onchange: function (event) {
        var at = chosen.indexOf(option[0]);
        if (event.target.checked && at < 0) chosen.push(option[0]);
        if (!event.target.checked && at >= 0) chosen.splice(at, 1);
        say();
        onchange(chosen.slice());
      } }), el("span", { class: "form-check-label", text: option[1] })]);
    }
    if (open) {
      list.append(el("input", { class: "form-control", placeholder: this.w.add_value, "aria-label": this.w.add_value, onkeydown: function (event) {
        var text = event.target.value.trim();
        if (event.key !== "Enter" || event.isComposing) return;
        event.preventDefault();
        if (!text || all.some(function (o) { return o[0] === text; })) return;
        chosen.push(text);
        all.push([text, text]);
        list.append(tick([text, text]));
        event.target.value = "";
        say();
        onchange(chosen.slice());
      } }));
    }
    all.forEach(function (option) { list.append(tick(option)); });
    say();
    return el("details", { class: "menu cond-many" }, [summary, list]);
  };

  /* Some kilometres around a point. */
  proto.near = function (value, onchange) {
    var w = this.w;
    var of = el("input", { class: "form-control num", type: "text", value: value ? value.of : "", placeholder: w.point, "aria-label": w.point, autocomplete: "off", oninput: tell });
    var km = el("input", { class: "form-control num cond-days", type: "number", min: 0, max: 1000, step: "any", value: value ? value.km : 5, "aria-label": w.km, oninput: tell });
    function tell() { onchange(of.value.trim() && Number(km.value) > 0 ? { of: of.value.trim(), km: Number(km.value) } : undefined); }
    return el("span", { class: "cond-span" }, [of, km, el("span", { class: "muted", text: w.km })]);
  };

  /* Several values that are typed or looked up. */
  proto.tokens = function (field, values, onchange) {
    var self = this, w = this.w;
    var list = values.slice();
    var looked = field.pick || (field.input === "relation" ? self.box.dataset.pick.replace("FORM", field.form) : null);
    var box = el("span", { class: "cond-tokens" });
    function draw() {
      var entry;
      var chips = list.map(function (value, index) {
        var text = el("span", { text: String(value) });
        if (looked) {
          fetch(looked + "?id=" + value, { credentials: "same-origin" }).then(function (a) { return a.ok ? a.json() : []; })
            .then(function (hits) { if (hits.length) text.textContent = hits[0].title; });
        }
        return el("span", { class: "tag chip" }, [text, el("button", { type: "button", class: "chip-x", "aria-label": w.remove_value, text: "×", onclick: function () {
          list.splice(index, 1);
          draw();
          onchange(list.slice());
        } })]);
      });
      if (looked) {
        entry = window.guke.picker({ url: looked, placeholder: w.pick, label: w.value, onchange: function (id) {
          if (!id) return;
          var value = field.pick ? id : Number(id);
          if (list.indexOf(value) < 0) list.push(value);
          draw();
          onchange(list.slice());
        } });
      } else {
        entry = el("input", { class: "form-control", placeholder: w.add_value, "aria-label": w.add_value, onkeydown: function (event) {
          if (event.key !== "Enter" || event.isComposing) return;
          event.preventDefault();
          take(event.target, true);
        }, onchange: function (event) { take(event.target, false); } });
      }
      box.replaceChildren.apply(box, chips.concat([entry]));
    }
    function take(input, focus) {
      var found = input.value.split(/[,，、;；\n]+/).map(function (t) { return t.trim(); }).filter(Boolean);
      if (!found.length) return;
      found.forEach(function (text) {
        var value = field.input === "number" && /^-?\d{1,15}(\.\d{1,6})?$/.test(text) ? Number(text) : text;
        if (list.indexOf(value) < 0) list.push(value);
      });
      draw();
      onchange(list.slice());
      if (focus) box.querySelector("input").focus();
    }
    draw();
    return box;
  };

  /* ---- the field picker ---- */

  proto.fieldButton = function (doc, form, place, label) {
    var self = this;
    var button = el("button", { type: "button", class: "btn cond-field", "aria-haspopup": "listbox", "aria-expanded": "false", text: label, "data-first": true, onclick: function () {
      self.openFields(button.closest(".cond-row"));
    } });
    var holder = el("span", { class: "cond-field-box" }, [button]);
    holder.guke = { doc: doc, form: form, place: place };
    return holder;
  };

  /* All that can be asked of a form's records: [{group, items: [{label, words, make()}]}]. */
  proto.offers = function (form) {
    var self = this;
    var meta = this.formMeta(form);
    var groups = [];
    function fields(list, prefix) {
      return list.map(function (f) {
        return { label: f.label, words: (f.label + " " + f.key).toLowerCase(), make: function () {
          var first = f.ops[0][0];
          var doc = { field: prefix + f.key, op: f.input === "date" || f.input === "datetime" ? "within" : (f.input === "text" || f.input === "address") && f.ops.some(function (o) { return o[0] === "contains"; }) ? "contains" : f.input === "number" && f.ops.some(function (o) { return o[0] === "gte"; }) ? "gte" : first };
          if (!f.ops.some(function (o) { return o[0] === doc.op; })) doc.op = first;
          if (doc.op === "within") doc.value = { days: 30 };
          return doc;
        } };
      });
    }
    groups.push({ label: meta.label, items: fields(meta.fields, "") });
    var byGroup = {};
    meta.tests.forEach(function (entry) {
      (byGroup[entry.group] = byGroup[entry.group] || []).push({ label: entry.label, words: (entry.label + " " + entry.id).toLowerCase(), make: function () { return copy(entry.start); } });
    });
    Object.keys(byGroup).forEach(function (name) { groups.push({ label: name, items: byGroup[name] }); });
    meta.fields.forEach(function (f) {
      if (f.through) groups.push({ label: self.w.the.replace("%(relation)s", f.label), items: fields(self.formMeta(f.form).fields.filter(function (x) { return x.key !== "id"; }), f.key + ".") });
    });
    return groups;
  };

  proto.openFields = function (row) {
    if (!row) return;
    var self = this;
    var holder = row.querySelector(".cond-field-box");
    var button = holder.firstElementChild;
    if (holder.children.length > 1) { close(true); return; }
    var info = holder.guke;
    var id = "cond-fields-" + (++serial);
    var search = el("input", { class: "form-control", type: "search", role: "combobox", "aria-controls": id, "aria-expanded": "true", placeholder: this.w.search, "aria-label": this.w.search, autocomplete: "off" });
    var list = el("div", { class: "cond-options", id: id, role: "listbox", "aria-label": this.w.choose });
    var pop = el("div", { class: "cond-pop" }, [search, list]);
    var items = [];
    this.offers(info.form).forEach(function (group) {
      var head = el("div", { class: "cond-group-name", text: group.label });
      list.append(head);
      group.items.forEach(function (item) {
        var option = el("div", { class: "cond-option", role: "option", id: id + "-" + items.length, "aria-selected": "false", text: item.label });
        option.addEventListener("pointerdown", function (event) { event.preventDefault(); });
        option.addEventListener("click", function () { choose(item); });
        list.append(option);
        items.push({ option: option, head: head, words: item.words, item: item });
      });
    });
    var none = el("div", { class: "picker-none", text: this.w.nothing, hidden: true });
    list.append(none);
    var at = -1;
    function visible() { return items.filter(function (one) { return !one.option.hidden; }); }
    function select(index) {
      var shown = visible();
      items.forEach(function (one) { one.option.setAttribute("aria-selected", "false"); });
      at = shown.length ? (index + shown.length) % shown.length : -1;
      if (at < 0) return;
      shown[at].option.setAttribute("aria-selected", "true");
      search.setAttribute("aria-activedescendant", shown[at].option.id);
      shown[at].option.scrollIntoView({ block: "nearest" });
    }
    function filter() {
      var text = search.value.trim().toLowerCase();
      items.forEach(function (one) { one.option.hidden = text !== "" && one.words.indexOf(text) < 0; });
      Array.from(list.querySelectorAll(".cond-group-name")).forEach(function (head) {
        head.hidden = !items.some(function (one) { return one.head === head && !one.option.hidden; });
      });
      none.hidden = visible().length > 0;
      select(0);
    }
    function choose(item) {
      var fresh = item.make();
      var negated = info.place.list[info.place.index] !== info.doc;
      info.place.list[info.place.index] = negated ? { not: fresh } : fresh;
      self.again();
      var made = self.rows.get(fresh);
      var next = made && (made.querySelector(".cond-op, .cond-part select, .cond-part input") || made.querySelector("button"));
      if (next) next.focus();
    }
    function close(focus) {
      if (holder.children.length > 1) holder.lastElementChild.remove();
      button.setAttribute("aria-expanded", "false");
      if (focus) button.focus();
    }
    search.addEventListener("input", filter);
    pop.addEventListener("keydown", function (event) {
      if (event.isComposing) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); select(at + (event.key === "ArrowDown" ? 1 : -1)); }
      else if (event.key === "Enter") { event.preventDefault(); var one = visible()[at]; if (one) choose(one.item); }
      else if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); close(true); }
    });
    pop.addEventListener("focusout", function (event) { if (!pop.contains(event.relatedTarget) && event.relatedTarget !== button) close(false); });
    button.setAttribute("aria-expanded", "true");
    holder.append(pop);
    search.focus({ preventScroll: true });
    pop.scrollIntoView({ block: "nearest" });
    select(0);
  };

  /* ---- starting ---- */

  function startAll(root) {
    var boxes = Array.from(root.querySelectorAll ? root.querySelectorAll("[data-conditions]") : []);
    if (root.matches && root.matches("[data-conditions]")) boxes.push(root);
    boxes.forEach(function (box) {
      if (box.gukeBuilder) return;
      box.gukeBuilder = new Builder(box);
      box.gukeBuilder.start();
      box.addEventListener("guke:conditions", function () { if (box.gukeBuilder.meta) { box.gukeBuilder.read(); box.gukeBuilder.ask(); } });
    });
  }

  document.addEventListener("htmx:load", function (event) { startAll(event.detail.elt); });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", function () { startAll(document); });
  else startAll(document);
  /* For what scripts put into the page without htmx. */
  window.guke.conditions = startAll;

  document.addEventListener("click", function (event) {
    var clear = event.target.closest("[data-conditions-clear]");
    var box = clear && clear.closest("form").querySelector("[data-conditions]");
    if (box && box.gukeBuilder.meta) { box.gukeBuilder.root = { all: [] }; box.gukeBuilder.again(); }
  });

  /* A form is not sent with half a condition. */
  document.addEventListener("submit", function (event) {
    var bad = Array.from(event.target.querySelectorAll("[data-conditions]")).map(function (box) {
      return box.gukeBuilder && box.gukeBuilder.meta && box.gukeBuilder.unfinished();
    }).find(Boolean);
    if (!bad) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    bad.closest("[data-conditions]").gukeBuilder.mark(bad, bad.closest("[data-conditions]").gukeBuilder.w.unfinished);
    var at = bad.querySelector(".cond-part input, .cond-part select, .cond-op ~ *, .cond-field");
    if (at) (at.matches("input, select, button") ? at : at.querySelector("input, select, summary, button") || bad.querySelector("button")).focus();
  }, true);
})();
