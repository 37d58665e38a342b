// Inside another app: copies the link, by the clipboard or, in apps that have none, by the field that holds it.
"use strict";

(() => {
  const button = document.querySelector("[data-copy]");
  const field = document.getElementById(button.dataset.copy);
  const byHand = document.querySelector("[data-copy-by-hand]");
  byHand.hidden = true;

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      return true;
    } catch {
      byHand.hidden = false;
      field.focus();
      field.setSelectionRange(0, field.value.length);
      try {
        return document.execCommand("copy");
      } catch {
        return false;
      }
    }
  };

  button.addEventListener("click", async () => {
    const copied = await copy();
    document.querySelector("[data-copied]").hidden = !copied;
    byHand.hidden = copied;
  });
})();
