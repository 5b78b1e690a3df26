/* The customer's page and the tag page: figures that explain themselves, tags found while typing, dialogs that close. */
(function () {
  "use strict";

  document.addEventListener("click", function (event) {
    var why = event.target.closest("[data-why]");
    if (!why) return;
    var text = why.closest(".stat").querySelector(".why-text");
    text.hidden = !text.hidden;
    why.setAttribute("aria-expanded", String(!text.hidden));
  });

  document.addEventListener("input", function (event) {
    var input = event.target.closest("[data-tag-filter]");
    if (!input) return;
    var typed = input.value.trim().toLowerCase();
    input.closest(".menu-list").querySelectorAll("[data-tag-name]").forEach(function (button) {
      button.hidden = typed !== "" && button.dataset.tagName.toLowerCase().indexOf(typed) < 0;
    });
  });

  /* The tag page: the cloud by group, everything by what is typed. */
  function narrow(page) {
    var typed = page.querySelector("[data-cloud-filter]").value.trim().toLowerCase();
    var pressed = page.querySelector('[data-cloud-group][aria-pressed="true"]');
    var group = pressed ? pressed.dataset.cloudGroup : "";
    page.querySelectorAll("[data-word]").forEach(function (word) {
      word.hidden = (typed !== "" && word.dataset.word.indexOf(typed) < 0) || (word.dataset.group && group !== "" && word.dataset.group !== group);
    });
    page.querySelectorAll("details.many-tags").forEach(function (list) { list.open = typed !== ""; });
  }

  document.addEventListener("input", function (event) {
    if (event.target.matches("[data-cloud-filter]")) narrow(document.getElementById("tag-groups"));
  });
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-cloud-group]");
    if (!button) return;
    button.parentElement.querySelectorAll("[data-cloud-group]").forEach(function (one) {
      one.setAttribute("aria-pressed", String(one === button));
    });
    narrow(document.getElementById("tag-groups"));
  });

  /* The timeline: what is filtered stands in the address; while the page is looked at, it asks whether there is anything new. */
  var EVERY = 30000;
  var asked = Date.now();

  document.addEventListener("htmx:afterSwap", function (event) {
    if (event.target.id !== "timeline") return;
    asked = Date.now();
    var list = document.getElementById("timeline-list");
    var address = new URL(location.href);
    var before = address.searchParams.get("timeline") || "";
    if (!list || before === list.dataset.kinds) return;
    if (list.dataset.kinds) address.searchParams.set("timeline", list.dataset.kinds);
    else address.searchParams.delete("timeline");
    history.replaceState(history.state, "", address);
  });

  function look() {
    var list = document.getElementById("timeline-list");
    if (!list || document.hidden || Date.now() - asked < EVERY - 1000) return;
    asked = Date.now();
    fetch(list.dataset.headUrl, { headers: { Accept: "application/json", "X-Poll": "1" }, credentials: "same-origin", redirect: "manual" })
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .then(function (found) {
        if (!found || found.head === list.dataset.head || !list.isConnected) return;
        /* Who has gone on to older pages is not thrown back to the first. */
        if (list.dataset.longer) document.getElementById("timeline-new").hidden = false;
        else document.body.dispatchEvent(new CustomEvent("guke:timeline"));
      })
      .catch(function () { /* the server is away: the next time tells */ });
  }

  document.addEventListener("click", function (event) {
    var list = event.target.closest("[data-timeline-more]") && document.getElementById("timeline-list");
    if (list) list.dataset.longer = "1";
  });
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);

  document.addEventListener("htmx:afterRequest", function (event) {
    var form = event.target.closest && event.target.closest("form[data-close-after]");
    if (!form || !event.detail.successful || event.detail.xhr.getResponseHeader("HX-Retarget")) return;
    var dialog = form.closest("dialog");
    if (dialog) dialog.close();
  });
})();
