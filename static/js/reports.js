/* The dashboard editor (drag, or buttons for the keyboard) and the report editor's form. */
(function () {
  "use strict";

  /* ---- dashboard editor ---- */

  var pieces = document.getElementById("pieces");
  if (pieces) {
    if (window.Sortable) window.Sortable.create(pieces, { animation: 120, handle: ".piece-head", filter: "button", preventOnFilter: false, onEnd: changed });

    document.getElementById("board-form").addEventListener("submit", function () {
      var tiles = Array.prototype.map.call(pieces.children, function (piece) {
        return { report: piece.dataset.report, w: Number(piece.dataset.w), h: Number(piece.dataset.h) };
      });
      this.elements.tiles.value = JSON.stringify(tiles);
    });

    pieces.addEventListener("click", function (event) {
      var button = event.target.closest("[data-piece]");
      if (!button) return;
      var piece = button.closest(".piece");
      if (button.dataset.piece === "remove") {
        (piece.nextElementSibling || piece.previousElementSibling || pieces).querySelector("button")?.focus();
        piece.remove();
      } else if (button.dataset.piece === "back" && piece.previousElementSibling) {
        piece.previousElementSibling.before(piece);
        button.focus();
      } else if (button.dataset.piece === "forth" && piece.nextElementSibling) {
        piece.nextElementSibling.after(piece);
        button.focus();
      }
      changed();
    });

    pieces.addEventListener("change", function (event) {
      var side = event.target.dataset.pieceSize;
      if (!side) return;
      var piece = event.target.closest(".piece");
      var name = side === "w" ? "cols-" : "rows-";
      piece.classList.remove(name + piece.dataset[side]);
      piece.dataset[side] = event.target.value;
      piece.classList.add(name + event.target.value);
      changed();
    });

    document.getElementById("piece-new").addEventListener("change", function () {
      var chosen = this.selectedOptions[0];
      if (!this.value) return;
      var number = chosen.dataset.number === "1";
      var piece = document.getElementById("piece-template").content.firstElementChild.cloneNode(true);
      piece.dataset.report = this.value;
      piece.querySelector("b span").textContent = chosen.textContent;
      pieces.append(piece);
      [["w", number ? "3" : "6"], ["h", number ? "1" : "2"]].forEach(function (size) {
        var select = piece.querySelector('[data-piece-size="' + size[0] + '"]');
        select.value = size[1];
        select.dispatchEvent(new Event("change", { bubbles: true }));
      });
      this.value = "";
      piece.scrollIntoView({ block: "nearest" });
      piece.querySelector("button").focus();
    });
  }

  function changed() {
    document.getElementById("board-form").dispatchEvent(new Event("input", { bubbles: true }));
  }

  /* ---- report editor ---- */

  document.addEventListener("change", function (event) {
    var goes = event.target.dataset && event.target.dataset.goes;
    if (goes) {
      window.location.assign(goes + "?form=" + encodeURIComponent(event.target.value));
      return;
    }
    var slots = event.target.closest("[data-slots]");
    if (slots) tidy(slots);
  });

  /* There is always one empty place more than what is chosen. */
  function tidy(slots) {
    var all = Array.prototype.slice.call(slots.querySelectorAll(".slot"));
    var empty = all.filter(function (slot) { return !slot.querySelector("select").value; });
    if (!empty.length) {
      var more = all[all.length - 1].cloneNode(true);
      more.querySelector("select").value = "";
      all[all.length - 1].after(more);
    }
    empty.slice(0, -1).forEach(function (slot) { slot.remove(); });
  }
})();
