/* The sandbox's stand-in for Meta's JavaScript SDK: FB.init, FB.login, fbAsyncInit, and what Meta's does to a page:
   a hidden iframe, a connection, a style element. Where the page's policy blocks one of them, FB.login refuses. */
(function () {
  "use strict";
  var BASE = new URL(document.currentScript.src).origin;
  var settings = null;
  var checks = { style: "pending", iframe: "pending", connect: "pending" };
  var waiting = {};
  var count = 0;

  function blocked(name, why) {
    if (checks[name] === "blocked") return;
    checks[name] = "blocked";
    console.error("Sandbox SDK: this page's policy breaks Meta's SDK (" + name + "): " + why);
  }

  function broken() {
    return Object.keys(checks).some(function (name) { return checks[name] === "blocked"; });
  }

  document.addEventListener("securitypolicyviolation", function (event) {
    if (event.blockedURI.indexOf(BASE) !== 0) return;
    if (event.effectiveDirective === "frame-src") blocked("iframe", event.effectiveDirective);
    if (event.effectiveDirective === "connect-src") blocked("connect", event.effectiveDirective);
  });

  window.addEventListener("message", function (event) {
    if (event.origin !== BASE || typeof event.data !== "string") return;
    if (event.data === "sandbox-frame-ready") checks.iframe = "ok";
    if (event.data.indexOf("cb=") !== 0) return;
    var sent = new URLSearchParams(event.data);
    var waiter = waiting[sent.get("cb")];
    if (waiter) waiter(sent.get("code"));
  });

  function addStyle() {
    var style = document.createElement("style");
    style.textContent = ".fb_hidden{position:absolute;top:-10000px;z-index:10001}";
    document.head.appendChild(style);
    if (style.sheet && style.sheet.cssRules.length) checks.style = "ok";
    else blocked("style", "style-src refuses a style element without a nonce");
  }

  function addFrame() {
    var root = document.getElementById("fb-root") || document.body.appendChild(document.createElement("div"));
    root.id = "fb-root";
    var frame = document.createElement("iframe");
    frame.src = BASE + "/x/connect/frame?origin=" + encodeURIComponent(location.origin);
    frame.className = "fb_hidden";
    frame.title = "Sandbox SDK";
    frame.tabIndex = -1;
    frame.setAttribute("aria-hidden", "true");
    frame.width = frame.height = "1";
    root.appendChild(frame);
  }

  function connect() {
    fetch(BASE + "/x/oauth/status?client_id=" + encodeURIComponent(settings.appId), { mode: "cors" })
      .then(function () { checks.connect = "ok"; }, function (error) { blocked("connect", String(error)); });
  }

  function init(options) {
    if (!options || !options.appId || !options.version) throw new Error("FB.init needs appId and version");
    settings = options;
    addStyle();
    addFrame();
    connect();
  }

  function dialogUrl(channel, options) {
    var query = new URLSearchParams();
    Object.keys(options).forEach(function (key) {
      var value = options[key];
      query.set(key, typeof value === "object" ? JSON.stringify(value) : String(value));
    });
    query.set("client_id", settings.appId);
    query.set("display", "popup");
    query.set("sdk", "joey");
    query.set("cb", channel);
    query.set("origin", location.origin);
    query.set("fallback_redirect_uri", location.href);
    query.set("redirect_uri", BASE + "/x/connect/xd_arbiter/?version=46#cb=" + channel + "&relation=opener");
    return BASE + "/" + settings.version + "/dialog/oauth?" + query.toString();
  }

  function login(callback, options) {
    if (!settings) throw new Error("FB.login() called before FB.init().");
    if (broken()) return setTimeout(answer, 0, callback, null);
    var channel = "f" + (count += 1) + Math.random().toString(16).slice(2);
    var popup = window.open(dialogUrl(channel, options || {}), "fb_login_" + channel, "width=600,height=760");
    if (!popup) return setTimeout(answer, 0, callback, null);
    var timer = setInterval(function () {
      if (popup.closed) { clearInterval(timer); setTimeout(settle, 400, null); }
    }, 150);
    function settle(code) {
      if (!waiting[channel]) return;
      delete waiting[channel];
      clearInterval(timer);
      answer(callback, code);
    }
    waiting[channel] = settle;
  }

  function answer(callback, code) {
    if (typeof callback !== "function") return;
    if (!code) return callback({ authResponse: null, status: "unknown" });
    callback({ authResponse: { userID: null, expiresIn: null, code: code }, status: "connected" });
  }

  window.FB = {
    init: init,
    login: login,
    getLoginStatus: function (callback) { setTimeout(answer, 0, callback, null); },
    getAuthResponse: function () { return null; },
    logout: function (callback) { setTimeout(answer, 0, callback, null); },
    AppEvents: { logPageView: function () {}, logEvent: function () {} },
    Event: { subscribe: function () {}, unsubscribe: function () {} },
    XFBML: { parse: function () {} },
    sandboxChecks: checks
  };
  if (typeof window.fbAsyncInit === "function" && !window.fbAsyncInit.hasRun) {
    window.fbAsyncInit.hasRun = true;
    window.fbAsyncInit();
  }
})();
