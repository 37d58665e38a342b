/* The desk's search: shows the scenarios whose words hold every word that is typed. Without it the groups are there. */
(function () {
  "use strict";
  var field = document.getElementById("find");
  var groups = Array.from(document.querySelectorAll("details.group"));
  var opened = groups.map(function (group) { return group.open; });
  document.getElementById("find-label").hidden = false;

  function look() {
    var words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    var any = false;
    groups.forEach(function (group, place) {
      var here = false;
      group.querySelectorAll("[data-find]").forEach(function (row) {
        var fits = words.every(function (word) { return row.dataset.find.indexOf(word) >= 0; });
        row.hidden = !fits;
        here = here || fits;
      });
      group.hidden = !here;
      group.open = words.length ? here : opened[place];
      any = any || here;
    });
    document.getElementById("none").hidden = any;
  }
  field.addEventListener("input", look);
  field.addEventListener("keydown", function (event) {
    if (event.key === "Enter") event.preventDefault();
  });
})();
