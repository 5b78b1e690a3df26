/* A masked number is replaced as a whole: it is selected when the input is entered. */
(function () {
  "use strict";

  document.addEventListener("focusin", function (event) {
    if (event.target.matches("[data-id-card]") && event.target.value.indexOf("*") >= 0) event.target.select();
  });
})();
