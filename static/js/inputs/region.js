/* Drop-downs from province to district: a choice fetches what lies below it. A pasted address is taken apart. */
(function () {
  "use strict";

  function fill(box, place, under) {
    var selects = box.querySelectorAll("select");
    for (var i = place; i < selects.length; i += 1) {
      selects[i].length = 1;
      selects[i].hidden = true;
    }
    if (!under || place >= selects.length) return Promise.resolve();
    var asked = box.guke = {};
    return fetch(box.dataset.regions + "&under=" + under, { credentials: "same-origin", headers: { Accept: "application/json" } })
      .then(function (answer) { return answer.ok ? answer.json() : Promise.reject(answer); })
      .then(function (found) {
        if (box.guke !== asked || !found.length) return;
        found.forEach(function (pair) { selects[place].add(new Option(pair[1], pair[0])); });
        selects[place].hidden = false;
      }, function () { window.guke.toast(window.guke.word("offline"), { kind: "error" }); });
  }

  document.addEventListener("change", function (event) {
    var box = event.target.closest("[data-regions]");
    if (!box || event.target.tagName !== "SELECT") return;
    var place = Array.from(box.querySelectorAll("select")).indexOf(event.target);
    fill(box, place + 1, event.target.value);
  });

  function choose(box, code) {
    var selects = box.querySelectorAll("select");
    var steps = [code.slice(0, 2) + "0000", code.slice(0, 4) + "00", code];
    selects[0].value = steps[0];
    var at = 0;
    function next(i) {
      if (i >= steps.length || at + 1 >= selects.length) return Promise.resolve();
      if (steps[i] === steps[i - 1]) return next(i + 1);
      return fill(box, at + 1, selects[at].value).then(function () {
        var has = Array.from(selects[at + 1].options).some(function (o) { return o.value === steps[i]; });
        if (has) { at += 1; selects[at].value = steps[i]; }
        return next(i + 1);
      });
    }
    return next(1).then(function () { if (selects[at].value) return fill(box, at + 1, selects[at].value); });
  }

  document.addEventListener("paste", function (event) {
    var box = event.target.closest("[data-address]");
    var text = event.clipboardData ? event.clipboardData.getData("text").trim() : "";
    if (!box || event.target.dataset.part !== "detail" || event.target.value.trim() || text.length < 6) return;
    event.preventDefault();
    var detail = event.target;
    detail.value = text.replace(/\s+/g, " ");
    fetch(box.dataset.address, { method: "POST", credentials: "same-origin", body: new URLSearchParams({ text: text }),
      headers: { "X-CSRF-Token": window.guke.csrf(), Accept: "application/json" } })
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .then(function (parts) {
        if (!parts || (!parts.region && !parts.phone)) return;
        var rest = [parts.detail];
        ["recipient", "phone"].forEach(function (name) {
          var input = box.querySelector("[data-part=" + name + "]");
          if (input && parts[name]) input.value = parts[name];
          else if (!input && parts[name]) rest.push(parts[name]);
        });
        detail.value = rest.filter(Boolean).join(" ");
        return (parts.region ? choose(box.querySelector("[data-regions]"), parts.region) : Promise.resolve()).then(function () {
          detail.dispatchEvent(new Event("input", { bubbles: true }));
          detail.dispatchEvent(new Event("change", { bubbles: true }));
        });
      });
  });
})();
