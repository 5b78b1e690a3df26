/* A cascading choice: a select a level; the text input beneath holds the path and is what is sent. */
(function () {
  "use strict";

  function start(box) {
    if (box.dataset.ready) return;
    box.dataset.ready = "1";
    var tree = JSON.parse(box.dataset.cascade), words = JSON.parse(box.dataset.words);
    var input = box.querySelector("input");
    var parts = box.dataset.value ? box.dataset.value.split("/") : [];
    if (!parts.length && input.value) parts = find(tree, input.value);
    if (parts === null) return; /* What was typed is in no list: it stays to be corrected as text. */
    var row = document.createElement("div");
    row.className = "cascade-levels";
    var id = input.id;
    input.type = "hidden";
    input.removeAttribute("id");
    box.append(row);
    draw();

    function draw() {
      row.replaceChildren();
      var path = "";
      for (var level = 0; level <= parts.length; level++) {
        var options = tree[path];
        if (!options) break;
        row.append(select(level, options, parts[level] || ""));
        path = parts[level] === undefined ? path : path ? path + "/" + parts[level] : parts[level];
        if (parts[level] === undefined) break;
      }
      row.firstChild.id = id;
    }

    function select(level, options, chosen) {
      var node = document.createElement("select");
      node.className = "form-select" + (input.getAttribute("aria-invalid") ? " is-invalid" : "");
      node.setAttribute("aria-label", words.label + " · " + words.level.replace("%(n)s", level + 1));
      ["aria-invalid", "aria-describedby"].forEach(function (name) { if (input.hasAttribute(name)) node.setAttribute(name, input.getAttribute(name)); });
      node.append(new Option(level ? words.choose : "", ""));
      options.forEach(function (pair) { node.append(new Option(pair[1], pair[0], false, pair[0] === chosen)); });
      node.addEventListener("change", function () {
        parts = parts.slice(0, level);
        if (node.value) parts.push(node.value);
        input.value = parts.join("/");
        draw();
        if (row.children[level]) row.children[level].focus();
        input.dispatchEvent(new Event("input", { bubbles: true }));
        input.dispatchEvent(new Event("change", { bubbles: true }));
      });
      return node;
    }
  }

  /* The values of a path written with labels; null when there is none. */
  function find(tree, text) {
    var path = "", out = [];
    var known = text.split("/").every(function (name) {
      var wanted = name.trim();
      var hit = (tree[path] || []).find(function (pair) { return pair[0] === wanted || pair[1] === wanted; });
      if (!hit) return false;
      out.push(hit[0]);
      path = path ? path + "/" + hit[0] : hit[0];
      return true;
    });
    return known ? out : null;
  }

  function all(root) { root.querySelectorAll("[data-cascade]").forEach(start); if (root.matches && root.matches("[data-cascade]")) start(root); }
  document.addEventListener("htmx:load", function (event) { all(event.detail.elt); });
  if (document.readyState !== "loading") all(document); else document.addEventListener("DOMContentLoaded", function () { all(document); });
})();
