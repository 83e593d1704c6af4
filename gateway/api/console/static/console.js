"use strict";
// Keys for the buttons of a page: `data-key` names them, `?` lists them. Everything works without this file.
// A key only moves to its button, and Enter presses it: a key that is hit twice decides nothing on the page after.
(() => {
  const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
  const buttons = () => [...document.querySelectorAll("button[data-key]")];

  const list = () => {
    let dialog = document.querySelector("dialog.keys");
    if (dialog === null) {
      dialog = document.createElement("dialog");
      dialog.className = "keys";
      const heading = document.createElement("h2");
      heading.id = "keys";
      heading.textContent = "Keys of this page";
      dialog.setAttribute("aria-labelledby", "keys");
      const rows = document.createElement("dl");
      for (const button of buttons()) {
        const key = document.createElement("dt");
        const act = document.createElement("dd");
        key.textContent = button.dataset.key;
        const own = button.querySelector("kbd");
        act.textContent = button.textContent.trim().slice(own === null ? 0 : own.textContent.length).trim();
        rows.append(key, act);
      }
      if (rows.children.length === 0) rows.textContent = "This page has none.";
      const close = document.createElement("button");
      close.textContent = "Close";
      close.addEventListener("click", () => dialog.close());
      const how = document.createElement("p");
      how.textContent = "A key chooses its button; Enter presses it.";
      dialog.append(heading, how, rows, close);
      document.body.append(dialog);
    }
    dialog.showModal();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (typing(event.target) || document.querySelector("dialog[open]") !== null) return;
    if (event.key === "?") {
      list();
      return;
    }
    const button = buttons().find((one) => one.dataset.key === event.key);
    if (button !== undefined) {
      event.preventDefault();
      button.focus();
    }
  });
})();
