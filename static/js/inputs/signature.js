/* A signature: drawn with a finger, a mouse or a pen, typed, or sent as a picture. It goes up when the hand rests. */
(function () {
  "use strict";

  var REST = 700;

  function boxOf(node) { return node.closest && node.closest("[data-signature]"); }
  function part(box, selector) { return box.querySelector(selector); }

  function ready(box) {
    var canvas = part(box, "canvas");
    if (box.pen) return box.pen;
    var pen = canvas.getContext("2d");
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = pen.fillStyle = "#14213d";
    box.pen = pen;
    return pen;
  }

  function fresh(box) {
    var canvas = part(box, "canvas"), old = part(box, ".signature-old");
    if (old) old.remove();
    canvas.hidden = false;
    ready(box).clearRect(0, 0, canvas.width, canvas.height);
  }

  function say(box, text) { part(box, ".signature-state").textContent = text || ""; }

  function set(box, id) {
    var field = part(box, "input[type=hidden]");
    field.value = id;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function upload(box, blob, name) {
    var mine = box.turn = (box.turn || 0) + 1;
    var form = new FormData();
    form.append("file", blob, name);
    say(box, "…");
    fetch(box.dataset.upload, {
      method: "POST", body: form, credentials: "same-origin",
      headers: { Accept: "application/json", "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]').content },
    }).then(function (answer) {
      return answer.json().then(function (doc) { if (!answer.ok) throw new Error(doc.detail); return doc; });
    }).then(function (doc) {
      if (mine === box.turn) { set(box, doc.id); say(box, "✓"); }
    }).catch(function (error) {
      if (mine === box.turn) say(box, error.message && !(error instanceof TypeError) ? error.message : box.dataset.failed);
    });
  }

  function later(box) {
    clearTimeout(box.timer);
    box.timer = setTimeout(function () {
      part(box, "canvas").toBlob(function (blob) { if (blob) upload(box, blob, "signature.png"); }, "image/png");
    }, REST);
  }

  function point(canvas, event) {
    var area = canvas.getBoundingClientRect();
    return { x: (event.clientX - area.left) * canvas.width / area.width, y: (event.clientY - area.top) * canvas.height / area.height,
      t: event.timeStamp, force: event.pointerType === "pen" ? event.pressure : 0 };
  }

  document.addEventListener("pointerdown", function (event) {
    if (event.target.nodeName !== "CANVAS" || !boxOf(event.target) || event.button) return;
    var box = boxOf(event.target), canvas = event.target;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    clearTimeout(box.timer);
    part(box, ".signature-hint").hidden = true;
    if (part(box, "[data-typed]").value) { part(box, "[data-typed]").value = ""; fresh(box); }
    var pen = ready(box);
    box.stroke = { last: point(canvas, event), middle: null, width: 3.5 };
    pen.beginPath();
    pen.arc(box.stroke.last.x, box.stroke.last.y, 1.8, 0, Math.PI * 2);
    pen.fill();
  });
  document.addEventListener("pointermove", function (event) {
    var box = event.target.nodeName === "CANVAS" && boxOf(event.target);
    if (!box || !box.stroke) return;
    var pen = ready(box), canvas = event.target;
    (event.getCoalescedEvents && event.getCoalescedEvents().length ? event.getCoalescedEvents() : [event]).forEach(function (one) {
      var now = point(canvas, one), last = box.stroke.last;
      var away = Math.hypot(now.x - last.x, now.y - last.y);
      if (away < 1.5) return;
      var middle = { x: (last.x + now.x) / 2, y: (last.y + now.y) / 2 };
      var speed = away / Math.max(1, now.t - last.t);
      var wanted = now.force ? 1.5 + now.force * 5 : Math.max(1.8, 4.6 - speed * 1.2);
      box.stroke.width += (wanted - box.stroke.width) * 0.3;
      pen.lineWidth = box.stroke.width;
      pen.beginPath();
      pen.moveTo((box.stroke.middle || last).x, (box.stroke.middle || last).y);
      pen.quadraticCurveTo(last.x, last.y, middle.x, middle.y);
      pen.stroke();
      box.stroke.middle = middle;
      box.stroke.last = now;
    });
  });
  ["pointerup", "pointercancel"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      var box = event.target.nodeName === "CANVAS" && boxOf(event.target);
      if (!box || !box.stroke) return;
      box.stroke = null;
      later(box);
    });
  });

  document.addEventListener("click", function (event) {
    var clear = event.target.closest("[data-signature] [data-clear]");
    if (!clear) return;
    var box = boxOf(clear);
    clearTimeout(box.timer);
    box.turn = (box.turn || 0) + 1;
    fresh(box);
    part(box, "[data-typed]").value = "";
    part(box, ".signature-hint").hidden = false;
    say(box, "");
    set(box, "");
  });

  document.addEventListener("input", function (event) {
    if (!event.target.matches("[data-signature] [data-typed]")) return;
    var box = boxOf(event.target), canvas = part(box, "canvas"), name = event.target.value.trim();
    fresh(box);
    clearTimeout(box.timer);
    part(box, ".signature-hint").hidden = Boolean(name);
    if (!name) { set(box, ""); say(box, ""); return; }
    var pen = ready(box), size = 96;
    do {
      pen.font = "italic " + size + "px KaiTi, STKaiti, 'Segoe Script', 'Snell Roundhand', cursive";
      size -= 6;
    } while (pen.measureText(name).width > canvas.width - 40 && size > 18);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(name, canvas.width / 2, canvas.height / 2);
    later(box);
  });

  document.addEventListener("change", function (event) {
    if (event.target.type !== "file" || !boxOf(event.target)) return;
    var box = boxOf(event.target), file = event.target.files[0];
    event.target.value = "";
    if (!file) return;
    fresh(box);
    part(box, "[data-typed]").value = "";
    part(box, ".signature-hint").hidden = true;
    var address = URL.createObjectURL(file), picture = new Image();
    picture.onload = function () {
      var canvas = part(box, "canvas");
      var scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
      var w = picture.width * scale, h = picture.height * scale;
      ready(box).drawImage(picture, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
      URL.revokeObjectURL(address);
    };
    picture.src = address;
    upload(box, file, file.name);
  });
})();
