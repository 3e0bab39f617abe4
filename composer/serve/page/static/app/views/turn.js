/** A question with its answer. */

import { useEffect, useRef, useState } from "preact/hooks";
import * as format from "../numbers.js";
import { html } from "../html.js";
import { traceAddress } from "../store.js";
import { Answer } from "./answer.js";
import { grow, sendsWith } from "./ask_form.js";

/** @param {{store: import("../store.js").Store, turn: import("../store.js").Turn}} props */
export function TurnView({ store, turn }) {
  const inFocus = turn === store.inFocus;
  return html`
    <article class=${`turn ${inFocus ? "in-focus" : ""}`}>
      <${Question} store=${store} turn=${turn} />
      ${
        turn.run
          ? html`<${Answer} store=${store} turn=${turn} />`
          : html`<div class="answer past"><p class="tokens" dir="auto">${turn.pastAnswer}</p></div>`
      }
      ${turn.run && html`<${Facts} store=${store} turn=${turn} inFocus=${inFocus} />`}
    </article>
  `;
}

function Question({ store, turn }) {
  const [editing, setEditing] = useState(false);
  if (editing) return html`<${Edit} store=${store} turn=${turn} close=${() => setEditing(false)} />`;
  return html`
    <div class="question">
      <h2 dir="auto">${turn.question}</h2>
      <div class="question-tools">
        <${Branches} store=${store} turn=${turn} />
        <button type="button" class="plain" disabled=${store.running} onClick=${() => setEditing(true)}>
          Edit
        </button>
      </div>
    </div>
  `;
}

/** Versions of a turn: questions that were edited, and answers that went on from another token. */
function Branches({ store, turn }) {
  const { turns } = turn.parent;
  if (turns.length === 1) return null;
  const number = turns.indexOf(turn) + 1;
  return html`
    <span class="branches" role="group" aria-label="Versions">
      <button type="button" class="plain" aria-label="Version before" onClick=${() => store.switchBranch(turn, -1)}>
        ‹
      </button>
      <span class="numbers">${number} / ${turns.length}</span>
      <button type="button" class="plain" aria-label="Version after" onClick=${() => store.switchBranch(turn, 1)}>
        ›
      </button>
    </span>
  `;
}

function Edit({ store, turn, close }) {
  const [text, setText] = useState(turn.question);
  const field = useRef(null);
  useEffect(() => field.current.select(), []);
  useEffect(() => grow(field.current), [text]);
  const send = (event) => {
    event.preventDefault();
    if (!text.trim()) return;
    close();
    store.askInstead(turn, text);
  };
  const press = (event) => {
    if (sendsWith(event)) send(event);
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
  };
  return html`
    <form class="edit" onSubmit=${send}>
      <textarea
        ref=${field}
        rows="1"
        dir="auto"
        aria-label="Edit the question"
        value=${text}
        onInput=${(event) => setText(event.currentTarget.value)}
        onKeyDown=${press}
      ></textarea>
      <button type="submit" class="primary">Ask again</button>
      <button type="button" onClick=${close}>Cancel</button>
    </form>
  `;
}

/** What the answer took, and where it can be found again. */
function Facts({ store, turn, inFocus }) {
  const { run } = turn;
  const usage = Object.values(run.result?.members ?? {});
  const call = store.answering(turn);
  const facts = [
    run.running ? null : format.duration(run.result?.seconds ?? run.now),
    call?.count > 0 && format.counted(call.count, "token"),
    call?.count > 0 && format.rate(call.rate(run.now)),
    usage.length > 0 && format.cost(usage.reduce((sum, each) => sum + each.cost, 0)),
    run.result?.confidence != null && `confidence ${run.result.confidence.toFixed(2)}`,
    run.seed !== null && `seed ${run.seed}`,
  ].filter(Boolean);
  return html`
    <footer class="facts">
      <span class="numbers">${facts.map((fact) => html`<span class="fact">${fact}</span>`)}</span>
      <span class="tools">
        ${
          !inFocus &&
          html`<button type="button" class="plain" onClick=${() => store.set({ focus: turn })}>Look inside</button>`
        }
        ${run.trace && html`<${TraceTools} id=${run.trace} store=${store} running=${run.running} />`}
      </span>
    </footer>
  `;
}

function TraceTools({ store, id, running }) {
  const [outcome, setOutcome] = useState("");
  const copy = async () => {
    const text = await copied(String(traceAddress(id)));
    setOutcome(text);
    store.set({ announcement: text });
    setTimeout(() => setOutcome(""), 3000);
  };
  return html`
    <button type="button" class="plain" onClick=${copy}>${outcome || "Copy link"}</button>
    <button type="button" class="plain" disabled=${running} onClick=${() => store.download(id)}>Save JSON</button>
  `;
}

/** Copy a text; browsers allow that only on this machine or over HTTPS. @param {string} text */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    return "Copy it from the address bar";
  }
}
