// Done and failed: leaves for the company's page after a few seconds, unless she stays.
"use strict";

(() => {
  const leave = document.querySelector("[data-leave]");
  if (!leave) return;
  const said = leave.querySelector("[data-one]");
  const count = leave.querySelector("[data-count]");
  let left = Number(leave.dataset.seconds);

  const timer = setInterval(() => {
    // A page in the background waits: she may be reading elsewhere what she was connected to.
    if (document.visibilityState === "hidden") return;
    left -= 1;
    if (left > 1) count.textContent = String(left);
    else said.textContent = left === 1 ? said.dataset.one : said.dataset.now;
    if (left <= 0) {
      clearInterval(timer);
      location.assign(leave.dataset.leave);
    }
  }, 1000);

  const stay = () => {
    clearInterval(timer);
    leave.style.visibility = "hidden";
  };
  leave.querySelector("[data-stay]").addEventListener("click", stay);
  // Whoever presses another button or link must not be carried away in the middle of it.
  for (const form of document.querySelectorAll("form")) form.addEventListener("submit", () => clearInterval(timer));
})();
