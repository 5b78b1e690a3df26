/* The page of possible duplicates by keyboard: J and K go from pair to pair, the other letters are those of its buttons. */
(function () {
  "use strict";

  function pairs() { return Array.prototype.slice.call(document.querySelectorAll("[data-pair]")); }

  function current() {
    var at = document.activeElement;
    return at && at.closest("[data-pair]");
  }

  function go(step) {
    var all = pairs();
    var at = all.indexOf(current());
    var next = all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + step))];
    if (!next) return;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input, textarea, select, dialog, [contenteditable]")) return;
    var key = event.key.toLowerCase();
    if (key === "j" || key === "k") { event.preventDefault(); go(key === "j" ? 1 : -1); return; }
    var pair = current() || pairs()[0];
    var button = pair && pair.querySelector('[data-key="' + (/^[a-z]$/.test(key) ? key : "") + '"]');
    if (!button) return;
    event.preventDefault();
    working = true;
    button.click();
  });

  /* After a decision by keyboard the next pair has the focus. */
  var working = false;
  document.addEventListener("htmx:afterSettle", function (event) {
    if (!working || event.target.id !== "duplicates") return;
    working = false;
    go(0);
  });
})();
