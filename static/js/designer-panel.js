/* The form designer's properties: of the form, a tab, a section, a field. What a field type asks for is told by the
   server (Field.settings()); every change goes through gukeDesigner.change. */
(function () {
  "use strict";

  var D = window.gukeDesigner;
  if (!D) return;
  var w = D.words, data = D.data, el = D.el, icon = D.icon, label = D.label, fill = D.fill;
  var panel = document.getElementById("designer-panel");
  var title = document.getElementById("designer-panel-title");
  var serial = 0;
  var open = { basic: true, type: true, value: true };

  /* ---- parts ---- */

  function group(name, text, children) {
    var box = el("details", { class: "dz-prop-group", open: open[name], "data-group": name }, [
      el("summary", {}, [icon("chevron-right", 16), el("span", { text: text })]),
      el("div", { class: "dz-prop-body" }, children),
    ]);
    box.addEventListener("toggle", function () { open[name] = box.open; });
    return box;
  }

  function row(text, control, help, error) {
    var id = "dz-p-" + (++serial);
    var target = control.matches("input, select, textarea") ? control : control.querySelector("[data-main]") || control;
    if (!target.id) target.id = id;
    var isInput = target.matches("input, select, textarea");
    var notes = [];
    if (help) notes.push(el("p", { class: "field-help", id: target.id + "-help", text: help }));
    if (error) notes.push(el("p", { class: "field-error", id: target.id + "-error" }, [icon("alert-circle", 16), document.createTextNode(error)]));
    if (notes.length && isInput) target.setAttribute("aria-describedby", notes.map(function (n) { return n.id; }).join(" "));
    if (!isInput && !control.getAttribute("aria-label")) { control.setAttribute("role", "group"); control.setAttribute("aria-label", text); }
    return el("div", { class: "form-field dz-prop" }, [
      isInput ? el("label", { class: "form-label", for: target.id, text: text }) : el("span", { class: "form-label", text: text }),
      control,
    ].concat(notes));
  }

  function line(value, onchange, attributes) {
    var input = el("input", Object.assign({ type: "text", class: "form-control", autocomplete: "off", value: value === undefined || value === null ? "" : String(value) }, attributes));
    input.addEventListener("input", function () { onchange(input.value); });
    return input;
  }

  function area(value, onchange, attributes) {
    var input = el("textarea", Object.assign({ class: "form-control", rows: 2, value: value || "" }, attributes));
    input.addEventListener("input", function () { onchange(input.value); });
    return input;
  }

  function choose(options, value, onchange, attributes) {
    var select = el("select", Object.assign({ class: "form-select" }, attributes), options.map(function (pair) {
      return pair.items ? el("optgroup", { label: pair.label }, pair.items.map(option)) : option(pair);
    }));
    function option(pair) { return el("option", { value: pair[0], text: pair[1], selected: String(pair[0]) === String(value === undefined || value === null ? "" : value) }); }
    select.addEventListener("change", function () { onchange(select.value); });
    return select;
  }

  function toggle(text, on, onchange, help) {
    var input = el("input", { type: "checkbox", role: "switch", class: "form-check-input", checked: !!on });
    input.checked = !!on;
    input.addEventListener("change", function () { onchange(input.checked); });
    return el("label", { class: "form-check form-switch dz-switch" }, [input, el("span", { class: "form-check-label" }, [document.createTextNode(text), help ? el("small", { class: "field-help", text: help }) : null])]);
  }

  function segments(options, value, onchange, text) {
    var box = el("div", { class: "menu-choice dz-segments", role: "group", "aria-label": text });
    options.forEach(function (pair) {
      box.append(el("button", { type: "button", "aria-pressed": pair[0] === value ? "true" : "false", text: pair[1], onclick: function () {
        Array.from(box.children).forEach(function (b) { b.setAttribute("aria-pressed", b === this ? "true" : "false"); }, this);
        onchange(pair[0]);
      } }));
    });
    return box;
  }

  function button(text, name, run, kind) { return el("button", { type: "button", class: "btn btn-sm " + (kind || ""), onclick: run }, [icon(name, 16), el("span", { text: text })]); }

  /* A label in Chinese, and in English under a fold. */
  function labelRows(text, value, set, attributes, wide) {
    var zh = typeof value === "object" && value ? value.zh || "" : value || "";
    var en = typeof value === "object" && value ? value.en || "" : "";
    function tell(kind) { set(en ? { zh: zh, en: en } : zh, kind); }
    var make = wide ? area : line;
    var main = make(zh, function (now) { zh = now; tell("zh"); }, attributes);
    var other = make(en, function (now) { en = now; tell("en"); }, { lang: "en" });
    var fold = el("details", { class: "dz-fold", open: !!en || data.lang === "en" && wide !== true && !!en }, [el("summary", { text: w.english }), row(fill(w.in_english, { what: text }), other)]);
    return [row(text, main), fold];
  }

  /* ---- the form ---- */

  function setForm(name, value, merge) {
    D.change(function (doc) {
      if (value === "" || value === undefined || value === null || (Array.isArray(value) && !value.length)) delete doc[name];
      else doc[name] = value;
    }, { panel: false, merge: merge });
  }

  function fieldOptions(accept) {
    return D.doc.fields.filter(accept || function () { return true; }).map(function (f) { return [f.key, label(f.label) || f.key]; });
  }

  function checks(options, chosen, onchange) {
    var list = el("div", { class: "dz-checks" });
    options.forEach(function (pair) {
      var input = el("input", { type: "checkbox", class: "form-check-input" });
      input.checked = chosen.indexOf(pair[0]) >= 0;
      input.addEventListener("change", function () {
        var now = Array.from(list.querySelectorAll("input")).map(function (box, at) { return box.checked ? options[at][0] : null; }).filter(Boolean);
        onchange(now);
      });
      list.append(el("label", { class: "form-check" }, [input, el("span", { class: "form-check-label", text: pair[1] })]));
    });
    if (!options.length) list.append(el("p", { class: "muted", text: w.no_fields }));
    return list;
  }

  /* Chosen fields in an order of their own: chips that move, and a list to add from. */
  function ordered(options, chosen, onchange, text) {
    var box = el("div", { class: "dz-ordered" });
    var names = {};
    options.forEach(function (pair) { names[pair[0]] = pair[1]; });
    var keys = chosen.filter(function (k) { return names[k]; });
    function draw(focus) {
      var list = el("ol", { class: "dz-order-list" }, keys.map(function (key, at) {
        return el("li", { "data-key": key }, [
          el("span", { class: "grip", "aria-hidden": "true" }, [icon("grip-vertical", 16)]), el("span", { class: "cut grow", text: names[key] }),
          D.iconButton("chevron-up", fill(w.up_what, { what: names[key] }), { disabled: at === 0, onclick: function () { swap(at, -1); } }),
          D.iconButton("chevron-down", fill(w.down_what, { what: names[key] }), { disabled: at === keys.length - 1, onclick: function () { swap(at, 1); } }),
          D.iconButton("x", fill(w.remove_what, { what: names[key] }), { onclick: function () { keys.splice(at, 1); tell(); } }),
        ]);
      }));
      var rest = options.filter(function (pair) { return keys.indexOf(pair[0]) < 0; });
      var add = choose([["", w.add_field]].concat(rest), "", function (key) { if (key) { keys.push(key); tell(); } }, { "aria-label": text });
      box.replaceChildren.apply(box, [list].concat(rest.length ? [add] : []));
      new Sortable(list, { handle: ".grip", forceFallback: true, animation: 120, onEnd: function (event) {
        keys.splice(event.newIndex, 0, keys.splice(event.oldIndex, 1)[0]);
        tell();
      } });
      if (focus && box.querySelectorAll("select").length) box.querySelector("select").focus();
    }
    function swap(at, by) { var moved = keys.splice(at, 1)[0]; keys.splice(at + by, 0, moved); tell(); }
    function tell() { onchange(keys.slice()); draw(true); }
    draw(false);
    return box;
  }

  function iconPicker() {
    var box = el("div", { class: "dz-icons", role: "radiogroup", "aria-label": w.icon });
    data.icons.forEach(function (name) {
      var input = el("input", { type: "radio", name: "dz-icon", value: name, "aria-label": name });
      input.checked = (D.doc.icon || "table") === name;
      input.addEventListener("change", function () { setForm("icon", name); });
      box.append(el("label", { title: name }, [input, icon(name, 20)]));
    });
    return box;
  }

  function colorPicker(value, onchange, text, none) {
    var id = "dz-color-" + (++serial);
    var box = el("div", { class: "dz-colors", role: "radiogroup", "aria-label": text });
    (none ? [""] : []).concat(data.colors).forEach(function (name) {
      var input = el("input", { type: "radio", name: id, value: name, "aria-label": name ? w["color_" + name] : w.no_color });
      input.checked = (value || (none ? "" : "gray")) === name;
      input.addEventListener("change", function () { onchange(name); });
      box.append(el("label", { class: "dz-swatch" + (name ? " tag-" + name : " none"), title: name ? w["color_" + name] : w.no_color }, [input]));
    });
    return box;
  }

  function uniqueSets() {
    var box = el("div", { class: "dz-unique" });
    var sets = D.doc.unique || [];
    var able = fieldOptions(function (f) { return D.types[f.type].unique; });
    function store(now) { D.change(function (doc) { if (now.length) doc.unique = now; else delete doc.unique; }); }
    sets.forEach(function (set, at) {
      box.append(el("div", { class: "dz-unique-set" }, [
        checks(able, set, function (keys) { var now = D.copy(sets); now[at] = keys; setForm("unique", now, "unique" + at); }),
        button(w.remove, "trash", function () { var now = D.copy(sets); now.splice(at, 1); store(now); }, "btn-ghost"),
      ]));
    });
    box.append(button(w.add_unique, "plus", function () { store(D.copy(sets).concat([[]])); }));
    return box;
  }

  function drawForm() {
    title.textContent = w.form_settings;
    var groupNames = el("datalist", { id: "dz-groups" }, data.groups.map(function (name) { return el("option", { value: name }); }));
    var titles = [["", w.by_number]].concat(fieldOptions(function (f) { return D.types[f.type].group !== "file"; }));
    var columnable = fieldOptions().concat(data.system.map(function (f) { return [f.key, f.label]; }));
    var kids = labelRows(w.form_name, D.doc.label, function (value, kind) {
      setForm("label", value, "form-label-" + kind);
      if (kind === "zh" && data.fresh) nameForm(value);
    }, { maxlength: 60, required: true }).concat([
      row(w.key, line(D.doc.key || "", function (value) { data.ownKey = true; setForm("key", value.trim(), "form-key"); }, { class: "form-control mono", readonly: !data.fresh, id: "dz-form-key", spellcheck: "false" }), data.fresh ? w.key_help : w.key_fixed),
      row(w.group, el("span", {}, [line(label(D.doc.group), function (value) { setForm("group", value.trim(), "form-group"); }, { list: "dz-groups", "data-main": true }), groupNames]), w.group_help),
      row(w.icon, iconPicker()),
      row(w.color, colorPicker(D.doc.color, function (name) { setForm("color", name); }, w.color, true)),
    ]);
    panel.replaceChildren(
      group("basic", w.basic, kids),
      group("type", w.records, [
        row(w.title_field, choose(titles, D.doc.title_field, function (key) { setForm("title_field", key); D.render(false); }), w.title_help),
        row(w.color_field, choose([["", w.none]].concat(fieldOptions(function (f) { return f.type === "choice"; })), D.doc.color_field, function (key) { setForm("color_field", key); }), w.color_field_help),
        row(w.unique_sets, uniqueSets(), w.unique_help),
      ]),
      group("list", w.list_and_search, [
        row(w.columns, ordered(columnable, D.doc.columns || [], function (keys) { setForm("columns", keys); }, w.columns), w.columns_help),
        row(w.search, ordered(fieldOptions(function (f) { return D.types[f.type].typed; }), D.doc.search || [], function (keys) { setForm("search", keys); }, w.search), w.search_help),
      ])
    );
  }

  var naming = 0;
  function nameForm(value) {
    if (data.ownKey) return;
    clearTimeout(naming);
    naming = setTimeout(function () {
      D.post(data.urls.key, { label: label(value), form: true }).then(function (answer) {
        if (!answer.ok || data.ownKey) return;
        setForm("key", answer.doc.key, "form-label-zh");
        var input = document.getElementById("dz-form-key");
        if (input) input.value = answer.doc.key;
      });
    }, 400);
  }

  /* ---- tabs and sections ---- */

  function drawTab() {
    var at = D.selected.tab;
    var tab = D.tabs()[at];
    title.textContent = w.tab;
    panel.replaceChildren(
      el("div", { class: "dz-prop-body" }, labelRows(w.label, tab.label, function (value, kind) {
        D.change(function (doc) { doc.layout.tabs[at].label = value; }, { panel: false, merge: "tab" + at + kind });
      }, { maxlength: 60 }).concat([
        el("div", { class: "row-gap" }, [
          button(w.left, "arrow-left", function () { D.moveTab(at, at - 1); }, at === 0 ? "disabled" : ""),
          button(w.right, "arrow-right", function () { D.moveTab(at, at + 1); }, at === D.tabs().length - 1 ? "disabled" : ""),
        ]),
        D.tabs().length > 1 ? el("div", { class: "dz-prop-foot" }, [button(w.remove_tab, "trash", function () { D.removeTab(at); }, "btn-ghost"), el("p", { class: "field-help", text: w.remove_tab_help })]) : null,
      ].filter(Boolean)))
    );
    panel.querySelectorAll(".btn.disabled").forEach(function (b) { b.disabled = true; });
  }

  function drawSection() {
    var at = D.selected.section;
    var section = D.sections()[at];
    if (!section) { D.selected = null; drawForm(); return; }
    var where = { tab: D.tab, section: at };
    function set(name, value, merge) {
      D.change(function (doc) { doc.layout.tabs[where.tab].sections[at][name] = value; }, { panel: false, merge: merge });
    }
    title.textContent = w.section;
    var others = D.tabs().map(function (tab, t) { return [t, label(tab.label) || w.no_label]; }).filter(function (pair) { return pair[0] !== D.tab; });
    panel.replaceChildren(
      el("div", { class: "dz-prop-body" }, labelRows(w.label, section.label, function (value, kind) { set("label", value, "section" + at + kind); }, { maxlength: 60 }).concat([
        row(w.columns_n, segments([[1, "1"], [2, "2"], [3, "3"]], section.columns || 2, function (n) { set("columns", n); }, w.columns_n)),
        toggle(w.start_collapsed, section.collapsed, function (on) { set("collapsed", on); }),
        el("div", { class: "row-gap" }, [
          button(w.up, "arrow-up", function () { D.moveSection(where, { tab: D.tab, section: at - 1 }); }, at === 0 ? "disabled" : ""),
          button(w.down, "arrow-down", function () { D.moveSection(where, { tab: D.tab, section: at + 1 }); }, at === D.sections().length - 1 ? "disabled" : ""),
        ]),
        others.length ? row(w.to_tab, choose([["", w.choose]].concat(others), "", function (t) { if (t !== "") D.moveSection(where, { tab: Number(t), section: D.tabs()[Number(t)].sections.length }); })) : null,
        D.sections().length > 1 ? el("div", { class: "dz-prop-foot" }, [button(w.remove_section, "trash", function () { D.removeSection(at); }, "btn-ghost"), el("p", { class: "field-help", text: w.remove_section_help })]) : null,
      ].filter(Boolean)))
    );
    panel.querySelectorAll(".btn.disabled").forEach(function (b) { b.disabled = true; });
  }

  /* ---- a field ---- */

  function setter(key) {
    return function (name, value, options) {
      D.change(function () {
        var f = D.field(key);
        if (value === "" || value === undefined || value === null || value === false || (Array.isArray(value) && !value.length && name !== "choices")) delete f[name];
        else f[name] = value;
      }, Object.assign({ panel: false, merge: "f:" + key + ":" + name }, options));
    };
  }

  /* The form whose fields a setting chooses from: null is the draft itself, a list the columns of line items that have no form yet.
     Settings stand in reading order: after a form, a relation or line items, their fields. */
  D.targetOf = function (f, setting) {
    var found = null;
    D.types[f.type].settings.some(function (s) {
      if (s === setting || s.key === setting.key) return true;
      if (s.kind === "form" && f[s.key] && !found) found = f[s.key];
      if (s.kind === "field" && f[s.key] && !found) {
        var via = D.field(f[s.key]);
        if (via) found = via.form || via.fields || null;
      }
      return false;
    });
    return found;
  };

  /* The fields of a form; of the draft itself those besides `own`. */
  function fieldsOf(formKey, own, accept) {
    var take = accept || function () { return true; };
    if (!formKey || formKey === D.doc.key) return fieldOptions(take).filter(function (pair) { return pair[0] !== own; });
    if (Array.isArray(formKey)) return formKey.filter(take).map(function (f) { return [f.key, label(f.label)]; });
    var form = data.forms.find(function (one) { return one.key === formKey; });
    return form ? form.fields.filter(take).map(function (f) { return [f.key, f.label]; }) : [];
  }

  /* A setting that leads to other fields takes links only: from here, or from there to here. */
  function linking(f, s) {
    if (s.key === "relation") return function (x) { return !!x.form; };
    if (s.key === "over") return function (x) { return x.type === "sub_form"; };
    if (s.key === "via") return function (x) { return x.form === D.doc.key; };
    return null;
  }

  function setting(f, s, set) {
    var value = f[s.key] === undefined ? s.start : f[s.key];
    var again = function (v) { set(s.key, v, { panel: true }); };
    function typed(v) { set(s.key, v); }
    if (f.type === "sub_form") {
      var own = Array.isArray(f.fields);
      if (own && (s.key === "form" || s.key === "via")) return null;
      if (s.key === "fields") return own ? row(s.label, D.columnsEditor(f, set)) : null;
      if (own && s.key === "totals") return row(s.label, ordered(f.fields.map(function (c) { return [c.key, label(c.label)]; }), f.totals || [], typed, s.label), s.help);
    }
    if (f.over && (s.key === "form" || s.key === "via")) return null;
    if (s.kind === "condition" && Array.isArray(D.targetOf(f, s))) return null;
    if (s.key === "over") {
      again = function (v) {
        D.change(function () { var now = D.field(D.selected.key); ["form", "via", "of", "on", "where"].forEach(function (name) { delete now[name]; }); }, { panel: false });
        set(s.key, v, { panel: true });
      };
    }
    if (s.kind === "long_text") return row(s.label, area(typeof value === "string" ? value : "", typed), s.help);
    if (s.kind === "number") return row(s.label, line(value, function (v) { set(s.key, number(v)); }, { inputmode: "decimal", class: "form-control num" }), s.help);
    if (s.kind === "yes_no") return toggle(s.label, value, function (on) { if (s.start === true) setRaw(f.key, s.key, on); else set(s.key, on); }, s.help);
    if (s.kind === "choice") return row(s.label, choose((s.start === null || s.start === undefined ? [["", w.none]] : []).concat(s.choices), value, typedChoice(s, again)), s.help);
    if (s.kind === "form") return row(s.label, choose([["", w.choose]].concat(data.forms.map(function (one) { return [one.key, one.label]; })).concat(D.doc.key && !data.fresh ? [[D.doc.key, fill(w.this_form, { form: label(D.doc.label) })]] : []), value, again), s.help);
    if (s.kind === "field") return row(s.label, choose([["", w.choose]].concat(fieldsOf(D.targetOf(f, s), f.key, linking(f, s))), value, again), s.help);
    if (s.kind === "fields") return row(s.label, ordered(fieldsOf(D.targetOf(f, s), f.key), Array.isArray(value) ? value : [], typed, s.label), s.help);
    if (s.kind === "condition") return row(s.label, condition(f, s.key, D.targetOf(f, s), s.label), s.help);
    if (s.kind === "color") return row(s.label, colorPicker(value, typed, s.label, true), s.help);
    if (s.kind === "choices_editor") return row(s.label, D.choicesEditor(f, s.key, set), s.help);
    if (s.kind === "tree") return row(s.label, D.treeEditor(f, s.key, set), s.help);
    if (s.kind === "formula") return row(s.label, D.formulaEditor(f, s.key, set), s.help);
    if (s.kind === "pattern") return pattern(f, s, set);
    return row(s.label, line(typeof value === "object" ? label(value) : value, typed), s.help);
  }

  function typedChoice(s, again) {
    /* Numbers among the choices stay numbers. */
    return function (text) {
      var found = s.choices.find(function (pair) { return String(pair[0]) === text; });
      again(found ? found[0] : text);
    };
  }

  function setRaw(key, name, value) { D.change(function () { D.field(key)[name] = value; }, { panel: false, merge: "f:" + key + ":" + name }); }

  function number(text) {
    var clean = text.trim();
    return clean === "" ? undefined : /^-?\d{1,15}(\.\d{1,9})?$/.test(clean) ? Number(clean) : clean;
  }

  function condition(f, name, formKey, text) {
    var box = el("div", { class: "dz-condition" });
    var now = f[name];
    var has = now && Object.keys(now).length;
    var line_ = el("p", { class: "dz-condition-words" + (has ? "" : " muted"), text: has ? "…" : w.always_not });
    box.append(line_, el("div", { class: "row-gap" }, [
      button(has ? w.edit_condition : w.add_condition, "filter", function () { D.editCondition(f.key, name, formKey, text); }),
      has ? button(w.clear, "x", function () { setter(f.key)(name, undefined, { panel: true, merge: "" }); }, "btn-ghost") : null,
    ].filter(Boolean)));
    if (has) D.conditionWords(now, formKey).then(function (answer) {
      line_.textContent = answer.words || answer.message;
      line_.classList.toggle("field-error", !answer.words);
    });
    return box;
  }

  function pattern(f, s, set) {
    var result = el("p", { class: "field-help", role: "status" });
    var timer = 0;
    var text = el("input", { type: "text", class: "form-control", placeholder: w.test_placeholder, "aria-label": w.test_placeholder, autocomplete: "off" });
    function test() {
      clearTimeout(timer);
      var now = D.field(f.key);
      if (!now || !now[s.key]) { result.textContent = ""; return; }
      timer = setTimeout(function () {
        D.post(data.urls.pattern, { pattern: now[s.key], text: text.value }).then(function (answer) {
          result.className = answer.doc.error || (text.value && !answer.doc.fits) ? "field-error" : "field-help";
          result.textContent = answer.doc.error || (!text.value ? "" : answer.doc.fits ? w.fits : fill(w.fits_not, { message: label(now.message) || w.fits_not_default }));
        });
      }, 250);
    }
    text.addEventListener("input", test);
    var input = line(f[s.key], function (v) { set(s.key, v); test(); }, { class: "form-control mono", spellcheck: "false" });
    return el("div", { class: "dz-pattern" }, [row(s.label, input, s.help), row(w.message, line(label(f.message), function (v) { set("message", v); }), w.message_help), text, result]);
  }

  /* The default: none, a value in the type's own input, or a formula. */
  function defaults(f, set) {
    var mode = f.default_formula !== undefined ? "formula" : f.default !== undefined && f.default !== null ? "value" : f.key === defaultOpen ? "value" : "none";
    var options = [["none", w.none], ["value", w.fixed_value]];
    if (D.formulaEditor.available !== false) options.push(["formula", w.formula]);
    var body = el("div", { class: "dz-default" });
    var picker = choose(options, mode, function (next) {
      defaultOpen = next === "value" ? f.key : null;
      D.change(function () {
        var now = D.field(f.key);
        delete now.default;
        delete now.default_formula;
        if (next === "formula") now.default_formula = "";
      });
    });
    if (mode === "formula") body.append(D.formulaEditor(f, "default_formula", set));
    if (mode === "value") valueInput(f, body, set);
    return el("div", { class: "dz-prop" }, [row(w.default, picker), body]);
  }
  var defaultOpen = null;

  function valueInput(f, body, set) {
    var form = el("form", { class: "dz-default-form" }, [el("span", { class: "dz-wait" })]);
    var problem = el("p", { class: "field-error", hidden: true });
    var timer = 0, asked = 0;
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    body.append(form, problem);
    D.post(data.urls.default_input, { field: D.field(f.key) }).then(function (answer) {
      form.innerHTML = answer.doc.html || "";
      Array.from(form.querySelectorAll("input:not([type=hidden]), select, textarea")).forEach(function (input) { if (!input.getAttribute("aria-label")) input.setAttribute("aria-label", w.default); });
      window.htmx.process(form);
      window.htmx.trigger(form, "htmx:load", { elt: form });
    });
    function tell() {
      clearTimeout(timer);
      timer = setTimeout(function () {
        var sent = new FormData(form);
        var mine = ++asked;
        sent.append("guke_field", JSON.stringify(D.field(f.key)));
        fetch(data.urls.default_value, { method: "POST", body: sent, credentials: "same-origin", headers: { "X-CSRF-Token": window.guke.csrf(), Accept: "application/json" } })
          .then(function (a) { return a.json(); }).then(function (doc) {
            if (mine !== asked || !D.field(f.key)) return;
            problem.hidden = !doc.error;
            problem.textContent = doc.error || "";
            if (!doc.error) set("default", doc.value === false ? undefined : doc.value);
            if (!doc.error && doc.value === false) setRaw(f.key, "default", false);
          });
      }, 300);
    }
    form.addEventListener("input", tell);
    form.addEventListener("change", tell);
  }

  /* ---- changing the type ---- */

  function typePicker(f) {
    var box = el("div", { class: "dz-type-row" });
    var result = el("div", { class: "dz-conversion", role: "status" });
    var groups = data.palette.map(function (g) { return { label: g.label, items: g.types.map(function (t) { return [t, D.types[t].name]; }) }; });
    if (!groups.some(function (g) { return g.items.some(function (p) { return p[0] === f.type; }); })) groups.unshift([f.type, D.types[f.type].name]);
    var select = choose(groups, f.type, function (next) {
      result.replaceChildren();
      if (next === f.type) return;
      if (!D.isPublished(f.key)) { D.convert(f.key, next); return; }
      result.append(el("span", { class: "dz-wait" }));
      D.post(data.urls.conversion, { field: converted(f, next) }).then(function (answer) {
        var doc = answer.doc;
        var kids = [el("p", { class: doc.bad ? "notice notice-amber" : "field-help", text: doc.words || doc.message || "" })];
        if (doc.examples && doc.examples.length) kids.push(el("ul", { class: "dz-examples" }, doc.examples.map(function (text) { return el("li", { text: text }); })));
        kids.push(el("div", { class: "row-gap" }, [
          answer.ok ? button(w.change_type, "check", function () { D.convert(f.key, next); }, "btn-primary") : null,
          button(w.keep_type, "x", function () { select.value = f.type; result.replaceChildren(); }, "btn-ghost"),
        ].filter(Boolean)));
        result.replaceChildren.apply(result, kids);
      }, function () { result.replaceChildren(); select.value = f.type; window.guke.toast(window.guke.word("offline"), { kind: "error" }); });
    }, { disabled: f.system });
    box.append(row(w.type, select, f.system ? w.type_system : ""), result);
    return box;
  }

  /* The field's document as one of another type: what the new type does not know goes. */
  function converted(f, next) {
    var made = {};
    var known = ["key", "label", "required", "indexed", "unique", "help", "readonly", "system", "section", "placeholder", "width", "personal", "show_if", "require_if", "lock_if"];
    var settings = D.types[next].settings.map(function (s) { return s.key; });
    Object.keys(f).forEach(function (k) { if (known.indexOf(k) >= 0 || settings.indexOf(k) >= 0) made[k] = D.copy(f[k]); });
    made.type = next;
    if (!D.types[next].unique) delete made.unique;
    if (!D.types[next].indexed) delete made.indexed;
    if (D.types[next].rules.indexOf("pattern") >= 0 && f.pattern) { made.pattern = f.pattern; made.message = f.message; }
    D.types[next].settings.forEach(function (s) {
      if (made[s.key] !== undefined) return;
      if (s.start !== null && s.start !== undefined) made[s.key] = D.copy(s.start);
      if (s.kind === "choices_editor") made[s.key] = [1, 2, 3].map(function (n) { return { value: fill(w.choice_n, { n: n }), label: fill(w.choice_n, { n: n }), color: data.colors[n] }; });
      if (s.kind === "tree") made[s.key] = D.sampleTree();
      if (next === "sub_form" && s.key === "fields") made.fields = D.sampleColumns();
      if (s.kind === "form" && data.forms.length && next !== "sub_form") made[s.key] = data.forms[0].key;
    });
    return made;
  }

  D.convert = function (key, next) {
    D.change(function (doc) {
      var at = doc.fields.findIndex(function (f) { return f.key === key; });
      doc.fields[at] = converted(doc.fields[at], next);
    });
  };

  /* ---- keys made of labels ---- */

  var keyTimer = 0;
  var ownKeys = {};
  function autoKey(f, text) {
    if (D.isPublished(f.key) || ownKeys[f.key] || !text.trim()) return;
    clearTimeout(keyTimer);
    var old = f.key;
    keyTimer = setTimeout(function () {
      D.post(data.urls.key, { label: text, taken: D.doc.fields.map(function (x) { return x.key; }).filter(function (k) { return k !== old; }).concat(Object.keys(data.published)) }).then(function (answer) {
        if (!answer.ok || !D.field(old) || answer.doc.key === old) return;
        D.rename(old, answer.doc.key, true);
        var input = document.getElementById("dz-key");
        if (input && D.selected && D.selected.key === answer.doc.key) { input.value = answer.doc.key; panel.dataset.key = answer.doc.key; }
      });
    }, 500);
  }

  function keyRow(f) {
    var fixed = D.isPublished(f.key);
    var input = line(f.key, function () { /* taken when it is left */ }, { class: "form-control mono", readonly: fixed, id: "dz-key", spellcheck: "false", maxlength: 48 });
    var problem = el("p", { class: "field-error", hidden: true });
    input.addEventListener("change", function () {
      var key = D.selected && D.selected.key;
      var wanted = input.value.trim();
      if (fixed || wanted === key) return;
      var bad = !/^[a-z][a-z0-9_]{0,47}$/.test(wanted) ? w.key_bad : D.freeKey(wanted) !== wanted ? w.key_taken : "";
      problem.hidden = !bad;
      problem.textContent = bad;
      input.setAttribute("aria-invalid", bad ? "true" : "false");
      if (bad) return;
      ownKeys[wanted] = true;
      D.rename(key, wanted);
    });
    return el("div", {}, [row(w.key, input, fixed ? w.key_fixed : w.key_help), problem]);
  }

  /* ---- the whole panel of a field ---- */

  function current() { return D.field(D.selected.key); }

  function drawField() {
    var key = D.selected.key;
    var f = D.field(key);
    var own = data.system.find(function (s) { return s.key === key; });
    if (!f && !own) { D.selected = null; drawForm(); return; }
    title.textContent = D.nameOf(key);
    if (!f) {
      panel.replaceChildren(el("div", { class: "dz-prop-body" }, [el("p", { class: "muted", text: w.kept_help }), moveTo(key), el("div", { class: "dz-prop-foot" }, [button(w.off_page, "trash", function () { D.remove(key); }, "btn-ghost")])]));
      return;
    }
    /* The key may change while the panel is open. */
    var set = function (name, value, options) { setter(D.selected.key)(name, value, options); };
    var type = D.types[f.type];
    var error = D.cardError(key);
    var parts = [];
    if (error) parts.push(el("div", { class: "notice notice-red dz-panel-error", role: "alert" }, [icon("alert-circle", 18), el("p", { text: error })]));
    parts.push(group("basic", w.basic, labelRows(w.label, f.label, function (value, kind) {
      D.change(function () { current().label = value; }, { panel: false, merge: "label" });
      title.textContent = D.nameOf(D.selected.key);
      if (kind === "zh") autoKey(current(), label(value));
    }, { maxlength: 80, required: true, id: "dz-label" }).concat([
      keyRow(f), typePicker(f),
    ], labelRows(w.help, f.help, function (value) { set("help", value); }, { rows: 2 }, true), [
      type.written ? row(w.placeholder, line(label(f.placeholder), function (v) { set("placeholder", v); })) : null,
      row(w.width, segments([["", w.auto], ["third", w.third], ["half", w.half], ["full", w.full]], f.width || "", function (v) { set("width", v); }, w.width)),
    ].filter(Boolean))));
    if (type.settings.length) parts.push(group("type", fill(w.type_settings, { type: type.name }), type.settings.map(function (s) { return setting(f, s, set); }).filter(Boolean)));
    if (!type.computed) {
      parts.push(group("value", w.value, [
        toggle(w.required, f.required, function (on) { set("required", on); }),
        type.unique ? toggle(w.unique, f.unique, function (on) { set("unique", on); }, w.unique_hint) : null,
        type.indexed ? toggle(w.indexed, f.indexed, function (on) { set("indexed", on); }, w.indexed_hint) : null,
        type.value ? defaults(f, set) : null,
        row(w.personal, segments([["", w.personal_auto], ["yes", w.personal_yes], ["no", w.personal_no]], f.personal === true ? "yes" : f.personal === false ? "no" : "", function (v) {
          /* "No" is an answer of its own, so it is kept. */
          D.change(function () { if (v) current().personal = v === "yes"; else delete current().personal; }, { panel: false });
        }, w.personal)),
      ].filter(Boolean)));
    }
    if (type.rules.length) parts.push(group("rules", w.validation, rules(f, type, set)));
    parts.push(group("conditions", w.conditions, [
      row(w.show_if, condition(f, "show_if", null, w.show_if)),
      type.computed ? null : row(w.require_if, condition(f, "require_if", null, w.require_if)),
      type.computed ? null : row(w.lock_if, condition(f, "lock_if", null, w.lock_if)),
    ].filter(Boolean)));
    parts.push(el("div", { class: "dz-prop-body dz-prop-foot" }, [
      moveTo(key),
      el("div", { class: "row-gap" }, [
        button(w.off_page, "eye-off", function () { D.hide(D.selected.key); }),
        button(w.copy_field, "copy", function () { D.duplicate(D.selected.key); }),
        f.system ? null : button(w.remove_field, "trash", function () { D.remove(D.selected.key); }, "btn-danger"),
      ].filter(Boolean)),
      f.system ? el("p", { class: "field-help", text: w.system_help }) : D.isPublished(key) ? el("p", { class: "field-help", text: w.remove_help }) : null,
    ].filter(Boolean)));
    panel.replaceChildren.apply(panel, parts);
  }

  function rules(f, type, set) {
    var kids = [];
    var pairs = [["min", "max"], ["min_length", "max_length"]].filter(function (p) { return type.rules.indexOf(p[0]) >= 0 || type.rules.indexOf(p[1]) >= 0; });
    pairs.forEach(function (pair) {
      kids.push(el("div", { class: "dz-pair" }, pair.filter(function (name) { return type.rules.indexOf(name) >= 0; }).map(function (name) {
        var date = type.group === "time" && (f.type === "date" || f.type === "datetime");
        return row(w["rule_" + name], line(f[name], function (v) { set(name, date ? v : number(v)); }, date ? { type: f.type === "date" ? "date" : "datetime-local", class: "form-control num" } : { inputmode: "decimal", class: "form-control num" }));
      })));
    });
    if (type.rules.indexOf("pattern") >= 0) kids.push(pattern(f, { key: "pattern", label: w.rule_pattern, help: w.pattern_help }, set));
    else kids.push(row(w.message, line(label(f.message), function (v) { set("message", v); }), w.message_help));
    return kids;
  }

  /* Another section or tab without dragging. */
  function moveTo(key) {
    var at = D.place(key);
    var options = [];
    D.tabs().forEach(function (tab, t) {
      tab.sections.forEach(function (section, s) {
        var name = [D.tabs().length > 1 ? label(tab.label) : "", label(section.label) || w.no_label].filter(Boolean).join(" / ");
        options.push([t + ":" + s, name]);
      });
    });
    if (options.length < 2 || !at) return el("span", { hidden: true });
    return row(w.place, choose(options, at.tab + ":" + at.section, function (value) {
      var to = value.split(":").map(Number);
      D.tab = to[0];
      D.move(D.selected.key, { tab: to[0], section: to[1], index: D.tabs()[to[0]].sections[to[1]].fields.length });
    }));
  }

  /* ---- drawing ---- */

  D.renderPanel = function () {
    var kind = D.selected ? D.selected.kind : "form";
    var now = kind + ":" + (D.selected ? [D.selected.key, D.selected.section, D.selected.tab].join(":") : "");
    var top = panel.dataset.shown === now ? panel.scrollTop : 0;
    panel.dataset.shown = now;
    panel.dataset.kind = kind;
    if (kind === "field") drawField();
    else if (kind === "section") drawSection();
    else if (kind === "tab") drawTab();
    else drawForm();
    panel.scrollTop = top;
  };
})();
