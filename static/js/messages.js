// Texts with variables: a chosen variable goes where the cursor stands; previews follow what is typed.
(() => {
  "use strict";

  document.addEventListener("change", (event) => {
    const select = event.target.closest?.("[data-insert-into]");
    if (!select || !select.value) return;
    const field = document.getElementById(select.dataset.insertInto);
    if (field) {
      const start = field.selectionStart ?? field.value.length;
      const end = field.selectionEnd ?? start;
      field.setRangeText(select.value, start, end, "end");
      field.focus();
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    select.value = "";
  });

  document.addEventListener("change", (event) => {
    const what = event.target.closest?.("[data-letter]");
    if (what) what.form.querySelectorAll("[data-letter-part]").forEach((part) => { part.hidden = part.dataset.letterPart !== what.value; });
    const all = event.target.closest?.("[data-check-all]");
    if (all) all.form.querySelectorAll('input[name="' + all.dataset.checkAll + '"]').forEach((box) => { box.checked = all.checked; });
  });
})();
