/** The whole page: a bar, the conversation, what is behind the answer, and dialogs. */

import { useEffect, useLayoutEffect, useReducer, useRef } from "preact/hooks";
import { html } from "../html.js";
import { AskForm } from "./ask_form.js";
import { Bar } from "./bar.js";
import { KeyDialog, ShortcutsDialog } from "./dialogs.js";
import { Inspector } from "./inspector.js";
import { TokenPanel } from "./token_panel.js";
import { TurnView } from "./turn.js";

/** @param {{store: import("../store.js").Store}} props */
export function App({ store }) {
  const [, draw] = useReducer((count) => count + 1, 0);
  useEffect(() => store.subscribe(draw), [store]);
  return html`
    <${Bar} store=${store} />
    <main class="page">
      <section class="conversation" aria-label="Conversation">
        <${Conversation} store=${store} />
        <${AskForm} store=${store} />
      </section>
      <${Inspector} store=${store} />
    </main>
    <${TokenPanel} store=${store} />
    <p class="for-readers" role="status" aria-live="polite">${store.announcement}</p>
    ${store.dialog === "key" && html`<${KeyDialog} store=${store} />`}
    ${store.dialog === "shortcuts" && html`<${ShortcutsDialog} store=${store} />`}
  `;
}

/** A reader within so many pixels of the end sees the end of what is written. */
const NEAR_END = 48;

function Conversation({ store }) {
  const turns = store.path;
  const room = useRef(null);
  const isAtEnd = useRef(true);
  const watch = ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_END;
  };
  useLayoutEffect(() => {
    if (store.running && isAtEnd.current) room.current.scrollTop = room.current.scrollHeight;
  });
  return html`
    <div class="turns" ref=${room} onScroll=${watch}>
      ${store.trouble && html`<${Trouble} store=${store} ...${store.trouble} />`}
      ${turns.length === 0 && !store.trouble && !store.loading && html`<${Welcome} store=${store} />`}
      ${turns.map((turn) => html`<${TurnView} key=${turn.id} store=${store} turn=${turn} />`)}
    </div>
  `;
}

function Trouble({ store, title, text }) {
  return html`
    <div class="trouble" role="alert">
      <h2>${title}</h2>
      <p>${text}</p>
      <button type="button" onClick=${() => store.clear()}>Begin a new conversation</button>
    </div>
  `;
}

/** What is seen before the first question. */
function Welcome({ store }) {
  const { served } = store;
  if (!served) return html`<p class="quiet">This server serves no model.</p>`;
  return html`
    <div class="welcome">
      <h2>${served.id}</h2>
      <p>${introduction(served)}</p>
      ${
        served.example &&
        html`<button type="button" class="example" onClick=${() => store.ask(served.example)}>
        <span class="quiet">Ask its example</span>
        ${served.example}
      </button>`
      }
    </div>
  `;
}

/** @param {import("../types.js").ServedModel} served */
function introduction({ members }) {
  if (members.length === 1) return `One model, ${members[0]}, answers.`;
  const last = members.at(-1);
  return `An ensemble of ${members.slice(0, -1).join(", ")} and ${last}.`;
}
