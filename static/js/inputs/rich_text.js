/* The editor of rich text: an editable area over the textarea, which holds the HTML and is what is sent. The server
   sanitises whatever arrives; what is pasted or comes from the textarea is stripped here as well before it is shown. */
(function () {
  "use strict";

  var KEEP = { P: 1, BR: 1, STRONG: 1, EM: 1, U: 1, S: 1, H2: 1, H3: 1, H4: 1, UL: 1, OL: 1, LI: 1, BLOCKQUOTE: 1, PRE: 1, CODE: 1, A: 1, HR: 1 };
  var AS = { B: "STRONG", I: "EM", STRIKE: "S", DEL: "S", DIV: "P", H1: "H2", H5: "H4", H6: "H4" };
  var DROP = { SCRIPT: 1, STYLE: 1, TEMPLATE: 1, IFRAME: 1, OBJECT: 1, SVG: 1, MATH: 1, TITLE: 1, HEAD: 1, META: 1, LINK: 1 };
  var TAG = /<([a-z][a-z0-9:-]*)((?:\s+[^\s=>"']+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']*))?)*)\s*\/?>/gi;
  var HREF = /\shref\s*=\s*("[^"]*"|'[^']*')/i;
  var SAFE = /^(https?:|mailto:|tel:)/i;
  var TOOLS = [
    ["bold", "B", "bold"], ["italic", "I", "italic"], ["underline", "U", "underline"],
    ["heading", "H", null], ["bullets", "•", "insertUnorderedList"], ["numbers", "1.", "insertOrderedList"],
    ["quote", "❝", null], ["link", "🔗", null], ["plain", "⌫", null],
  ];
  var ICONS = {
    bold: "M7 5h6a3.5 3.5 0 0 1 0 7H7zM13 12h1a3.5 3.5 0 0 1 0 7H7v-7", italic: "M11 5h6M7 19h6M14 5l-4 14", underline: "M7 5v5a5 5 0 0 0 10 0V5M5 19h14",
    heading: "M7 5v14M17 5v14M7 12h10", bullets: "M9 6h11M9 12h11M9 18h11M5 6v.01M5 12v.01M5 18v.01", numbers: "M11 6h9M11 12h9M12 18h8M4 16a2 2 0 1 1 4 0c0 .6-.5 1-1 1.5L4 20h4M6 10V4L4 6",
    quote: "M10 11H6a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1h3a1 1 0 0 1 1 1v6c0 2.7-1.3 4.3-4 5M19 11h-4a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1h3a1 1 0 0 1 1 1v6c0 2.7-1.3 4.3-4 5",
    link: "M9 15l6-6M11 6l.5-.5a5 5 0 0 1 7 7l-.5.5M13 18l-.4.5a5 5 0 0 1-7.1-7.1L6 11", plain: "M17 15l4 4m0-4l-4 4M7 6V5h11v1M7 19h4M13 5L9 19",
  };

  function clean(markup) {
    /* What stands in a template is never run or loaded; attributes but href go first, so that the browser need not block them. */
    var given = document.createElement("template");
    given.innerHTML = markup.replace(TAG, function (tag, name, attributes) {
      var href = /^a$/i.test(name) && HREF.exec(attributes);
      return "<" + name + (href ? " href=" + href[1] : "") + ">";
    });
    var out = document.createDocumentFragment();
    copy(given.content, out);
    return out;
  }

  function copy(from, to) {
    from.childNodes.forEach(function (node) {
      if (node.nodeType === Node.TEXT_NODE) { to.append(node.textContent); return; }
      if (node.nodeType !== Node.ELEMENT_NODE || DROP[node.tagName.toUpperCase()]) return;
      var name = AS[node.tagName] || node.tagName;
      if (!KEEP[name] || (name === "P" && (to.nodeName === "P" || to.nodeName === "LI"))) { copy(node, to); return; }
      var made = document.createElement(name);
      if (name === "A") {
        var href = node.getAttribute("href") || "";
        if (!SAFE.test(href)) { copy(node, to); return; }
        made.setAttribute("href", href);
      }
      copy(node, made);
      to.append(made);
    });
  }

  function icon(name) {
    var svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("class", "rich-icon");
    svg.setAttribute("aria-hidden", "true");
    var path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
  }

  function start(box) {
    if (box.dataset.ready) return;
    box.dataset.ready = "1";
    var words = JSON.parse(box.dataset.words);
    var area = box.querySelector("textarea");
    var page = document.createElement("div");
    page.className = "rich rich-page";
    page.contentEditable = "true";
    page.setAttribute("role", "textbox");
    page.setAttribute("aria-multiline", "true");
    page.setAttribute("aria-label", words.label);
    ["aria-invalid", "aria-describedby"].forEach(function (name) { if (area.hasAttribute(name)) page.setAttribute(name, area.getAttribute(name)); });
    if (area.placeholder) page.dataset.placeholder = area.placeholder;
    page.append(clean(area.value));
    if (!page.firstChild) startParagraph();
    page.id = area.id;
    area.removeAttribute("id");
    area.hidden = true;

    var bar = document.createElement("div");
    bar.className = "rich-bar";
    bar.setAttribute("role", "toolbar");
    bar.setAttribute("aria-label", words.tools);
    var buttons = {};
    TOOLS.forEach(function (tool, n) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "icon-btn";
      button.title = words[tool[0]];
      button.setAttribute("aria-label", words[tool[0]]);
      button.tabIndex = n ? -1 : 0;
      button.append(icon(tool[0]));
      /* The selection in the text stays while a button is pressed. */
      button.addEventListener("mousedown", function (event) { event.preventDefault(); });
      button.addEventListener("click", function () { press(tool); });
      buttons[tool[0]] = button;
      bar.append(button);
    });
    bar.addEventListener("keydown", function (event) {
      var step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      var list = Array.from(bar.children);
      var next = list[(list.indexOf(document.activeElement) + step + list.length) % list.length];
      list.forEach(function (one) { one.tabIndex = one === next ? 0 : -1; });
      next.focus();
      event.preventDefault();
    });

    var asking = document.createElement("div");
    asking.className = "rich-link";
    asking.hidden = true;
    var address = document.createElement("input");
    address.className = "form-control";
    address.type = "text";
    address.inputMode = "url";
    address.placeholder = "https://";
    address.setAttribute("aria-label", words.address);
    var insert = plainButton(words.insert, true), unlink = plainButton(words.unlink, false);
    asking.append(address, insert, unlink);
    box.append(bar, asking, page);

    var kept = null;

    function plainButton(text, main) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn-sm" + (main ? " btn-primary" : "");
      button.textContent = text;
      return button;
    }

    function inside(tag) {
      var selection = document.getSelection();
      var node = selection.rangeCount ? selection.anchorNode : null;
      while (node && node !== page) {
        if (node.nodeName === tag) return node;
        node = node.parentNode;
      }
      return null;
    }

    function run(command, value) {
      page.focus();
      document.execCommand("styleWithCSS", false, false);
      document.execCommand(command, false, value);
      tell();
    }

    function press(tool) {
      if (tool[2]) run(tool[2]);
      else if (tool[0] === "heading") run("formatBlock", inside("H3") ? "P" : "H3");
      else if (tool[0] === "quote") run("formatBlock", inside("BLOCKQUOTE") ? "P" : "BLOCKQUOTE");
      else if (tool[0] === "plain") { run("removeFormat"); run("formatBlock", "P"); }
      else askLink();
    }

    function askLink() {
      var selection = document.getSelection();
      var old = inside("A");
      kept = selection.rangeCount && page.contains(selection.anchorNode) ? selection.getRangeAt(0).cloneRange() : null;
      if (old) { kept = document.createRange(); kept.selectNodeContents(old); }
      asking.hidden = !asking.hidden;
      address.value = old ? old.getAttribute("href") : "";
      unlink.hidden = !old;
      if (!asking.hidden) address.focus();
    }

    function restore() {
      asking.hidden = true;
      page.focus();
      if (!kept) return;
      var selection = document.getSelection();
      selection.removeAllRanges();
      selection.addRange(kept);
    }

    function setLink() {
      var url = address.value.trim();
      if (url && !SAFE.test(url)) url = /^[^\s@]+@[^\s@]+$/.test(url) ? "mailto:" + url : "https://" + url;
      restore();
      if (!url) return;
      if (!kept || kept.collapsed) {
        var made = document.createElement("a");
        made.href = url;
        made.textContent = url;
        run("insertHTML", made.outerHTML);
      } else run("createLink", url);
    }

    insert.addEventListener("click", setLink);
    unlink.addEventListener("click", function () { restore(); run("unlink"); });
    asking.addEventListener("keydown", function (event) {
      if (event.key === "Enter" && !event.isComposing) { event.preventDefault(); setLink(); }
      else if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); restore(); }
    });

    function tell() {
      var markup = page.textContent.trim() ? page.innerHTML : "";
      if (markup === area.value) return;
      area.value = markup;
      area.dispatchEvent(new Event("input", { bubbles: true }));
      area.dispatchEvent(new Event("change", { bubbles: true }));
    }

    function mark() {
      if (!page.contains(document.getSelection().anchorNode)) return;
      var on = {
        bold: document.queryCommandState("bold"), italic: document.queryCommandState("italic"), underline: document.queryCommandState("underline"),
        bullets: !!inside("UL"), numbers: !!inside("OL"), heading: !!inside("H3"), quote: !!inside("BLOCKQUOTE"), link: !!inside("A"),
      };
      Object.keys(on).forEach(function (name) { buttons[name].setAttribute("aria-pressed", on[name] ? "true" : "false"); });
    }

    /* What is typed into an empty area stands in a paragraph. */
    function startParagraph() {
      var first = document.createElement("p");
      first.append(document.createElement("br"));
      page.replaceChildren(first);
    }

    page.addEventListener("input", function () {
      if (!page.firstChild || (page.childNodes.length === 1 && page.firstChild.nodeName === "BR")) startParagraph();
      tell();
    });
    function showEmpty() { page.classList.toggle("is-empty", !page.textContent && !page.querySelector("li, hr, blockquote, h2, h3, h4")); }
    page.addEventListener("input", showEmpty);
    showEmpty();

    page.addEventListener("focus", function () { document.execCommand("defaultParagraphSeparator", false, "p"); });
    document.addEventListener("selectionchange", mark);
    page.addEventListener("paste", function (event) {
      var data = event.clipboardData;
      var markup = data.getData("text/html");
      event.preventDefault();
      if (!markup) { document.execCommand("insertText", false, data.getData("text/plain")); return; }
      var holder = document.createElement("div");
      holder.append(clean(markup));
      document.execCommand("insertHTML", false, holder.innerHTML);
    });
    /* A link in the text is edited, not followed. */
    page.addEventListener("click", function (event) { if (event.target.closest("a")) event.preventDefault(); });
  }

  function all(root) { root.querySelectorAll("[data-rich]").forEach(start); if (root.matches && root.matches("[data-rich]")) start(root); }
  document.addEventListener("htmx:load", function (event) { all(event.detail.elt); });
  if (document.readyState !== "loading") all(document); else document.addEventListener("DOMContentLoaded", function () { all(document); });
})();
