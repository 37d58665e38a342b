/* The inbox: looks every three seconds and puts in place what is new. Text that is being marked is left alone, and so is
   the place to which one has scrolled. Without it the page reloads itself. */
(function () {
  "use strict";
  function put(text) {
    var fresh = new DOMParser().parseFromString(text, "text/html");
    ["came", "back"].forEach(function (id) {
      var old = document.getElementById(id), now = fresh.getElementById(id);
      if (now && old.innerHTML !== now.innerHTML) old.innerHTML = now.innerHTML;
    });
  }
  function gone() {
    var line = document.getElementById("looks");
    line.textContent = line.dataset.gone;
  }
  function look() {
    if (document.hidden || !getSelection().isCollapsed) return later();
    fetch(location.pathname).then(function (answer) { return answer.text(); }).then(put, gone).then(later);
  }
  function later() { setTimeout(look, 3000); }
  later();
})();
