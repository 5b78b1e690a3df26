/* Inputs of files: choose, drop, paste or photograph; each goes up at once and waits for its record. And the lightbox. */
(function () {
  "use strict";

  function token() {
    return document.querySelector('meta[name="csrf-token"]').content;
  }

  /* Sends one file; progress(0…1) while it goes. */
  function send(url, file, progress) {
    var xhr = new XMLHttpRequest();
    var done = new Promise(function (resolve, reject) {
      xhr.open("POST", url);
      xhr.setRequestHeader("X-CSRF-Token", token());
      xhr.setRequestHeader("Accept", "application/json");
      xhr.responseType = "json";
      xhr.upload.onprogress = function (event) { if (event.lengthComputable) progress(event.loaded / event.total); };
      xhr.onload = function () {
        if (xhr.status < 300 && xhr.response) resolve(xhr.response);
        else reject(new Error((xhr.response && (xhr.response.detail || xhr.response.title)) || window.guke.word("failed")));
      };
      xhr.onerror = function () { reject(new Error(window.guke.word("offline"))); };
      xhr.onabort = function () { reject(null); };
    });
    var form = new FormData();
    form.append("file", file, file.name || "image.png");
    xhr.send(form);
    done.stop = function () { xhr.abort(); };
    return done;
  }
  window.guke.sendFile = send;

  function boxOf(node) { return node.closest && node.closest("[data-files]"); }
  function hidden(box) { return box.querySelector("input[type=hidden]"); }
  function entries(box) { return Array.from(box.querySelectorAll(".file-entry")); }

  function say(box, text) {
    var line = box.querySelector(".file-problem");
    line.textContent = text || "";
    line.hidden = !text;
  }

  function keep(box) {
    var field = hidden(box);
    field.value = entries(box).map(function (li) { return li.dataset.id; }).filter(Boolean).join(",");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function take(box, files) {
    say(box, "");
    Array.from(files).forEach(function (file) {
      if (box.dataset.most === "1") entries(box).forEach(function (li) { li.remove(); });
      if (entries(box).length >= Number(box.dataset.most)) { say(box, box.dataset.tooMany); return; }
      var li = box.querySelector("template").content.firstElementChild.cloneNode(true);
      var bar = li.querySelector("progress");
      li.querySelector(".file-name").textContent = file.name;
      li.querySelector(".file-out").setAttribute("aria-label", box.dataset.remove + " " + file.name);
      box.querySelector(".file-entries").append(li);
      box.uploading = (box.uploading || 0) + 1;
      hold(box);
      var going = send(box.dataset.upload, file, function (part) { bar.value = part * 100; });
      li.stop = going.stop;
      going.then(function (answer) {
        li.dataset.id = answer.id;
        li.stop = null;
        bar.remove();
        if (answer.picture) {
          var picture = document.createElement("img");
          picture.src = answer.picture;
          picture.alt = "";
          picture.width = picture.height = 40;
          li.querySelector(".file-sign").replaceWith(picture);
        }
        if (li.isConnected) keep(box);
      }, function (error) {
        li.remove();
        if (error) say(box, error.message);
      }).then(function () {
        box.uploading -= 1;
        hold(box);
      });
    });
  }

  /* A form is not sent while a file is still on its way. */
  function hold(box) {
    var form = box.closest("form");
    if (!form) return;
    var busy = Array.from(form.querySelectorAll("[data-files]")).some(function (one) { return one.uploading; });
    form.querySelectorAll("button[type=submit]").forEach(function (button) {
      if (busy && !button.disabled) { button.disabled = true; button.dataset.heldBack = "1"; button.title = box.dataset.waiting; }
      if (!busy && button.dataset.heldBack) { button.disabled = false; delete button.dataset.heldBack; button.title = ""; }
    });
  }

  document.addEventListener("change", function (event) {
    if (event.target.type !== "file" || !boxOf(event.target)) return;
    var files = Array.from(event.target.files);
    event.target.value = "";
    take(boxOf(event.target), files);
  });
  document.addEventListener("click", function (event) {
    var out = event.target.closest("[data-files] .file-out");
    if (!out) return;
    var box = boxOf(out), li = out.closest(".file-entry");
    if (li.stop) li.stop();
    li.remove();
    say(box, "");
    keep(box);
    var next = box.querySelector(".file-drop input");
    if (next) next.focus();
  });

  ["dragenter", "dragover"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      var box = boxOf(event.target);
      if (!box || !event.dataTransfer || Array.from(event.dataTransfer.types).indexOf("Files") < 0) return;
      event.preventDefault();
      box.classList.add("is-over");
    });
  });
  ["dragleave", "drop"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      var box = boxOf(event.target);
      if (!box) return;
      if (name === "dragleave" && box.contains(event.relatedTarget)) return;
      box.classList.remove("is-over");
      if (name === "drop" && event.dataTransfer && event.dataTransfer.files.length) {
        event.preventDefault();
        take(box, event.dataTransfer.files);
      }
    });
  });
  document.addEventListener("paste", function (event) {
    var files = event.clipboardData && event.clipboardData.files;
    if (!files || !files.length) return;
    /* Into the field that has the focus, else into the only one of the page. */
    var all = document.querySelectorAll("[data-files]");
    var box = boxOf(document.activeElement) || (all.length === 1 && !event.target.closest("input, textarea") ? all[0] : null);
    if (!box) return;
    event.preventDefault();
    take(box, files);
  });

  /* ---- lightbox ---- */

  var shown = [], at = 0, dialog = null;

  function build() {
    dialog = document.createElement("dialog");
    dialog.className = "lightbox";
    var picture = document.createElement("img");
    var bar = document.createElement("div");
    bar.className = "lightbox-bar";
    var name = document.createElement("a");
    name.className = "lightbox-name";
    bar.append(name);
    [["‹", -1], ["›", 1], ["×", 0]].forEach(function (pair) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = pair[0];
      button.className = "lightbox-" + (pair[1] < 0 ? "prev" : pair[1] ? "next" : "close");
      button.setAttribute("aria-label", pair[1] ? (pair[1] < 0 ? "←" : "→") : window.guke.word("close"));
      button.addEventListener("click", function () { if (pair[1]) step(pair[1]); else dialog.close(); });
      dialog.append(button);
    });
    dialog.append(picture, bar);
    dialog.addEventListener("click", function (event) { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("keydown", function (event) {
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
    var from = null;
    dialog.addEventListener("pointerdown", function (event) { from = event.pointerType === "touch" ? event.clientX : null; });
    dialog.addEventListener("pointerup", function (event) {
      if (from !== null && Math.abs(event.clientX - from) > 50) step(event.clientX < from ? 1 : -1);
      from = null;
    });
    document.body.append(dialog);
  }

  function step(by) {
    at = (at + by + shown.length) % shown.length;
    var link = shown[at];
    var picture = dialog.querySelector("img");
    picture.src = link.dataset.preview;
    picture.alt = link.title;
    var name = dialog.querySelector(".lightbox-name");
    name.href = link.href + "?download=1";
    name.setAttribute("download", link.title);
    name.textContent = link.title + (shown.length > 1 ? "  " + (at + 1) + " / " + shown.length : "");
    dialog.classList.toggle("lightbox-one", shown.length < 2);
  }

  document.addEventListener("click", function (event) {
    var link = event.target.closest("a.file-picture");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!dialog) build();
    shown = Array.from((link.closest("[data-gallery]") || document).querySelectorAll("a.file-picture"));
    at = Math.max(0, shown.indexOf(link));
    step(0);
    dialog.showModal();
  }, true);
})();
