/* Search-as-you-type choice of a record. guke.picker(box, options) makes one; inputs rendered as .picker work by themselves. */
(function () {
  "use strict";

  function fetchJson(url) {
    return fetch(url, { headers: { Accept: "application/json", "X-Requested-With": "fetch" }, credentials: "same-origin" })
      .then(function (answer) { return answer.ok ? answer.json() : []; });
  }

  function state(box) {
    if (!box.guke) {
      box.guke = {
        input: box.querySelector("[role=combobox]"), hidden: box.querySelector("input[type=hidden]"),
        list: box.querySelector("[role=listbox]"), clear: box.querySelector(".picker-clear"), asked: 0, timer: 0,
      };
      box.guke.shown = box.guke.input.value;
    }
    return box.guke;
  }

  function close(box) {
    var s = state(box);
    s.asked += 1;
    s.list.hidden = true;
    s.input.setAttribute("aria-expanded", "false");
    s.input.removeAttribute("aria-activedescendant");
  }

  function set(box, id, title) {
    var s = state(box);
    s.hidden.value = id;
    s.input.value = s.shown = title;
    s.clear.hidden = !id;
    close(box);
    s.hidden.dispatchEvent(new Event("input", { bubbles: true }));
    s.hidden.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function show(box, hits) {
    var s = state(box);
    var group = "";
    var shown = [];
    hits.forEach(function (hit, index) {
      if (hit.group && hit.group !== group) {
        var head = document.createElement("span");
        head.className = "picker-group";
        head.textContent = group = hit.group;
        shown.push(head);
      }
      shown.push(choice(hit, index));
    });
    s.list.replaceChildren.apply(s.list, shown);
    function choice(hit, index) {
      var option = document.createElement("span");
      option.setAttribute("role", "option");
      option.id = s.list.id + "-" + index;
      option.dataset.id = hit.id;
      option.dataset.title = hit.title;
      option.setAttribute("aria-selected", "false");
      var title = document.createElement("span");
      title.textContent = hit.title;
      option.append(title);
      if (hit.hint) {
        var hint = document.createElement("small");
        hint.textContent = hit.hint;
        option.append(hint);
      }
      return option;
    }
    if (!hits.length) {
      var none = document.createElement("span");
      none.className = "picker-none";
      none.textContent = window.guke.word("nothing");
      s.list.append(none);
    }
    s.list.hidden = false;
    s.input.setAttribute("aria-expanded", "true");
  }

  function ask(box) {
    var s = state(box);
    var mine = ++s.asked;
    var text = s.input.value === s.shown ? "" : s.input.value;
    fetchJson(box.dataset.pick + "?q=" + encodeURIComponent(text)).then(function (hits) {
      if (mine === s.asked && document.activeElement === s.input) show(box, hits);
    }, function () { window.guke.toast(window.guke.word("offline"), { kind: "error" }); });
  }

  function move(box, step) {
    var s = state(box);
    var all = Array.from(s.list.querySelectorAll("[role=option]"));
    if (s.list.hidden) { ask(box); return; }
    if (!all.length) return;
    var at = all.findIndex(function (o) { return o.getAttribute("aria-selected") === "true"; });
    var next = all[(at + step + all.length) % all.length];
    all.forEach(function (o) { o.setAttribute("aria-selected", o === next); });
    s.input.setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("input", function (event) {
    var box = event.target.closest(".picker");
    if (!box || event.target.type === "hidden") return;
    var s = state(box);
    clearTimeout(s.timer);
    s.timer = setTimeout(function () { ask(box); }, 150);
    if (!s.input.value) set(box, "", "");
  });
  document.addEventListener("focusin", function (event) {
    var box = event.target.closest(".picker");
    if (box && event.target.getAttribute("role") === "combobox") {
      state(box);
      event.target.select();
    }
  });
  document.addEventListener("focusout", function (event) {
    var box = event.target.closest(".picker");
    if (!box || box.contains(event.relatedTarget)) return;
    var s = state(box);
    /* What was typed and not chosen is no choice. */
    if (s.input.value !== s.shown) s.input.value = s.shown;
    close(box);
  });
  document.addEventListener("keydown", function (event) {
    var box = event.target.closest(".picker");
    if (!box || event.isComposing) return;
    var s = state(box);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(box, event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && !s.list.hidden) {
      event.preventDefault();
      var chosen = s.list.querySelector('[aria-selected="true"]') || s.list.querySelector("[role=option]");
      if (chosen) set(box, chosen.dataset.id, chosen.dataset.title);
    } else if (event.key === "Escape" && !s.list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close(box);
    }
  }, true);
  document.addEventListener("pointerdown", function (event) {
    var option = event.target.closest(".picker [role=option]");
    if (!option) {
      var input = event.target.closest(".picker [role=combobox]");
      if (input) { var owner = input.closest(".picker"); if (state(owner).list.hidden) ask(owner); }
      return;
    }
    event.preventDefault();
    set(option.closest(".picker"), option.dataset.id, option.dataset.title);
  });
  document.addEventListener("click", function (event) {
    var clear = event.target.closest(".picker-clear");
    if (!clear) return;
    var box = clear.closest(".picker");
    set(box, "", "");
    state(box).input.focus();
  });

  var serial = 0;

  /* A picker made by a script. options: {url, value, placeholder, label, onchange(id, title)} */
  window.guke.picker = function (options) {
    var id = "pick-" + (++serial);
    var box = document.createElement("span");
    box.className = "picker";
    box.dataset.pick = options.url;
    var hidden = document.createElement("input");
    hidden.type = "hidden";
    hidden.value = options.value || "";
    var input = document.createElement("input");
    input.className = "form-control";
    input.type = "text";
    input.autocomplete = "off";
    input.placeholder = options.placeholder || "";
    [["role", "combobox"], ["aria-expanded", "false"], ["aria-autocomplete", "list"], ["aria-controls", id], ["aria-label", options.label || ""]]
      .forEach(function (pair) { input.setAttribute(pair[0], pair[1]); });
    var clear = document.createElement("button");
    clear.type = "button";
    clear.className = "icon-btn picker-clear";
    clear.textContent = "×";
    clear.setAttribute("aria-label", window.guke.word("close"));
    clear.hidden = !options.value;
    var list = document.createElement("span");
    list.className = "picker-options";
    list.id = id;
    list.setAttribute("role", "listbox");
    list.hidden = true;
    box.append(hidden, input, clear, list);
    hidden.addEventListener("change", function () { options.onchange(hidden.value, input.value); });
    if (options.value) {
      input.value = "#" + options.value;
      fetchJson(options.url + "?id=" + encodeURIComponent(options.value)).then(function (hits) {
        if (hits.length) input.value = state(box).shown = hits[0].title;
      });
    }
    return box;
  };
})();
