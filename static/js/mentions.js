/* "@" in a text: people to choose from. Works for every textarea with data-mentions (the URL that finds people). */
(function () {
  "use strict";

  var box = null;
  var area = null;
  var asked = 0;
  var timer = 0;

  function word() {
    var before = area.value.slice(0, area.selectionStart);
    var found = /(?:^|[^a-z0-9])@([^\s@]{0,20})$/i.exec(before);
    return found ? found[1] : null;
  }

  function close() {
    asked += 1;
    if (box) box.remove();
    box = null;
    if (area) area.removeAttribute("aria-activedescendant");
  }

  function mark(step) {
    var options = Array.prototype.slice.call(box.children);
    var now = options.findIndex(function (option) { return option.getAttribute("aria-selected") === "true"; });
    var next = (now + step + options.length) % options.length;
    options.forEach(function (option, index) { option.setAttribute("aria-selected", index === next ? "true" : "false"); });
    area.setAttribute("aria-activedescendant", options[next].id);
  }

  function take(option) {
    var typed = word();
    if (typed === null) { close(); return; }
    var at = area.selectionStart;
    area.setRangeText(option.dataset.token + " ", at - typed.length, at, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
    close();
    area.focus();
  }

  function show(people) {
    if (box) box.remove();
    box = null;
    if (!people.length) return;
    box = document.createElement("div");
    box.className = "mention-options";
    box.setAttribute("role", "listbox");
    people.forEach(function (person, index) {
      var option = document.createElement("div");
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", index ? "false" : "true");
      option.id = "mention-" + index;
      option.dataset.token = person.token;
      option.textContent = person.name;
      var login = document.createElement("small");
      login.textContent = person.login;
      option.append(login);
      box.append(option);
    });
    area.insertAdjacentElement("afterend", box);
    area.setAttribute("aria-activedescendant", "mention-0");
  }

  document.addEventListener("input", function (event) {
    if (!event.target.matches || !event.target.matches("textarea[data-mentions]")) return;
    area = event.target;
    var typed = word();
    clearTimeout(timer);
    if (typed === null) { close(); return; }
    var mine = asked += 1;
    timer = setTimeout(function () {
      fetch(area.dataset.mentions + "?q=" + encodeURIComponent(typed), { headers: { Accept: "application/json" }, credentials: "same-origin" })
        .then(function (answer) { return answer.ok ? answer.json() : []; })
        .then(function (people) { if (mine === asked) show(people); })
        .catch(close);
    }, 120);
  });

  document.addEventListener("keydown", function (event) {
    if (!box || event.target !== area) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") mark(event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter" || event.key === "Tab") take(box.querySelector('[aria-selected="true"]'));
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  document.addEventListener("mousedown", function (event) {
    var option = box && event.target.closest && event.target.closest(".mention-options > [role=option]");
    if (option) { event.preventDefault(); take(option); }
    else if (box && event.target !== area) close();
  });
})();
