/* Runs before the first paint: light or dark, and the width of the rail, so that nothing flashes. */
(function () {
  "use strict";
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function apply() {
    var chosen = root.dataset.theme;
    root.dataset.bsTheme = chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light";
  }
  apply();
  dark.addEventListener("change", function () {
    apply();
    document.dispatchEvent(new CustomEvent("guke:theme"));
  });
  try {
    if (localStorage.getItem("guke.rail") === "slim") root.classList.add("rail-slim");
  } catch (error) { /* storage may be switched off */ }
})();
