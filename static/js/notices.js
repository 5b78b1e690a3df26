/* The bell: how many notices wait, asked once a minute while the page is looked at. */
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

  function ask() {
    var bell = document.getElementById("bell");
    if (!bell || document.hidden || Date.now() - asked < EVERY - 1000) return;
    asked = Date.now();
    fetch(bell.dataset.countUrl, { headers: { Accept: "application/json", "X-Poll": "1" }, credentials: "same-origin", redirect: "manual" })
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .then(function (found) { if (found) show(bell, found.waiting); })
      .catch(function () { /* the server is away: the next minute tells */ });
  }

  setInterval(ask, EVERY);
  document.addEventListener("visibilitychange", ask);
})();
