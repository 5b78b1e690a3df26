/* Where this device is: asked of the browser, nobody else. */
(function () {
  "use strict";

  function show(root) {
    if (!navigator.geolocation || !root.querySelectorAll) return;
    root.querySelectorAll("[data-locate]").forEach(function (button) { button.hidden = false; });
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-locate]");
    if (!button) return;
    button.disabled = true;
    navigator.geolocation.getCurrentPosition(function (found) {
      var input = document.getElementById(button.dataset.locate);
      button.disabled = false;
      input.value = found.coords.latitude.toFixed(6) + "," + found.coords.longitude.toFixed(6);
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }, function () {
      button.disabled = false;
      window.guke.toast(button.dataset.failed, { kind: "error" });
    }, { enableHighAccuracy: true, timeout: 15000 });
  });

  document.addEventListener("htmx:load", function (event) { show(event.detail.elt); });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", function () { show(document); });
  else show(document);
})();
