/** Dialogs: the key of the server, and the list of shortcuts. */

import { useEffect, useRef, useState } from "preact/hooks";
import { keepKey } from "../api.js";
import { html } from "../html.js";
import { setSingleKeys, SHORTCUTS, singleKeys } from "../keys.js";

function Dialog({ store, title, children }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`
    <dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${() => store.set({ dialog: null })}>
      <h2 id="dialog-title">${title}</h2>
      ${children}
    </dialog>
  `;
}

/** @param {{store: import("../store.js").Store}} props */
export function KeyDialog({ store }) {
  const [key, setKey] = useState("");
  const send = (event) => {
    event.preventDefault();
    keepKey(key);
    store.set({ dialog: null });
    store.begin();
  };
  return html`
    <${Dialog} store=${store} title="This server asks for a key">
      <form class="key" onSubmit=${send}>
        <label>
          Key
          <input
            type="password"
            autocomplete="off"
            autofocus
            value=${key}
            onInput=${(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <p class="quiet">It stays in this tab and is forgotten when the tab is closed.</p>
        <button type="submit" class="primary" disabled=${!key}>Go on</button>
      </form>
    <//>
  `;
}

/** @param {{store: import("../store.js").Store}} props */
export function ShortcutsDialog({ store }) {
  const [on, setOn] = useState(singleKeys());
  const change = (event) => {
    setSingleKeys(event.currentTarget.checked);
    setOn(event.currentTarget.checked);
  };
  return html`
    <${Dialog} store=${store} title="Keyboard">
      <dl class="shortcuts">
        ${SHORTCUTS.map(
          ([keys, meaning]) => html`<dt><kbd>${keys}</kbd></dt>
            <dd>${meaning}</dd>`,
        )}
      </dl>
      <label class="check">
        <input type="checkbox" checked=${on} onChange=${change} />
        Keys without Ctrl or Alt do something
      </label>
      <form method="dialog"><button class="primary">Close</button></form>
    <//>
  `;
}
