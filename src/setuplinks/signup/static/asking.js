// The pages of an open question: they look every few seconds whether it still stands. An answer from another device, a
// number that appears, a lock that ends: the page loads anew. It asks only; what moves the link is a pressed button.
"use strict";

(() => {
  const page = document.querySelector("[data-asks]");
  const EVERY_MS = 3000;

  const ask = async () => {
    if (document.visibilityState === "visible" && !document.querySelector("form[data-sent]")) {
      try {
        const answer = await fetch(page.dataset.statusUrl, {
          headers: { Accept: "application/json" },
          credentials: "same-origin",
          cache: "no-store",
        });
        if (answer.ok && (await answer.json()).asks !== page.dataset.asks) {
          location.replace(page.dataset.ownUrl);
          return;
        }
      } catch {
        // The connection is away for a moment; the question waits for days.
      }
    }
    setTimeout(ask, EVERY_MS);
  };
  setTimeout(ask, EVERY_MS);

  // The PIN's one field over six drawn cells: the next cell stands in ink, and only digits stay.
  const field = document.getElementById("pin");
  if (!field) return;
  const cells = field.parentElement.querySelectorAll("i");
  field.parentElement.classList.add("drawn");
  const draw = () => {
    const digits = field.value.replace(/\D/g, "").slice(0, cells.length);
    if (digits !== field.value) field.value = digits;
    cells.forEach((cell, place) => {
      cell.className = place === Math.min(digits.length, cells.length - 1) ? "next" : "";
    });
    if (digits) field.parentElement.classList.remove("wrong");
  };
  field.addEventListener("input", draw);
  // A PIN that is copied as "481 920" is longer than the field takes.
  field.addEventListener("paste", (event) => {
    event.preventDefault();
    field.value = event.clipboardData.getData("text");
    draw();
  });
  draw();
})();
