/* Looks for news every two seconds and puts them in place; the number is chosen without a button. Without it: reload. */
(function () {
  "use strict";
  var PARTS = ["people", "who", "bubbles"];
  document.documentElement.classList.add("js");
  document.getElementById("number").addEventListener("change", function (event) { event.target.form.submit(); });

  function down() {
    var list = document.getElementById("bubbles");
    if (list) list.scrollTop = list.scrollHeight;
  }
  function put(text) {
    var fresh = new DOMParser().parseFromString(text, "text/html");
    PARTS.forEach(function (id) {
      var old = document.getElementById(id), now = fresh.getElementById(id);
      if (!old || !now || old.innerHTML === now.innerHTML || old.contains(document.activeElement) && old !== document.activeElement) return;
      var low = old.scrollHeight - old.scrollTop - old.clientHeight < 40;
      old.innerHTML = now.innerHTML;
      if (id === "bubbles" && low) down();
    });
  }
  function look() {
    if (document.hidden) return later();
    fetch(location.pathname + location.search, { headers: { "X-Look": "1" } }).then(function (answer) { return answer.text(); }).then(put, function () {}).then(later);
  }
  function later() { setTimeout(look, 2000); }

  var text = document.getElementById("text");
  if (text) text.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      text.form.requestSubmit(text.form.querySelector(".tools > button:last-of-type"));
    }
  });
  down();
  later();
})();
