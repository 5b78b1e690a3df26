/* The form designer: the draft in memory, undo and redo, autosave, palette and canvas. The properties stand in
   designer-panel.js, dialogs in designer-dialogs.js; all three share window.gukeDesigner. */
(function () {
  "use strict";

  var box = document.getElementById("designer");
  if (!box) return;
  var data = JSON.parse(document.getElementById("designer-data").textContent);
  var words = JSON.parse(document.getElementById("designer-words").textContent);
  data.sprite = box.dataset.sprite;
  var UNDO = 200;
  var SAVE_AFTER = 700;
  var LOOK_EVERY = 15000;
  var STORE = "guke.designer." + data.draft;

  var D = window.gukeDesigner = {
    data: data, words: words, types: data.types, doc: data.doc, version: data.version,
    selected: null, tab: 0, box: box,
  };

  function el(tag, attributes, children) {
    var node = document.createElement(tag);
    Object.keys(attributes || {}).forEach(function (name) {
      var value = attributes[name];
      if (value === false || value === null || value === undefined) return;
      if (name === "text") node.textContent = value;
      else if (name === "value") node.value = value;
      else if (name.slice(0, 2) === "on") node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : value);
    });
    (children || []).forEach(function (child) { if (child) node.append(child); });
    return node;
  }

  function icon(name, size) {
    var svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon i" + (size || 18));
    svg.setAttribute("aria-hidden", "true");
    var use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", data.sprite + "#" + name);
    svg.append(use);
    return svg;
  }

  function fill(text, values) {
    return text.replace(/%\((\w+)\)[sd]/g, function (_all, name) { return values[name]; });
  }

  /* A label in the reader's language. */
  function label(value) {
    if (value && typeof value === "object") return value[data.lang] || value.zh || value[Object.keys(value)[0]] || "";
    return value || "";
  }

  function copy(value) { return value === undefined ? undefined : JSON.parse(JSON.stringify(value)); }

  function iconButton(name, text, attributes) {
    return el("button", Object.assign({ type: "button", class: "icon-btn", title: text, "aria-label": text }, attributes), [icon(name)]);
  }

  function post(url, body, options) {
    return fetch(url, Object.assign({
      method: "POST", credentials: "same-origin",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": window.guke.csrf(), "X-Requested-With": "fetch" },
      body: JSON.stringify(body),
    }, options)).then(function (answer) {
      return answer.json().catch(function () { return {}; }).then(function (doc) { return { ok: answer.ok, status: answer.status, doc: doc }; });
    });
  }

  function say(text) {
    var live = document.getElementById("designer-live");
    live.textContent = "";
    setTimeout(function () { live.textContent = text; }, 30);
  }

  /* ---- the document ---- */

  function field(key) { return D.doc.fields.find(function (f) { return f.key === key; }) || null; }
  function system(key) { return data.system.find(function (f) { return f.key === key; }) || null; }
  function tabs() { return D.doc.layout.tabs; }
  function sections() { return tabs()[D.tab].sections; }
  function isPublished(key) { return Object.prototype.hasOwnProperty.call(data.published, key); }

  /* Where the layout names a field: {tab, section, index} or null. */
  function place(key) {
    for (var t = 0; t < tabs().length; t += 1) {
      for (var s = 0; s < tabs()[t].sections.length; s += 1) {
        var at = tabs()[t].sections[s].fields.indexOf(key);
        if (at >= 0) return { tab: t, section: s, index: at };
      }
    }
    return null;
  }

  function nameOf(key) {
    var found = field(key) || system(key);
    return found ? label(found.label) || key : key;
  }

  function freeKey(wanted) {
    var taken = D.doc.fields.map(function (f) { return f.key; }).concat(Object.keys(data.published), data.reserved);
    if (taken.indexOf(wanted) < 0) return wanted;
    for (var n = 2; ; n += 1) if (taken.indexOf(wanted + "_" + n) < 0) return wanted + "_" + n;
  }

  /* ---- undo and redo ---- */

  var undos = [];
  var redos = [];
  var lastMerge = "";
  var lastAt = 0;

  function snapshot() { return JSON.stringify({ doc: D.doc, selected: D.selected, tab: D.tab }); }

  /* Changes the document. merge: a run of changes of one name is one step back; join: it belongs to the step before; panel: the properties are drawn anew. */
  function change(edit, options) {
    var o = options || {};
    var now = Date.now();
    var before = snapshot();
    edit(D.doc);
    if (!o.join && !(o.merge && o.merge === lastMerge && now - lastAt < 1500)) {
      undos.push(before);
      if (undos.length > UNDO) undos.shift();
    }
    if (!o.join) lastMerge = o.merge || "";
    lastAt = now;
    redos = [];
    D.render(o.panel !== false);
    dirty();
  }

  function travel(from, to) {
    if (!from.length) return;
    to.push(snapshot());
    var then = JSON.parse(from.pop());
    D.doc = then.doc;
    D.selected = then.selected;
    D.tab = Math.min(then.tab, tabs().length - 1);
    lastMerge = "";
    D.render(true);
    dirty();
    say(from === undos ? words.undone : words.redone);
  }

  D.undo = function () { travel(undos, redos); };
  D.redo = function () { travel(redos, undos); };

  /* ---- saving ---- */

  var state = "saved";
  var timer = 0;
  var edits = 0;
  var running = null;
  var stateBox = document.getElementById("designer-state");

  function show(next, text) {
    state = next;
    stateBox.dataset.state = next;
    stateBox.querySelector("span").textContent = text || words[next];
    document.getElementById("designer-retry").hidden = next !== "failed";
  }

  function keep() {
    try { localStorage.setItem(STORE, JSON.stringify({ doc: D.doc, version: D.version })); } catch (error) { /* no storage */ }
  }
  function forget() {
    try { localStorage.removeItem(STORE); } catch (error) { /* no storage */ }
  }

  function dirty() {
    edits += 1;
    keep();
    buttons();
    clearTimeout(timer);
    if (state === "conflict") return;
    show("waiting");
    timer = setTimeout(save, SAVE_AFTER);
  }

  function save(options) {
    clearTimeout(timer);
    if (running) return running.then(function () { return state === "waiting" ? save(options) : state; });
    if (state === "saved" || state === "conflict") return Promise.resolve(state);
    var mine = edits;
    show("saving");
    running = post(data.urls.save, { doc: D.doc, version: D.version }, options).then(function (answer) {
      running = null;
      if (answer.ok) {
        D.version = answer.doc.version;
        D.problems = answer.doc.problems || {};
        if (mine === edits) { forget(); show("saved"); } else { show("waiting"); timer = setTimeout(save, SAVE_AFTER); }
        D.renderProblems();
      } else if (answer.status === 409) {
        conflict(answer.doc);
      } else if (answer.status === 404) {
        gone();
      } else {
        show("failed", answer.status === 422 && answer.doc.message || "");
        timer = setTimeout(retry, 8000);
      }
      return state;
    }, function () {
      running = null;
      show("failed");
      timer = setTimeout(retry, 8000);
      return state;
    });
    return running;
  }

  function retry() { if (state === "failed") { show("waiting"); save(); } }

  /* Saved, whatever is still on its way: for what the server must know first. */
  D.flush = function () {
    if (state === "failed") show("waiting");
    return save().then(function (now) {
      if (now === "saved") return true;
      if (now !== "conflict") window.guke.toast(words.not_saved, { kind: "error" });
      return false;
    });
  };

  document.getElementById("designer-retry").addEventListener("click", retry);

  /* ---- somebody else ---- */

  var notice = document.getElementById("designer-conflict");

  function tell(text, actions) {
    notice.querySelector("p").textContent = text;
    notice.querySelector(".row-gap").replaceChildren.apply(notice.querySelector(".row-gap"), actions);
    notice.hidden = false;
  }

  function act(text, kind, run) { return el("button", { type: "button", class: "btn btn-sm" + (kind ? " " + kind : ""), text: text, onclick: run }); }

  function conflict(doc) {
    show("conflict", words.conflict_state);
    keep();
    tell(fill(words.conflict, { who: doc.who || words.somebody, when: doc.when || "" }), [
      act(words.see_theirs, "btn-primary", theirs),
      act(words.overwrite, "btn-danger", function () { document.getElementById("designer-overwrite").showModal(); }),
    ]);
  }

  /* Published or thrown away by somebody else: what was done here can still be seen, and copied. */
  function gone() {
    show("conflict", words.gone_state);
    tell(words.gone, [act(words.open_again, "btn-primary", function () { forget(); show("saved"); location.assign(data.home); })]);
  }

  /* Takes what the other one saved; one's own state is a step back in the history. */
  function theirs() {
    fetch(data.urls.state + "&doc=1", { credentials: "same-origin", headers: { Accept: "application/json" } }).then(function (a) { return a.json(); }).then(function (doc) {
      undos.push(snapshot());
      redos = [];
      D.doc = doc.doc;
      D.version = doc.version;
      D.tab = Math.min(D.tab, tabs().length - 1);
      if (D.selected && D.selected.key && !place(D.selected.key)) D.selected = null;
      notice.hidden = true;
      forget();
      show("saved");
      D.render(true);
      say(words.theirs_shown);
    }, function () { window.guke.toast(window.guke.word("offline"), { kind: "error" }); });
  }

  document.getElementById("designer-overwrite").addEventListener("close", function () {
    if (this.returnValue !== "yes") return;
    this.returnValue = "";
    fetch(data.urls.state, { credentials: "same-origin", headers: { Accept: "application/json" } }).then(function (a) { return a.json(); }).then(function (doc) {
      D.version = doc.version;
      notice.hidden = true;
      show("waiting");
      save();
    }, function () { window.guke.toast(window.guke.word("offline"), { kind: "error" }); });
  });

  D.catchUp = function () {
    D.flush().then(function (saved) { return saved ? post(data.urls.catch_up, {}) : null; }).then(function (answer) {
      if (!answer) return;
      if (answer.ok) location.reload(); else window.guke.toast(answer.doc.message || window.guke.word("failed"), { kind: "error" });
    }, function () { window.guke.toast(window.guke.word("offline"), { kind: "error" }); });
  };

  /* Somebody else's saving is told soon, even while one only looks. */
  function look() {
    if (document.hidden || running || state === "conflict") return;
    fetch(data.urls.state, { credentials: "same-origin", headers: { Accept: "application/json" } }).then(function (a) {
      if (a.status === 404) gone();
      return a.ok ? a.json() : null;
    }).then(function (doc) {
      if (!doc || doc.version <= D.version || running) return;
      if (state === "saved") {
        tell(fill(words.changed, { who: doc.who || words.somebody, when: doc.when || "" }), [act(words.see_theirs, "btn-primary", theirs)]);
      } else {
        conflict(doc);
      }
    }, function () { /* the next saving tells */ });
  }
  setInterval(look, LOOK_EVERY);
  document.addEventListener("visibilitychange", function () {
    if (!document.hidden) look();
    else if (state === "waiting") save({ keepalive: JSON.stringify(D.doc).length < 60000 });
  });
  window.addEventListener("beforeunload", function (event) {
    if (state === "waiting") save({ keepalive: JSON.stringify(D.doc).length < 60000 });
    if (state === "failed" || state === "conflict") event.preventDefault();
  });

  /* The same whatever the order of its keys. */
  function plain(value) {
    if (Array.isArray(value)) return value.map(plain);
    if (!value || typeof value !== "object") return value;
    return Object.keys(value).sort().map(function (key) { return [key, plain(value[key])]; });
  }
  function same(a, b) { return JSON.stringify(plain(a)) === JSON.stringify(plain(b)); }

  /* What was not saved when the page went away is taken up again. */
  function recover() {
    var kept = null;
    try { kept = JSON.parse(localStorage.getItem(STORE) || "null"); } catch (error) { kept = null; }
    if (!kept || !kept.doc || !kept.doc.layout || same(kept.doc, D.doc)) { forget(); return; }
    undos.push(snapshot());
    D.doc = kept.doc;
    D.version = kept.version;
    show("waiting");
    timer = setTimeout(save, SAVE_AFTER);
    window.guke.toast(words.recovered, { kind: "info" });
  }

  function buttons() {
    document.getElementById("designer-undo").disabled = !undos.length;
    document.getElementById("designer-redo").disabled = !redos.length;
  }

  /* ---- editing verbs ---- */

  /* Puts a new field of a type (or a system field) at a place; without one: after the selected field, or at the end. */
  D.add = function (type, to) {
    var spot = to || D.spot();
    var key;
    change(function (doc) {
      if (system(type)) {
        key = type;
        var old = place(key);
        if (old) doc.layout.tabs[old.tab].sections[old.section].fields.splice(old.index, 1);
      } else {
        key = freeKey(type);
        var made = { key: key, label: freeLabel(D.types[type].name), type: type };
        D.types[type].settings.forEach(function (s) { if (s.start !== null && s.start !== undefined) made[s.key] = copy(s.start); });
        if (D.types[type].settings.some(function (s) { return s.kind === "choices_editor"; })) {
          made.choices = [1, 2, 3].map(function (n) { return { value: fill(words.choice_n, { n: n }), label: fill(words.choice_n, { n: n }), color: data.colors[n] }; });
        }
        var tree = D.types[type].settings.find(function (s) { return s.kind === "tree"; });
        if (tree && !made[tree.key]) made[tree.key] = D.sampleTree();
        var form = D.types[type].settings.find(function (s) { return s.kind === "form"; });
        if (type === "sub_form") made.fields = D.sampleColumns();
        else if (form && data.forms.length && !made[form.key]) made[form.key] = data.forms[0].key;
        doc.fields.push(made);
        if (!doc.title_field && D.types[type].typed && type === "text") doc.title_field = key;
      }
      doc.layout.tabs[spot.tab].sections[spot.section].fields.splice(spot.index, 0, key);
      D.tab = spot.tab;
      D.selected = { kind: "field", key: key };
    });
    say(fill(words.added, { field: nameOf(key) }));
    reveal(key);
    return key;
  };

  D.sampleTree = function () {
    return [1, 2].map(function (n) {
      var text = fill(words.choice_n, { n: n });
      return { value: text, label: text, children: [{ value: text + "-1", label: text + "-1" }] };
    });
  };

  D.sampleColumns = function () {
    return [["item", "text", words.column_item], ["quantity", "integer", words.column_quantity], ["price", "money", words.column_price]].map(function (one) {
      return { key: one[0], type: one[1], label: one[2] };
    });
  };

  function freeLabel(wanted) {
    var taken = D.doc.fields.map(function (f) { return label(f.label); });
    if (taken.indexOf(wanted) < 0) return wanted;
    for (var n = 2; ; n += 1) if (taken.indexOf(wanted + " " + n) < 0) return wanted + " " + n;
  }

  D.spot = function () {
    var at = D.selected && D.selected.kind === "field" && place(D.selected.key);
    if (at && at.tab === D.tab) return { tab: at.tab, section: at.section, index: at.index + 1 };
    var section = D.selected && D.selected.kind === "section" ? D.selected.section : sections().length - 1;
    section = Math.min(section, sections().length - 1);
    return { tab: D.tab, section: section, index: sections()[section].fields.length };
  };

  D.move = function (key, to) {
    var from = place(key);
    if (!from) return;
    change(function (doc) {
      doc.layout.tabs[from.tab].sections[from.section].fields.splice(from.index, 1);
      doc.layout.tabs[to.tab].sections[to.section].fields.splice(to.index, 0, key);
      D.selected = { kind: "field", key: key };
    });
    var now = place(key);
    var section = tabs()[now.tab].sections[now.section];
    say(fill(words.moved, { field: nameOf(key), section: label(section.label) || words.section, place: now.index + 1, count: section.fields.length }));
  };

  /* One step with the keyboard: across the borders of sections. */
  function step(key, by) {
    var at = place(key);
    var list = tabs()[at.tab].sections;
    var to = { tab: at.tab, section: at.section, index: at.index + by };
    if (to.index < 0) {
      if (at.section === 0) return;
      to = { tab: at.tab, section: at.section - 1, index: list[at.section - 1].fields.length };
    } else if (to.index >= list[at.section].fields.length) {
      if (at.section === list.length - 1) return;
      to = { tab: at.tab, section: at.section + 1, index: 0 };
    }
    D.move(key, to);
    focusField(key);
  }

  function leap(key, by) {
    var at = place(key);
    var list = tabs()[at.tab].sections;
    if (!list[at.section + by]) return;
    D.move(key, { tab: at.tab, section: at.section + by, index: list[at.section + by].fields.length });
    focusField(key);
  }

  D.remove = function (key) {
    var at = place(key);
    var next = neighbour(key);
    change(function (doc) {
      doc.layout.tabs[at.tab].sections[at.section].fields.splice(at.index, 1);
      doc.fields = doc.fields.filter(function (f) { return f.key !== key; });
      if (doc.title_field === key) doc.title_field = null;
      if (doc.color_field === key) delete doc.color_field;
      ["columns", "search"].forEach(function (name) { if (doc[name]) doc[name] = doc[name].filter(function (k) { return k !== key; }); });
      if (doc.unique) doc.unique = doc.unique.filter(function (set) { return set.indexOf(key) < 0; });
      D.selected = null;
    });
    say(words.removed);
    if (next) focusField(next);
  };

  /* Off the page: the field and its values stay. */
  D.hide = function (key) {
    var at = place(key);
    var next = neighbour(key);
    change(function (doc) {
      doc.layout.tabs[at.tab].sections[at.section].fields.splice(at.index, 1);
      doc.layout.hidden = (doc.layout.hidden || []).concat([key]);
      D.selected = null;
    });
    if (next) focusField(next);
  };

  D.putBack = function (key) {
    change(function (doc) {
      doc.layout.hidden = doc.layout.hidden.filter(function (k) { return k !== key; });
      if (!doc.layout.hidden.length) delete doc.layout.hidden;
      var list = sections()[sections().length - 1].fields;
      list.push(key);
      D.selected = { kind: "field", key: key };
    });
    reveal(key);
  };

  var hiddenBox = document.getElementById("designer-hidden");
  function drawHidden() {
    var list = D.doc.layout.hidden || [];
    hiddenBox.hidden = !list.length;
    hiddenBox.replaceChildren(el("h2", { text: words.hidden_fields }), el("div", { class: "row-gap" }, list.map(function (key) {
      return el("button", { type: "button", class: "btn btn-sm", "aria-label": fill(words.put_back, { field: nameOf(key) }), onclick: function () { D.putBack(key); } }, [icon("plus", 16), el("span", { text: nameOf(key) })]);
    })));
  }

  function neighbour(key) {
    var list = cardKeys();
    var at = list.indexOf(key);
    return list[at + 1] || list[at - 1] || null;
  }

  D.duplicate = function (key) {
    var at = place(key);
    var fresh = freeKey(key);
    change(function (doc) {
      var made = copy(field(key));
      made.key = fresh;
      made.label = freeLabel(label(made.label));
      doc.fields.push(made);
      doc.layout.tabs[at.tab].sections[at.section].fields.splice(at.index + 1, 0, fresh);
      D.selected = { kind: "field", key: fresh };
    });
    reveal(fresh);
  };

  /* Another key for a field that is not published yet, in everything that names it. join: it follows from the step before. */
  D.rename = function (old, fresh, join) {
    change(function (doc) {
      field(old).key = fresh;
      doc.layout.tabs.forEach(function (tab) {
        tab.sections.forEach(function (section) { section.fields = section.fields.map(function (k) { return k === old ? fresh : k; }); });
      });
      if (doc.layout.hidden) doc.layout.hidden = doc.layout.hidden.map(function (k) { return k === old ? fresh : k; });
      ["title_field", "color_field"].forEach(function (name) { if (doc[name] === old) doc[name] = fresh; });
      ["columns", "search"].forEach(function (name) { if (doc[name]) doc[name] = doc[name].map(function (k) { return k === old ? fresh : k; }); });
      if (doc.unique) doc.unique = doc.unique.map(function (set) { return set.map(function (k) { return k === old ? fresh : k; }); });
      doc.fields.forEach(function (f) { renameIn(f, old, fresh); });
      if (D.selected && D.selected.key === old) D.selected.key = fresh;
    }, { join: !!join, panel: !join });
  };

  function renameIn(f, old, fresh) {
    ["show_if", "require_if", "lock_if"].forEach(function (name) { if (f[name]) renamePaths(f[name], old, fresh); });
    if (f.default_formula) f.default_formula = renameWord(f.default_formula, old, fresh);
    D.types[f.type].settings.forEach(function (s) {
      if (s.kind === "formula" && typeof f[s.key] === "string") f[s.key] = renameWord(f[s.key], old, fresh);
      if (s.kind === "field" && f[s.key] === old && !D.targetOf(f, s)) f[s.key] = fresh;
    });
  }
  function renamePaths(doc, old, fresh) {
    if (Array.isArray(doc)) doc.forEach(function (one) { renamePaths(one, old, fresh); });
    else if (doc && typeof doc === "object") {
      if (typeof doc.field === "string" && doc.field.split(".")[0] === old) doc.field = [fresh].concat(doc.field.split(".").slice(1)).join(".");
      Object.keys(doc).forEach(function (k) { if (k !== "value") renamePaths(doc[k], old, fresh); });
    }
  }
  function renameWord(text, old, fresh) { return text.replace(new RegExp("(^|[^\\w.\"'])" + old + "(?![\\w])", "g"), "$1" + fresh); }

  D.addSection = function () {
    change(function (doc) {
      doc.layout.tabs[D.tab].sections.push({ label: words.new_section, columns: 2, collapsed: false, fields: [] });
      D.selected = { kind: "section", section: doc.layout.tabs[D.tab].sections.length - 1 };
    });
    D.focusPanel();
  };

  D.addTab = function () {
    change(function (doc) {
      var list = doc.layout.tabs;
      if (list.length === 1 && !label(list[0].label)) list[0].label = words.first_tab;
      list.push({ label: fill(words.new_tab, { n: list.length + 1 }), sections: [{ label: "", columns: 2, collapsed: false, fields: [] }] });
      D.tab = list.length - 1;
      D.selected = { kind: "tab", tab: D.tab };
    });
    D.focusPanel();
  };

  D.moveSection = function (from, to) {
    change(function (doc) {
      var moved = doc.layout.tabs[from.tab].sections.splice(from.section, 1)[0];
      doc.layout.tabs[to.tab].sections.splice(to.section, 0, moved);
      if (!doc.layout.tabs[from.tab].sections.length) doc.layout.tabs[from.tab].sections.push({ label: "", columns: 2, collapsed: false, fields: [] });
      D.selected = D.tab === to.tab ? { kind: "section", section: to.section } : null;
    });
  };

  D.moveTab = function (from, to) {
    change(function (doc) {
      doc.layout.tabs.splice(to, 0, doc.layout.tabs.splice(from, 1)[0]);
      D.tab = to;
      D.selected = { kind: "tab", tab: to };
    });
  };

  /* The fields of a removed section or tab go to the one before it. */
  D.removeSection = function (at) {
    change(function (doc) {
      var list = doc.layout.tabs[D.tab].sections;
      var gone = list.splice(at, 1)[0];
      if (!list.length) list.push({ label: "", columns: 2, collapsed: false, fields: [] });
      var heir = list[Math.max(0, at - 1)];
      heir.fields = heir.fields.concat(gone.fields);
      D.selected = null;
    });
  };

  D.removeTab = function (at) {
    change(function (doc) {
      var gone = doc.layout.tabs.splice(at, 1)[0];
      var heir = doc.layout.tabs[Math.max(0, at - 1)];
      heir.sections = heir.sections.concat(gone.sections.filter(function (s) { return s.fields.length; }));
      if (doc.layout.tabs.length === 1 && label(doc.layout.tabs[0].label) === words.first_tab) doc.layout.tabs[0].label = "";
      D.tab = Math.max(0, at - 1);
      D.selected = null;
    });
  };

  D.select = function (what, focus) {
    D.selected = what;
    D.render(true);
    if (focus) D.focusPanel();
  };

  /* ---- canvas ---- */

  var canvas = document.getElementById("designer-canvas");
  var strip = document.getElementById("designer-tabs");
  var cards = {};
  var html = {};
  var asked = {};
  var askTimer = 0;
  var shape = "";
  var sorts = [];

  /* What of a field its input depends on: the rest is drawn here. */
  function inputDoc(f) {
    var doc = Object.assign({}, f);
    ["label", "required", "unique", "indexed", "help", "show_if", "require_if", "lock_if", "message", "section", "width"].forEach(function (k) { delete doc[k]; });
    return doc;
  }

  function ask(f, signature) {
    asked[f.key] = { doc: Object.assign(inputDoc(f), { label: f.label }), signature: signature };
    clearTimeout(askTimer);
    askTimer = setTimeout(function () {
      var batch = asked;
      asked = {};
      post(data.urls.inputs, { fields: Object.keys(batch).map(function (k) { return batch[k].doc; }) }).then(function (answer) {
        if (!answer.ok) return;
        Object.keys(batch).forEach(function (key) {
          var got = answer.doc.inputs[key];
          if (!got) return;
          html[batch[key].signature] = got;
          var now = field(key);
          if (now && JSON.stringify(inputDoc(now)) === batch[key].signature && cards[key]) putInput(cards[key], got);
        });
        D.renderProblems();
      }, function () { /* the saving tells that the server is away */ });
    }, 60);
  }

  function putInput(card, got) {
    var holder = card.querySelector(".dz-input");
    if (got.error) {
      holder.replaceChildren(el("p", { class: "field-error dz-broken" }, [icon("alert-circle", 16), document.createTextNode(got.error)]));
    } else {
      holder.innerHTML = got.html;
      window.htmx.trigger(holder, "htmx:load", { elt: holder });
    }
    card.guke.error = got.error || "";
    card.guke.width = got.width || "";
    var own = field(card.dataset.key);
    card.dataset.width = (own && own.width) || card.guke.width;
  }

  function badge(name, text) { return el("span", { class: "dz-badge", title: text }, [icon(name, 16), el("span", { class: "visually-hidden", text: text })]); }

  function makeCard(key) {
    var card = el("li", { class: "dz-card", "data-key": key }, [
      el("div", { class: "dz-head" }),
      el("div", { class: "dz-input", inert: true }, []),
      el("p", { class: "field-help dz-help" }),
      el("button", { type: "button", class: "dz-pick", "data-pick-field": key }),
      el("div", { class: "dz-tools" }, [
        el("span", { class: "dz-grip", "aria-hidden": "true" }, [icon("grip-vertical", 18)]),
        iconButton("copy", words.copy_field, { "data-act": "copy" }),
        iconButton("trash", words.remove_field, { "data-act": "remove" }),
      ]),
    ]);
    card.guke = { drawn: "", signature: "", error: "" };
    return card;
  }

  function drawCard(key) {
    var card = cards[key] || (cards[key] = makeCard(key));
    var f = field(key);
    var chosen = D.selected && D.selected.kind === "field" && D.selected.key === key;
    card.classList.toggle("selected", !!chosen);
    card.querySelector(".dz-pick").setAttribute("aria-pressed", !!chosen);
    var problem = (D.problems || {})[key] || "";
    var drawn = JSON.stringify([f, problem, D.doc.title_field === key]);
    if (card.guke.drawn === drawn) return card;
    card.guke.drawn = drawn;
    var own = f || system(key);
    var type = f ? D.types[f.type] : null;
    var name = label(own.label) || key;
    card.classList.toggle("problem", !!problem);
    card.dataset.width = (f && f.width) || (f && card.guke.width) || "";
    var head = [icon(type ? type.icon : own.icon, 16), el("span", { class: "dz-label", text: name })];
    if (f && f.required) head.push(el("span", { class: "required", text: "*" }));
    if (D.doc.title_field === key) head.push(badge("heading", words.is_title));
    if (f && f.unique) head.push(badge("fingerprint", words.is_unique));
    if (f && f.show_if) head.push(badge("eye", words.has_show));
    if (f && f.require_if) head.push(badge("asterisk", words.has_require));
    if (f && f.lock_if) head.push(badge("lock", words.has_lock));
    if (problem) head.push(el("span", { class: "dz-problem", title: problem }, [icon("alert-circle", 16), el("span", { class: "visually-hidden", text: problem })]));
    head.push(el("span", { class: "dz-type muted", text: type ? type.name : words.system_field }));
    var headBox = card.querySelector(".dz-head");
    headBox.replaceChildren.apply(headBox, head);
    card.querySelector(".dz-pick").setAttribute("aria-label", [name, type ? type.name : words.system_field, f && f.required ? words.required : "", problem].filter(Boolean).join(words.comma));
    card.querySelector(".dz-help").textContent = f ? label(f.help) : "";
    card.querySelector('[data-act="copy"]').hidden = !f;
    if (!f) {
      card.querySelector(".dz-input").replaceChildren(el("span", { class: "dz-auto", text: words.kept }));
      return card;
    }
    var signature = JSON.stringify(inputDoc(f));
    if (card.guke.signature !== signature) {
      card.guke.signature = signature;
      if (html[signature]) putInput(card, html[signature]);
      else {
        if (!card.querySelector(".dz-input").firstChild) card.querySelector(".dz-input").append(el("span", { class: "dz-wait" }));
        ask(f, signature);
      }
    }
    return card;
  }

  function drawSection(section, at) {
    var chosen = D.selected && D.selected.kind === "section" && D.selected.section === at;
    var name = label(section.label);
    var list = el("ul", { class: "dz-fields", "data-section": at, "data-columns": section.columns || 2, "aria-label": name || words.section }, section.fields.map(drawCard));
    if (!section.fields.length) list.append(el("li", { class: "dz-empty" }, [icon("drag-drop", 18), el("span", { text: words.drop_here })]));
    return el("section", { class: "dz-section" + (chosen ? " selected" : ""), "data-at": at }, [
      el("header", { class: "dz-section-head" }, [
        el("span", { class: "dz-section-grip", "aria-hidden": "true" }, [icon("grip-vertical", 16)]),
        el("button", { type: "button", class: "dz-section-name" + (name ? "" : " muted"), "data-pick-section": at, "aria-pressed": !!chosen ? "true" : "false" }, [
          section.collapsed ? icon("chevron-right", 16) : null, el("span", { text: name || words.no_label }), el("small", { class: "muted", text: section.collapsed ? words.collapsed : "" }),
        ]),
        iconButton("settings", fill(words.section_settings, { section: name || words.no_label }), { "data-pick-section": at }),
      ]),
      list,
    ]);
  }

  function drawTabs() {
    var several = tabs().length > 1 || label(tabs()[0].label);
    var items = !several ? [] : tabs().map(function (tab, at) {
      return el("button", { type: "button", role: "tab", id: "designer-tab-" + at, class: "dz-tab", "data-tab": at, "aria-selected": at === D.tab ? "true" : "false", "aria-controls": "designer-canvas", tabindex: at === D.tab ? "0" : "-1" }, [
        el("span", { text: label(tab.label) || words.no_label }),
      ]);
    });
    strip.hidden = !several;
    strip.replaceChildren.apply(strip, items);
    if (several) { canvas.setAttribute("role", "tabpanel"); canvas.setAttribute("aria-labelledby", "designer-tab-" + D.tab); }
    else { canvas.removeAttribute("role"); canvas.removeAttribute("aria-labelledby"); }
  }

  D.render = function (panel) {
    var at = document.activeElement;
    var focused = at && canvas.contains(at) ? at.closest("[data-key]") : null;
    var focusedKey = focused && focused.dataset.key;
    var next = JSON.stringify([D.doc.layout, D.tab, D.selected && D.selected.kind !== "field" ? D.selected : null]);
    var known = {};
    D.doc.fields.forEach(function (f) { known[f.key] = true; });
    Object.keys(cards).forEach(function (key) { if (!known[key] && !system(key)) delete cards[key]; });
    if (next !== shape) {
      shape = next;
      drawTabs();
      sorts.forEach(function (s) { s.destroy(); });
      sorts = [];
      var parts = sections().map(drawSection);
      canvas.replaceChildren.apply(canvas, parts);
      drawHidden();
      document.getElementById("designer-start").hidden = D.doc.fields.length > 0;
      sortable();
      if (focusedKey && cards[focusedKey]) cards[focusedKey].querySelector(".dz-pick").focus({ preventScroll: true });
    } else {
      sections().forEach(function (section) { section.fields.forEach(drawCard); });
    }
    document.getElementById("designer-name").textContent = label(D.doc.label) || words.untitled;
    document.querySelector("#designer-icon use").setAttribute("href", data.sprite + "#" + (D.doc.icon || "table"));
    buttons();
    if (panel) D.renderPanel();
    D.renderProblems();
  };

  /* Everything that stands in the way of publishing, each with a way to its place. */
  D.renderProblems = function () {
    var found = Object.assign({}, D.problems || {});
    Object.keys(cards).forEach(function (key) { if (cards[key].guke.error && field(key) && !found[key]) found[key] = cards[key].guke.error; });
    var button = document.getElementById("designer-problems");
    var count = Object.keys(found).length;
    button.hidden = !count;
    button.querySelector("span").textContent = fill(words.problems, { n: count });
    D.found = found;
    D.doc.fields.forEach(function (f) { if (cards[f.key]) cards[f.key].classList.toggle("problem", !!found[f.key]); });
  };

  D.cardError = function (key) { return cards[key] ? (D.problems || {})[key] || cards[key].guke.error : ""; };
  D.input = function (key) { return cards[key] && cards[key].querySelector(".dz-input"); };

  function cardKeys() { return Array.from(canvas.querySelectorAll(".dz-card")).map(function (c) { return c.dataset.key; }); }

  function focusField(key) { if (cards[key]) cards[key].querySelector(".dz-pick").focus(); }

  function reveal(key) {
    var card = cards[key];
    if (card) card.scrollIntoView({ block: "nearest" });
  }

  /* Shows a field wherever it stands. */
  D.goTo = function (key) {
    var at = place(key);
    if (!at && (D.doc.layout.hidden || []).indexOf(key) >= 0) { D.putBack(key); return; }
    if (!at) { D.select({ kind: "form" }); sheet("panel"); return; }
    D.tab = at.tab;
    D.select({ kind: "field", key: key });
    reveal(key);
    focusField(key);
  };

  /* ---- dragging ---- */

  function touch() { return window.matchMedia("(pointer: coarse), (max-width: 767px)").matches; }

  function sortable() {
    var common = { animation: 140, forceFallback: true, fallbackOnBody: true, fallbackTolerance: 4, delay: 120, delayOnTouchOnly: true, ghostClass: "dz-ghost", fallbackClass: "dz-dragged", scrollSensitivity: 60, scrollSpeed: 14, emptyInsertThreshold: 24 };
    canvas.querySelectorAll(".dz-fields").forEach(function (list) {
      sorts.push(new Sortable(list, Object.assign({}, common, {
        group: { name: "fields", pull: true, put: ["fields", "palette"] }, draggable: ".dz-card, .dz-new", filter: ".dz-tools button", preventOnFilter: false,
        handle: touch() ? ".dz-grip" : undefined,
        onStart: began, onEnd: dropped, onAdd: arrived,
      })));
    });
    sorts.push(new Sortable(canvas, Object.assign({}, common, { group: { name: "sections", put: false }, draggable: ".dz-section", handle: ".dz-section-grip", onStart: began, onEnd: droppedSection })));
    strip.querySelectorAll(".dz-tab").forEach(function (tab) {
      sorts.push(new Sortable(tab, { group: { name: "tab", pull: false, put: ["fields", "palette", "sections"] }, sort: false, ghostClass: "dz-tab-ghost", onAdd: onTab }));
    });
    if (strip.children.length > 1) {
      sorts.push(new Sortable(strip, Object.assign({}, common, { group: { name: "strip", put: false }, draggable: ".dz-tab", direction: "horizontal", onStart: began, onEnd: function (event) {
        ended();
        if (event.oldDraggableIndex !== event.newDraggableIndex) D.moveTab(event.oldDraggableIndex, event.newDraggableIndex);
      } })));
    }
  }

  function began() { document.documentElement.classList.add("dz-dragging"); }
  function ended() { document.documentElement.classList.remove("dz-dragging"); shape = ""; }

  function spotIn(list, index) { return { tab: D.tab, section: Number(list.dataset.section), index: index }; }

  /* A field was dropped into a section (its own or another). */
  function dropped(event) {
    ended();
    if (!event.to.classList.contains("dz-fields")) return;
    var key = event.item.dataset.key;
    if (!key || (event.from === event.to && event.oldDraggableIndex === event.newDraggableIndex)) { D.render(false); return; }
    D.move(key, spotIn(event.to, event.newDraggableIndex));
  }

  /* Something came from the palette. */
  function arrived(event) {
    var type = event.item.dataset.type;
    if (!type) return;
    /* Sortable counts with the palette's selector, which the cards do not match. */
    var index = Array.from(event.to.querySelectorAll(".dz-card, .dz-new")).indexOf(event.item);
    event.item.remove();
    ended();
    D.add(type, spotIn(event.to, index));
  }

  function droppedSection(event) {
    ended();
    if (event.to !== canvas) return;
    if (event.oldDraggableIndex === event.newDraggableIndex) { D.render(false); return; }
    D.moveSection({ tab: D.tab, section: event.oldDraggableIndex }, { tab: D.tab, section: event.newDraggableIndex });
  }

  function onTab(event) {
    var to = Number(event.to.dataset.tab);
    var item = event.item;
    item.remove();
    ended();
    var last = tabs()[to].sections.length - 1;
    var spot = { tab: to, section: last, index: tabs()[to].sections[last].fields.length };
    if (item.dataset.type) D.add(item.dataset.type, spot);
    else if (item.dataset.key) { D.tab = to; D.move(item.dataset.key, spot); }
    else { var from = D.tab; D.tab = to; D.moveSection({ tab: from, section: Number(item.dataset.at) }, { tab: to, section: last + 1 }); }
  }

  /* ---- palette ---- */

  var palette = document.getElementById("designer-palette");
  var paletteSearch = document.getElementById("designer-search");

  palette.querySelectorAll(".dz-types").forEach(function (list) {
    new Sortable(list, { group: { name: "palette", pull: "clone", put: false }, sort: false, draggable: ".dz-new", forceFallback: true, fallbackOnBody: true, fallbackTolerance: 4, delay: 180, delayOnTouchOnly: true, fallbackClass: "dz-dragged", ghostClass: "dz-ghost", animation: 140, onStart: function () {
      began();
      document.documentElement.classList.remove("dz-sheet-palette");
    }, onEnd: function () { ended(); D.render(false); } });
  });

  palette.addEventListener("click", function (event) {
    var item = event.target.closest("[data-add]");
    if (!item) return;
    var key = D.add(item.dataset.add);
    sheet(null);
    if (event.detail === 0) focusField(key);
  });

  paletteSearch.addEventListener("input", function () {
    var text = paletteSearch.value.trim().toLowerCase();
    var any = false;
    palette.querySelectorAll(".dz-group").forEach(function (group) {
      var some = false;
      group.querySelectorAll(".dz-new").forEach(function (item) {
        var hit = !text || item.dataset.words.indexOf(text) >= 0;
        item.hidden = !hit;
        some = some || hit;
      });
      group.hidden = !some;
      any = any || some;
    });
    document.getElementById("designer-none").hidden = any;
  });
  paletteSearch.addEventListener("keydown", function (event) {
    if (event.isComposing) return;
    var shown = Array.from(palette.querySelectorAll(".dz-new:not([hidden]) [data-add]"));
    if (event.key === "Enter") { event.preventDefault(); if (shown[0] && paletteSearch.value) shown[0].click(); }
    if (event.key === "ArrowDown") { event.preventDefault(); if (shown[0]) shown[0].focus(); }
  });
  palette.addEventListener("keydown", function (event) {
    var at = event.target.closest("[data-add]");
    if (!at || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
    event.preventDefault();
    var shown = Array.from(palette.querySelectorAll(".dz-new:not([hidden]) [data-add]"));
    var next = shown[shown.indexOf(at) + (event.key === "ArrowDown" ? 1 : -1)];
    (next || paletteSearch).focus();
  });

  /* ---- sheets of the phone ---- */

  function sheet(name) {
    var root = document.documentElement.classList;
    root.toggle("dz-sheet-palette", name === "palette");
    root.toggle("dz-sheet-panel", name === "panel");
  }
  D.sheet = sheet;
  D.focusPanel = function () {
    sheet("panel");
    var first = document.querySelector("#designer-panel input, #designer-panel select, #designer-panel textarea");
    if (first && !touch()) { first.focus(); if (first.select) first.select(); }
  };
  document.addEventListener("click", function (event) {
    var opener = event.target.closest("[data-sheet]");
    if (opener) sheet(opener.dataset.sheet || null);
  });

  /* ---- clicks and keys ---- */

  canvas.addEventListener("click", function (event) {
    var tool = event.target.closest("[data-act]");
    var card = event.target.closest(".dz-card");
    if (tool && card) {
      if (tool.dataset.act === "remove") D.remove(card.dataset.key); else D.duplicate(card.dataset.key);
      return;
    }
    if (card) { D.select({ kind: "field", key: card.dataset.key }); sheet("panel"); return; }
    var section = event.target.closest("[data-pick-section]");
    if (section) {
      var at = Number(section.dataset.pickSection);
      D.select({ kind: "section", section: at });
      var again = canvas.querySelector('.dz-section-name[data-pick-section="' + at + '"]');
      if (again) again.focus({ preventScroll: true });
      sheet("panel");
    }
  });

  canvas.addEventListener("keydown", function (event) {
    var pick = event.target.closest(".dz-pick");
    if (!pick || event.isComposing) return;
    var key = pick.dataset.pickField;
    var list = cardKeys();
    var at = list.indexOf(key);
    var up = event.key === "ArrowUp";
    if (up || event.key === "ArrowDown") {
      event.preventDefault();
      if (event.altKey) step(key, up ? -1 : 1);
      else if (list[at + (up ? -1 : 1)]) focusField(list[at + (up ? -1 : 1)]);
    } else if (event.altKey && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      event.preventDefault();
      leap(key, event.key === "ArrowLeft" ? -1 : 1);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      D.remove(key);
    } else if (event.key === "Enter") {
      event.preventDefault();
      D.select({ kind: "field", key: key }, true);
    }
  });

  strip.addEventListener("click", function (event) {
    var tab = event.target.closest("[data-tab]");
    if (tab) openTab(Number(tab.dataset.tab));
  });
  function openTab(at) {
    D.tab = at;
    D.select({ kind: "tab", tab: at });
    var shown = document.getElementById("designer-tab-" + at);
    if (shown) shown.focus({ preventScroll: true });
  }
  strip.addEventListener("keydown", function (event) {
    var tab = event.target.closest("[data-tab]");
    if (!tab || (event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return;
    event.preventDefault();
    var at = Number(tab.dataset.tab);
    var to = at + (event.key === "ArrowRight" ? 1 : -1);
    if (!tabs()[to]) return;
    if (event.altKey) { D.moveTab(at, to); openTab(to); } else openTab(to);
  });

  document.addEventListener("keydown", function (event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing) return;
    var key = event.key.toLowerCase();
    if (key === "s") { event.preventDefault(); D.flush(); return; }
    if ((key !== "z" && key !== "y") || document.querySelector("dialog[open]")) return;
    /* In a text that is being typed the browser's own undo stays. */
    var at = document.activeElement;
    if (at && at.matches("input, textarea") && at.dataset.typed) return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) D.redo(); else D.undo();
  });
  document.addEventListener("input", function (event) {
    if (event.target.matches && event.target.matches("#designer-panel input[type=text], #designer-panel textarea")) event.target.dataset.typed = "1";
  });
  document.addEventListener("focusout", function (event) { if (event.target.dataset) delete event.target.dataset.typed; });

  document.addEventListener("click", function (event) {
    var verb = event.target.closest("[data-designer]");
    if (!verb) return;
    var name = verb.dataset.designer;
    if (name === "undo") D.undo();
    if (name === "redo") D.redo();
    if (name === "section") D.addSection();
    if (name === "tab") D.addTab();
    if (name === "form") { D.select({ kind: "form" }); sheet("panel"); }
    if (name === "deselect") { D.select(null); sheet(null); }
    if (name === "palette") { sheet("palette"); }
  });

  Object.assign(D, { el: el, icon: icon, fill: fill, label: label, copy: copy, post: post, say: say, change: change, field: field, place: place, isPublished: isPublished, nameOf: nameOf, iconButton: iconButton, sections: sections, tabs: tabs, freeKey: freeKey });

  /* The server drew the first inputs with the page. */
  D.start = function () {
    D.problems = data.problems || {};
    D.doc.fields.forEach(function (f) { if (data.inputs[f.key]) html[JSON.stringify(inputDoc(f))] = data.inputs[f.key]; });
    recover();
    if (data.behind) {
      tell(words.behind, [act(words.catch_up, "btn-primary", D.catchUp)]);
    } else if (data.notice) tell(data.notice, [act(words.understood, "", function () { notice.hidden = true; })]);
    D.render(true);
    var wanted = location.hash.slice(1);
    if (wanted && field(wanted)) D.goTo(wanted);
  };
  document.addEventListener("DOMContentLoaded", D.start);
})();
