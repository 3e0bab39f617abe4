/** The bar at the top: what this is, a new conversation, the theme, and the list of shortcuts. */

import { useState } from "preact/hooks";
import { html } from "../html.js";

const THEMES = { system: "Auto", light: "Light", dark: "Dark" };

/** @param {{store: import("../store.js").Store}} props */
export function Bar({ store }) {
  return html`
    <header class="bar">
      <h1 class="brand"><${Mark} />Ensemble Composer</h1>
      <span class="grow"></span>
      <button type="button" onClick=${() => store.clear()}>New</button>
      <${ThemeSwitch} />
      <button
        type="button"
        class="square"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts"
        onClick=${() => store.set({ dialog: "shortcuts" })}
      >
        ?
      </button>
    </header>
  `;
}

function Mark() {
  return html`
    <svg class="mark" viewBox="0 0 24 16" width="24" height="16" aria-hidden="true">
      <path d="M3 3h4c5 0 5 5 11 5M3 13h4c5 0 5-5 11-5M3 8h15" />
      <circle class="m1" cx="3" cy="3" r="2.5" />
      <circle class="m2" cx="3" cy="8" r="2.5" />
      <circle class="m3" cx="3" cy="13" r="2.5" />
      <circle class="end" cx="20" cy="8" r="3" />
    </svg>
  `;
}

/** Light, dark, or what the system prefers. */
function ThemeSwitch() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "system");
  const choose = (event) => {
    const next = event.currentTarget.value;
    if (next === "system") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem("theme");
    } else {
      document.documentElement.dataset.theme = next;
      localStorage.setItem("theme", next);
    }
    setTheme(next);
  };
  return html`
    <label class="theme">
      <span class="for-readers">Theme</span>
      <select value=${theme} onChange=${choose}>
        ${Object.entries(THEMES).map(([value, name]) => html`<option value=${value}>${name}</option>`)}
      </select>
    </label>
  `;
}
