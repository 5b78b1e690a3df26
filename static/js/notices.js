/* The bell: how many notices wait, asked once a minute while the page is looked at; all the time where the person lets the
   browser show notices, which then tells of the newest one. */
(function () {
  "use strict";

  var EVERY = 60000;
  var asked = Date.now();

  function show(bell, count) {
    var dot = bell.querySelector(".dot");
    dot.hidden = !count;
    dot.textContent = count < 100 ? count : "99+";
    bell.setAttribute("aria-label", count ? bell.dataset.wordsWaiting.replace("#", count) : bell.dataset.words);
  }

  function granted() {
    return "Notification" in window && Notification.permission === "granted";
  }

  /* Of several windows the first one shows it; what was there before is not news. */
  function tell(latest) {
    var known = localStorage.getItem("guke-told");
    if (!latest || Number(known) >= latest.id) return;
    localStorage.setItem("guke-told", latest.id);
    if (known === null || !document.hidden) return;
    var note = new Notification(document.title.split(" · ").pop(), { body: latest.text, tag: "guke-" + latest.id });
    note.addEventListener("click", function () {
      window.focus();
      location.assign(latest.url);
    });
  }

  function ask() {
    var bell = document.getElementById("bell");
    if (!bell || (document.hidden && !granted()) || Date.now() - asked < EVERY - 1000) return;
    asked = Date.now();
    fetch(bell.dataset.countUrl + (granted() ? "?latest=1" : ""), { headers: { Accept: "application/json", "X-Poll": "1" }, credentials: "same-origin", redirect: "manual" })
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .then(function (found) { if (found) { show(bell, found.waiting); if (granted()) tell(found.latest); } })
      .catch(function () { /* the server is away: the next minute tells */ });
  }

  /* The button that asks the browser for leave. */
  var button = document.getElementById("allow-notices");
  function state() {
    var said = document.getElementById("allow-notices-state");
    if (!button || !said || !("Notification" in window)) return;
    button.hidden = Notification.permission !== "default";
    said.textContent = granted() ? button.dataset.on : Notification.permission === "denied" ? button.dataset.off : "";
  }
  if (button) button.addEventListener("click", function () { Notification.requestPermission().then(state); });
  state();

  setInterval(ask, EVERY);
  document.addEventListener("visibilitychange", ask);
})();
