/* The page of all forms and the recycle bin: order and groups by drag or with the arrow keys, and what asks first. */
(function () {
  "use strict";

  var groups = document.getElementById("forms-groups");
  var words = JSON.parse((document.getElementById("forms-words") || {}).textContent || "{}");

  function say(text) { document.getElementById("forms-live").textContent = text; }

  function counted() {
    groups.querySelectorAll(".forms-group").forEach(function (group) {
      group.querySelectorAll("input[name=group]").forEach(function (input) { input.value = group.dataset.group; });
      group.querySelector(".count").textContent = group.querySelectorAll(".form-tile").length;
    });
  }

  function arranged() {
    counted();
    window.htmx.trigger(document.getElementById("forms-order"), "guke:arranged");
  }

  function sortable(list) {
    new Sortable(list, { group: "forms", handle: ".grip", draggable: ".form-tile", animation: 140, forceFallback: true, fallbackOnBody: true, fallbackTolerance: 4, delay: 120, delayOnTouchOnly: true, ghostClass: "dz-ghost", onEnd: function (event) {
      if (event.from !== event.to || event.oldDraggableIndex !== event.newDraggableIndex) arranged();
    } });
  }

  function groupNamed(name) {
    var found = Array.from(groups.querySelectorAll(".forms-group")).find(function (g) { return g.dataset.group === name; });
    if (found) return found;
    found = groups.querySelector(".forms-group").cloneNode(true);
    found.dataset.group = name;
    found.querySelector("h2").firstChild.textContent = (name || words.none) + " ";
    found.querySelector(".forms-list").replaceChildren();
    var last = groups.querySelector('.forms-group[data-group=""]');
    groups.insertBefore(found, name ? last : null);
    sortable(found.querySelector(".forms-list"));
    return found;
  }

  /* A sentence of the page, filled: data-purge-words → purgeWords. */
  function write(name, values) {
    var at = document.querySelector("[data-" + name.replace(/[A-Z]/g, function (c) { return "-" + c.toLowerCase(); }) + "]");
    at.textContent = at.dataset[name].replace(/%\((\w+)\)s/g, function (_all, key) { return values[key]; });
  }

  function open(id) { document.getElementById(id).showModal(); }

  document.addEventListener("DOMContentLoaded", function () {
    if (groups) groups.querySelectorAll(".forms-list").forEach(sortable);
  });

  document.addEventListener("keydown", function (event) {
    var grip = event.target.closest && event.target.closest(".form-tile .grip");
    if (!grip || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    var tile = grip.closest(".form-tile");
    var all = Array.from(groups.querySelectorAll(".form-tile"));
    var other = all[all.indexOf(tile) + (event.key === "ArrowUp" ? -1 : 1)];
    if (!other) return;
    if (other.parentElement !== tile.parentElement) {
      if (event.key === "ArrowUp") other.parentElement.append(tile); else other.before(tile);
    } else if (event.key === "ArrowUp") other.before(tile);
    else other.after(tile);
    grip.focus();
    var place = Array.from(tile.parentElement.children).indexOf(tile) + 1;
    say(words.moved.replace("%(form)s", tile.querySelector("a").textContent).replace("%(place)s", place));
    arranged();
  });

  var moving = null;
  var asking = null;
  document.addEventListener("click", function (event) {
    var target = event.target;
    var regroup = target.closest("[data-regroup]");
    if (regroup) {
      moving = groups.querySelector('[data-form="' + regroup.dataset.regroup + '"]');
      document.getElementById("regroup-name").value = moving.querySelector("input[name=group]").value;
      open("regroup");
      document.getElementById("regroup-name").select();
    }
    var gone = target.closest("[data-delete]");
    if (gone) {
      document.getElementById("delete-form-form").action = gone.dataset.delete;
      write("deleteWords", { form: gone.dataset.name, count: gone.dataset.count });
      open("delete-form");
    }
    var purge = target.closest("[data-purge]");
    if (purge) {
      var form = document.getElementById("purge-form");
      form.action = purge.dataset.purge;
      form.dataset.word = purge.dataset.name;
      write("purgeWords", { what: purge.dataset.count });
      write("purgeAsk", { word: purge.dataset.name });
      form.elements.word.value = "";
      form.querySelector("[type=submit]").disabled = true;
      open("purge");
      form.elements.word.focus();
    }
    var confirm = target.closest("[data-confirm-submit]");
    if (confirm) {
      asking = confirm.closest("form");
      document.querySelector("[data-confirm-text]").textContent = confirm.dataset.confirmSubmit;
      open("confirm-drop");
    }
    if (target.closest("[data-confirm-yes]") && asking) asking.requestSubmit();
  });

  document.addEventListener("input", function (event) {
    var form = event.target.closest("#purge-form");
    if (form && event.target.name === "word") form.querySelector("[type=submit]").disabled = event.target.value.trim() !== form.dataset.word.trim();
  });

  document.addEventListener("submit", function (event) {
    if (event.target.id !== "regroup-form") return;
    event.preventDefault();
    document.getElementById("regroup").close();
    groupNamed(document.getElementById("regroup-name").value.trim()).querySelector(".forms-list").append(moving);
    arranged();
  });
})();
