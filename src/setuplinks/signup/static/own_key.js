// The customer's own key: copies it, by the clipboard or, where there is none, by the field that holds it.
"use strict";

(() => {
  const copy = async (field) => {
    try {
      await navigator.clipboard.writeText(field.value);
      return true;
    } catch {
      field.focus();
      field.setSelectionRange(0, field.value.length);
      try {
        return document.execCommand("copy");
      } catch {
        return false;
      }
    }
  };

  for (const button of document.querySelectorAll("[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    const said = document.querySelector(`[data-copied="${button.dataset.copy}"]`);
    button.addEventListener("click", async () => {
      const copied = await copy(field);
      said.querySelector("[data-yes]").hidden = !copied;
      said.querySelector("[data-no]").hidden = copied;
      said.hidden = false;
    });
    field.addEventListener("focus", () => field.select());
  }
})();
