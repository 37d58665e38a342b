// The sign-in page: loads Meta's SDK, opens its window in the click, and hands what comes back to the server.
// Two results come in either order, and either may be missing: FB.login's code and the window's message.
// All that a window says is a claim; the server decides. A window that reads as closed ends nothing.
"use strict";

(() => {
  const page = document.getElementById("signin");
  const { sdkUrl, appId, configId, graphVersion, extras, state, completeUrl, cancelUrl, checkUrl } = page.dataset;
  const origins = page.dataset.messageOrigins.split(" ").filter(Boolean);
  const button = document.querySelector("[data-open]");
  const form = document.getElementById("dialog");
  const label = button.querySelector("span").textContent;

  const SDK_WAIT_MS = 4000;
  const MESSAGE_WAIT_MS = 1500; // the code lives 30 seconds: it does not wait long for the message
  const CODE_WAIT_MS = 10000; // a message alone proves nothing: after this she is told what she can do
  const BLOCKED_MS = 700; // an answer without a code this soon after the click: the window never opened

  let ready = false;
  let clickedAt = 0;
  let code = null;
  let message = null;
  let timer = 0;
  let sent = false;

  const tell = (name) => {
    for (const note of document.querySelectorAll("[data-told]")) note.hidden = note.dataset.told !== name;
    document.querySelector("[data-no-window]").hidden = name === "unready";
    if (name === "unready") {
      // There is no window: nothing may say that it opens, or has opened, beside this page.
      for (const lead of document.querySelectorAll("[data-before], [data-after]")) lead.hidden = true;
      button.querySelector("span").textContent = label;
    }
  };

  const post = async (url, body) => {
    if (sent) return;
    sent = true;
    clearTimeout(timer);
    tell("waiting");
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(body),
        credentials: "same-origin",
      });
      const { location: next } = await answer.json().catch(() => ({}));
      location.assign(next || checkUrl);
    } catch {
      // Not repeated: a code works once, and the server may have taken it.
      tell("offline");
    }
  };

  const complete = () => post(completeUrl, { state, code, message });
  const unanswered = () => {
    if (!sent && !code) tell("unanswered");
  };
  const settle = () => {
    clearTimeout(timer);
    if (code && message) complete();
    else if (code) timer = setTimeout(complete, MESSAGE_WAIT_MS);
    else timer = setTimeout(unanswered, CODE_WAIT_MS);
  };

  // Exact hosts only: "endsWith" would take evilfacebook.com. An entry https://*.host stands for every host below it.
  const trusted = (origin) =>
    origins.some((allowed) => {
      if (allowed === origin) return true;
      if (!allowed.includes("//*.")) return false;
      const [scheme, host] = allowed.split("//*.");
      let from;
      try {
        from = new URL(origin);
      } catch {
        return false;
      }
      return from.protocol === scheme && from.port === "" && from.hostname.endsWith("." + host);
    });

  addEventListener("message", (event) => {
    if (!trusted(event.origin)) return;
    // Meta sends a JSON string; releases before and after have sent the object itself.
    let data = event.data;
    if (typeof data === "string") {
      try {
        data = JSON.parse(data);
      } catch {
        return;
      }
    }
    if (!data || data.type !== "WA_EMBEDDED_SIGNUP" || typeof data.event !== "string") return;
    const text = typeof event.data === "string" ? event.data : JSON.stringify(data);
    if (data.event === "CANCEL" || data.event === "ERROR") {
      if (!code) post(cancelUrl, { state, message: text });
    } else if (data.event.startsWith("FINISH")) {
      message = text;
      settle();
    }
    // Any other event is news on the way: the window is still open, and nothing here may disturb it.
  });

  const answered = (response) => {
    const got = response && response.authResponse && response.authResponse.code;
    if (got) {
      code = got;
      settle();
    } else if (message) {
      unanswered();
    } else if (!sent) {
      if (Date.now() - clickedAt < BLOCKED_MS) blocked();
      else tell("closed");
    }
  };

  // Meta's SDK calls this once it is there.
  window.fbAsyncInit = () => {
    FB.init({ appId, autoLogAppEvents: true, xfbml: true, version: graphVersion });
    ready = true;
    tell("");
  };
  const script = document.createElement("script");
  script.src = sdkUrl;
  script.async = true;
  script.onerror = () => giveUp();
  document.head.append(script);

  const giveUp = () => {
    if (!ready) tell("unready");
  };
  setTimeout(giveUp, SDK_WAIT_MS);

  const opened = () => {
    document.querySelector("[data-before]").hidden = true;
    document.querySelector("[data-after]").hidden = false;
    button.querySelector("span").textContent = button.dataset.again;
    tell("");
  };

  // From here on the button is what it is without a script: Facebook on this page.
  const blocked = () => {
    ready = false;
    tell("unready");
  };

  // Opened in the click itself: browsers block a window that opens later. Where the SDK is not there (yet), the
  // form goes as a form and Facebook opens on this page.
  const open = (event) => {
    if (!ready) {
      if (!form) {
        event.preventDefault();
        tell("unready");
      }
      return;
    }
    event.preventDefault();
    if (sent) return;
    if (code) {
      complete();
      return;
    }
    opened();
    clickedAt = Date.now();
    clearTimeout(timer);
    message = null; // what an earlier window said is not about this one
    try {
      FB.login(answered, {
        config_id: configId,
        response_type: "code",
        override_default_response_type: true,
        extras: JSON.parse(extras),
      });
    } catch {
      blocked();
    }
  };
  button.addEventListener("click", open);
})();
