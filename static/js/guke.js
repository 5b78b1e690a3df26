/* The shell: CSRF for htmx, progress line, toasts, menus, dialogs, rail, command palette. Event delegation only, so
   that what htmx swaps in works without being set up. Offers window.guke: toast, word, csrf, busy. */
(function () {
  "use strict";

  var root = document.documentElement;
  var words = JSON.parse((document.getElementById("guke-words") || {}).textContent || "{}");

  function csrf() {
    var meta = document.querySelector('meta[name="csrf-token"]');
    return meta ? meta.content : "";
  }

  function store(name, value) {
    try {
      if (value === undefined) return localStorage.getItem(name);
      localStorage.setItem(name, value);
    } catch (error) { /* storage may be switched off */ }
    return null;
  }

  /* ---- progress line ---- */

  var line = document.getElementById("progress-line");
  var running = 0;
  var timer = 0;

  function busy(on) {
    running = Math.max(0, running + (on ? 1 : -1));
    clearTimeout(timer);
    if (!line) return;
    if (running) {
      timer = setTimeout(function () { line.className = "on"; }, 100);
    } else if (line.className === "on") {
      line.className = "off";
    }
  }

  /* ---- toasts ---- */

  function toast(message, options) {
    var box = document.getElementById("toasts");
    if (!box) return;
    var last = box.lastElementChild;
    if (last && last.firstElementChild.textContent === message) last.remove();
    var note = document.createElement("div");
    note.className = "toast-note";
    note.dataset.kind = (options && options.kind) || "success";
    var text = document.createElement("span");
    text.textContent = message;
    note.append(text);
    if (options && options.undo) {
      var undo = document.createElement("button");
      undo.type = "button";
      undo.textContent = words.undo;
      undo.addEventListener("click", function () {
        note.remove();
        window.htmx.ajax("POST", options.undo, { swap: "none" });
      });
      note.append(undo);
    }
    box.append(note);
    live(note);
    raise(box);
    while (box.children.length > 4) box.firstElementChild.remove();
  }

  /* Above an open dialog too: the box goes to the top layer, last of all. */
  function raise(box) {
    if (!box.showPopover) return;
    box.setAttribute("popover", "manual");
    if (box.matches(":popover-open")) box.hidePopover();
    box.showPopover();
  }

  /* A notice goes by itself, but not while it is read, and an error stays until it is closed. */
  function live(note) {
    var close = document.createElement("button");
    close.type = "button";
    close.className = "toast-x";
    close.textContent = words.close;
    close.addEventListener("click", function () { note.remove(); });
    note.append(close);
    if (note.dataset.kind === "error") return;
    var left = setTimeout(gone, 6000);
    function gone() { note.remove(); }
    note.addEventListener("pointerenter", function () { clearTimeout(left); });
    note.addEventListener("focusin", function () { clearTimeout(left); });
    note.addEventListener("pointerleave", function () { left = setTimeout(gone, 3000); });
  }

  document.querySelectorAll("#toasts .toast-note").forEach(live);
  document.addEventListener("guke:toast", function (event) {
    toast(event.detail.message, event.detail);
  });

  /* ---- htmx ---- */

  document.addEventListener("htmx:configRequest", function (event) {
    event.detail.headers["X-CSRF-Token"] = csrf();
  });
  document.addEventListener("htmx:beforeRequest", function (event) {
    event.detail.xhr.gukeQuiet = !!event.detail.elt.closest("[data-quiet]");
    if (!event.detail.xhr.gukeQuiet) busy(true);
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    if (!event.detail.xhr.gukeQuiet) busy(false);
  });
  document.addEventListener("htmx:sendError", function (event) {
    if (!event.detail.xhr.gukeQuiet) toast(words.offline, { kind: "error" });
  });
  document.addEventListener("htmx:responseError", function (event) {
    var xhr = event.detail.xhr;
    if (!xhr.getResponseHeader("HX-Trigger") && !xhr.getResponseHeader("HX-Redirect")) toast(words.failed, { kind: "error" });
  });

  /* Focus follows a swap: the same id or name, else what asks for it, else the first error. */
  var focused = null;
  document.addEventListener("htmx:beforeSwap", function (event) {
    var at = document.activeElement;
    focused = at && event.detail.target && event.detail.target.contains(at) ? { id: at.id, name: at.name } : null;
  });
  document.addEventListener("htmx:afterSettle", function (event) {
    var target = event.detail.target;
    if (!target || !target.querySelector) return;
    var wanted = target.querySelector('[aria-invalid="true"], [data-focus]');
    if (!wanted && focused && (!document.activeElement || document.activeElement === document.body)) {
      if (focused.id) wanted = document.getElementById(focused.id);
      if (!wanted && focused.name) wanted = target.querySelector('[name="' + CSS.escape(focused.name) + '"]');
    }
    if (wanted) wanted.focus({ preventScroll: true });
    focused = null;
  });

  /* ---- whole pages: the line runs, a form is sent once ---- */

  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.pathname === location.pathname && link.search === location.search && link.hash) return;
    busy(true);
    setTimeout(function () { busy(false); }, 8000);
  });
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (event.defaultPrevented || form.hasAttribute("hx-post") || form.method === "dialog") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    busy(true);
    setTimeout(function () { delete form.dataset.sent; busy(false); }, 5000);
  });
  window.addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    running = 0;
    if (line) line.className = "";
    document.querySelectorAll("form[data-sent]").forEach(function (form) { delete form.dataset.sent; });
  });

  /* What was typed and not saved is not lost by a wrong click. */
  document.addEventListener("input", function (event) {
    var form = event.target.closest("form[data-guard]");
    if (form) form.dataset.dirty = "1";
  });
  document.addEventListener("submit", function (event) { delete event.target.dataset.dirty; });
  window.addEventListener("beforeunload", function (event) {
    if (document.querySelector("form[data-dirty]")) event.preventDefault();
  });

  /* ---- menus, dialogs, small helpers ---- */

  function closeMenus(except) {
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(except)) menu.open = false;
    });
  }

  document.addEventListener("click", function (event) {
    var target = event.target;
    closeMenus(target);
    var item = target.closest(".menu-item");
    if (item && item.closest("details.menu")) item.closest("details.menu").open = false;

    var opener = target.closest("[data-dialog]");
    if (opener) {
      var dialog = document.getElementById(opener.dataset.dialog);
      if (dialog && !dialog.open) dialog.showModal();
      if (dialog && dialog.id === "palette") openedPalette();
    }
    var closer = target.closest("[data-close]");
    if (closer && closer.closest("dialog")) closer.closest("dialog").close();
    if (target.nodeName === "DIALOG" && outside(target, event) && !target.querySelector("form[data-dirty]")) target.close();
    if (target.closest("[data-back]")) history.length > 1 ? history.back() : location.assign("/");

    var copier = target.closest("[data-copy]");
    if (copier) copy(copier.dataset.copy);
    var reveal = target.closest("[data-reveal]");
    if (reveal) {
      var input = document.getElementById(reveal.dataset.reveal);
      input.type = input.type === "password" ? "text" : "password";
      reveal.setAttribute("aria-pressed", input.type === "text");
    }
  });

  function outside(dialog, event) {
    var box = dialog.getBoundingClientRect();
    return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
  }

  function copy(text) {
    /* The clipboard API needs TLS; the company's LAN often has none. */
    var done = function () { toast(words.copied); };
    if (navigator.clipboard) { navigator.clipboard.writeText(text).then(done); return; }
    var area = document.createElement("textarea");
    area.value = text;
    (document.querySelector("dialog[open]") || document.body).append(area);
    area.select();
    if (document.execCommand("copy")) done();
    area.remove();
  }

  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") {
      var open = document.querySelector("details.menu[open]");
      if (open) { open.open = false; open.querySelector("summary").focus(); }
      moreRail(false);
    }
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      var palette = document.getElementById("palette");
      if (!palette) return;
      event.preventDefault();
      if (!palette.open) { palette.showModal(); openedPalette(); }
    }
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.closest("details.menu[open]")) {
      var menu = event.target.closest("details.menu[open]");
      var all = Array.from(menu.querySelectorAll(".menu-list a, .menu-list button"));
      var next = all.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      if (all.length) { event.preventDefault(); all[(next + all.length) % all.length].focus(); }
    }
  });

  /* A dialog whose form came back with errors opens by itself. */
  document.querySelectorAll("dialog [data-open]").forEach(function (form) { form.closest("dialog").showModal(); });

  /* ---- rail ---- */

  var rail = document.getElementById("rail");
  var toggle = document.getElementById("rail-toggle");
  var more = document.getElementById("tab-more");

  function moreRail(open) {
    root.classList.toggle("rail-open", open);
    if (more) more.setAttribute("aria-expanded", open);
  }

  if (rail) {
    var scroller = rail.firstElementChild;
    try { scroller.scrollTop = Number(sessionStorage.getItem("guke.rail.top")) || 0; } catch (error) { /* no storage */ }
    var here = rail.querySelector("[aria-current]");
    if (here) here.scrollIntoView({ block: "nearest" });
    window.addEventListener("pagehide", function () {
      try { sessionStorage.setItem("guke.rail.top", scroller.scrollTop); } catch (error) { /* no storage */ }
    });
    toggle.setAttribute("aria-expanded", !root.classList.contains("rail-slim"));
    toggle.addEventListener("click", function () {
      var slim = root.classList.toggle("rail-slim");
      toggle.setAttribute("aria-expanded", !slim);
      store("guke.rail", slim ? "slim" : "wide");
    });
    rail.querySelectorAll("details").forEach(function (fold) {
      fold.addEventListener("toggle", function () {
        document.cookie = fold.id.replace("-", "_").replace(/^/, "guke_") + "=" + (fold.open ? "open" : "") + ";path=/;max-age=31536000;samesite=lax";
      });
    });
    more.addEventListener("click", function () { moreRail(!root.classList.contains("rail-open")); });
    document.getElementById("rail-shade").addEventListener("click", function () { moreRail(false); });
  }

  /* ---- palette ---- */

  function openedPalette() {
    var input = document.getElementById("palette-input");
    input.value = "";
    input.focus();
    window.htmx.trigger(input, "guke:open");
  }

  function choose(step) {
    var items = Array.from(document.querySelectorAll("#palette-results [role=option]"));
    if (!items.length) return;
    var at = items.findIndex(function (item) { return item.getAttribute("aria-selected") === "true"; });
    var next = items[(at + step + items.length) % items.length];
    items.forEach(function (item) { item.setAttribute("aria-selected", item === next); });
    next.scrollIntoView({ block: "nearest" });
    document.getElementById("palette-input").setAttribute("aria-activedescendant", next.id);
  }

  var paletteInput = document.getElementById("palette-input");
  if (paletteInput) {
    paletteInput.addEventListener("keydown", function (event) {
      if (event.isComposing) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        choose(event.key === "ArrowDown" ? 1 : -1);
      } else if (event.key === "Enter") {
        event.preventDefault();
        var chosen = document.querySelector('#palette-results [aria-selected="true"]');
        if (chosen) chosen.click();
      }
    });
  }

  window.guke = { toast: toast, word: function (key) { return words[key] || key; }, csrf: csrf, busy: busy, copy: copy };
})();
