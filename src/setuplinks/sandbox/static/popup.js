/* Tells the opener how the dialog ended: a JSON string as Meta's message, and the code on the SDK's channel.
   Only ever to the opener's exact origin. Closing the window by X counts as cancelled, on the last screen as finished. */
(function () {
  "use strict";
  var holder = document.getElementById("wire");
  if (!holder) return;
  var wire = JSON.parse(holder.textContent);
  var ended = holder.dataset.ended === "yes";
  var quiet = false;
  var opener = window.opener;

  function sendMessage() {
    if (wire.message) opener.postMessage(JSON.stringify(wire.message), wire.origin);
  }
  function sendCode() {
    var result = wire.code ? { cb: wire.channel, code: wire.code } : { cb: wire.channel, error: "access_denied" };
    if (wire.code || !wire.message || wire.message.event === "CANCEL" || wire.message.event === "ERROR") {
      opener.postMessage(new URLSearchParams(result).toString(), wire.origin);
    }
  }
  var steps = wire.codeFirst ? [sendCode, sendMessage] : [sendMessage, sendCode];

  if (!opener || !wire.origin) {
    var note = document.getElementById("no-opener");
    if (note && ended) note.hidden = false;
    return;
  }
  if (ended) {
    steps[0]();
    setTimeout(function () {
      steps[1]();
      setTimeout(function () { window.close(); }, 50);
    }, wire.gapMs);
    return;
  }
  document.addEventListener("submit", function () { quiet = true; });
  window.addEventListener("pagehide", function () {
    if (quiet) return;
    steps.forEach(function (step) { step(); });
    navigator.sendBeacon("/dialog/" + wire.id + "/closed");
  });
})();
