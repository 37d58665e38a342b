/* The first of two scripts, as Meta's sdk.js is: it only loads the second one, from the same host. */
(function () {
  "use strict";
  var here = new URL(document.currentScript.src);
  var second = document.createElement("script");
  second.src = here.origin + here.pathname + "?hash=5a4db0c5e7d0b0a1&ua=modern_es6";
  second.async = true;
  second.crossOrigin = "anonymous";
  document.head.appendChild(second);
})();
