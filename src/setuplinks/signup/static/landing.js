// Landing and the other pages with a form: the opened-beacon, and a button that is pressed once.
// Nothing here starts anything by itself: the beacon is analytics, forms go only when a person presses.
"use strict";

(() => {
  const page = document.querySelector("[data-beacon]");

  // Mail scanners and chat previews load pages too, mostly unseen: only a page that a person can see counts.
  if (page) {
    const VISIBLE_MS = 1000;
    let told = false;
    let timer = 0;

    const tell = () => {
      if (told) return;
      told = true;
      clearTimeout(timer);
      navigator.sendBeacon(page.dataset.beacon);
    };
    const watch = () => {
      clearTimeout(timer);
      if (document.visibilityState === "visible") timer = setTimeout(tell, VISIBLE_MS);
    };

    document.addEventListener("visibilitychange", watch);
    for (const kind of ["pointerdown", "keydown", "touchstart"]) {
      addEventListener(kind, tell, { once: true, passive: true });
    }
    addEventListener("submit", tell, { once: true });
    watch();
  }

  const rest = () => {
    for (const button of document.querySelectorAll("button[data-label]")) {
      button.querySelector("span").textContent = button.dataset.label;
      button.removeAttribute("aria-disabled");
      delete button.dataset.label;
    }
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  };

  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) {
        event.preventDefault();
        return;
      }
      form.dataset.sent = "yes";
      for (const button of document.querySelectorAll("button[data-sending]")) {
        const label = button.querySelector("span");
        button.dataset.label = label.textContent;
        label.textContent = button.dataset.sending;
        button.setAttribute("aria-disabled", "true");
      }
    });
  }

  // Back from Facebook by the browser's own button: the kept page must be usable again.
  addEventListener("pageshow", (event) => {
    if (event.persisted) rest();
  });
})();
