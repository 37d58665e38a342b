// The finishing page: asks every second how far the server is, moves the step list, leaves when told where to.
"use strict";

(() => {
  const page = document.getElementById("finishing");
  const EVERY_MS = 1000;
  const slowAfterMs = Number(page.dataset.slowAfter) * 1000;
  const began = Date.now();

  const show = (step) => {
    const line = page.querySelector(`[data-key="${CSS.escape(step.key)}"]`);
    if (!line || line.className === step.state) return;
    // The list is a polite live region: what does not change is not touched, so only the new line is spoken.
    line.className = step.state;
    line.querySelector("b").textContent = step.title;
    line.querySelector("time").textContent = step.time || "";
    const word = line.querySelector("[data-word]");
    word.textContent = word.dataset[step.state];
    const detail = line.querySelector("[data-detail]");
    detail.textContent = "";
    if (step.detail) {
      const text = document.createElement(step.detailIsNumber ? "bdi" : "span");
      if (step.detailIsNumber) {
        text.className = "number";
        text.dir = "ltr";
      }
      text.textContent = step.detail;
      detail.append(text);
    }
  };

  const slow = () => {
    page.querySelector("[data-quick]").hidden = true;
    page.querySelector("[data-slow]").hidden = false;
  };

  const ask = async () => {
    try {
      const answer = await fetch(page.dataset.statusUrl, {
        headers: { Accept: "application/json" },
        credentials: "same-origin",
        cache: "no-store",
      });
      if (answer.ok) {
        const status = await answer.json();
        for (const step of status.steps || []) show(step);
        if (status.location) {
          location.replace(status.location);
          return;
        }
      }
    } catch {
      // The connection is away for a moment; the work goes on without this page, and the next call will tell.
    }
    if (Date.now() - began >= slowAfterMs) slow();
    setTimeout(ask, EVERY_MS);
  };

  setTimeout(ask, EVERY_MS);
})();
