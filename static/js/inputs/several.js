/* Several people or departments: what is found is added as a chip; taking its tick away removes it. */
(function () {
  "use strict";

  function told(box) {
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }

  document.addEventListener("change", function (event) {
    var box = event.target.closest("[data-several]");
    if (!box) return;
    var chosen = box.querySelector(".several-chosen");
    if (event.target.type === "checkbox") {
      if (!event.target.checked) { event.target.closest("label").remove(); told(box); box.querySelector("[role=combobox]").focus(); }
      return;
    }
    if (event.target.type !== "hidden" || !event.target.closest(".picker") || !event.target.value) return;
    var id = event.target.value;
    var input = box.querySelector("[role=combobox]");
    var title = input.value;
    event.stopPropagation();
    box.querySelector(".picker-clear").click();
    var held = Array.from(chosen.querySelectorAll("input")).some(function (one) { return one.value === id; });
    if (held) return;
    var label = document.createElement("label");
    label.className = "tag several-one";
    var tick = document.createElement("input");
    tick.type = "checkbox";
    tick.name = box.dataset.several;
    tick.value = id;
    tick.checked = true;
    var text = document.createElement("span");
    text.textContent = title;
    label.append(tick, text);
    chosen.append(label);
    told(box);
    input.focus();
  }, true);
})();
