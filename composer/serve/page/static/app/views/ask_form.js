/** The form that asks: the model, the question, and options folded away. */

import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";

const FIELDS = {
  temperature: { label: "Temperature", min: 0, step: "any" },
  max_tokens: { label: "Most tokens", min: 1, step: 1 },
  seed: { label: "Seed", step: 1 },
};

/** @param {{store: import("../store.js").Store}} props */
export function AskForm({ store }) {
  const [question, setQuestion] = useState("");
  const field = useRef(null);
  useEffect(() => grow(field.current), [question]);
  const send = (event) => {
    event.preventDefault();
    if (!question.trim() || !store.model || store.running) return;
    store.ask(question);
    setQuestion("");
  };
  return html`
    <form class="ask" onSubmit=${send}>
      <div class="ask-box">
        <textarea
          id="question"
          ref=${field}
          rows="1"
          dir="auto"
          aria-label="Question"
          placeholder="Ask the ensemble"
          value=${question}
          onInput=${(event) => setQuestion(event.currentTarget.value)}
          onKeyDown=${(event) => sendsWith(event) && send(event)}
        ></textarea>
        <div class="ask-row">
          <${ModelChoice} store=${store} />
          <span class="grow"></span>
          <span class="quiet hint"><kbd>Enter</kbd> sends</span>
          ${
            store.running
              ? html`<button type="button" onClick=${() => store.stop()}>Stop</button>`
              : html`<button type="submit" class="primary" disabled=${!question.trim()}>Ask</button>`
          }
        </div>
      </div>
      <${Options} store=${store} />
    </form>
  `;
}

/** Whether a key sends the question; not while letters are being composed, as in Japanese. */
export function sendsWith(event) {
  return event.key === "Enter" && !event.shiftKey && !event.isComposing;
}

/** Make a field as high as its text. @param {HTMLTextAreaElement} field */
export function grow(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, 240)}px`;
}

function ModelChoice({ store }) {
  return html`
    <label class="model">
      <span class="quiet">Model</span>
      <select value=${store.model} onChange=${(event) => store.set({ model: event.currentTarget.value })}>
        ${store.models.map(({ id }) => html`<option value=${id}>${id}</option>`)}
      </select>
    </label>
  `;
}

function Options({ store }) {
  const set = Object.values(store.options).filter((value) => value.trim()).length;
  const count = set + (store.system.trim() ? 1 : 0);
  return html`
    <details class="options">
      <summary>Options${count > 0 && html` <span class="count">${count} set</span>`}</summary>
      <div class="option-fields">
        ${Object.entries(FIELDS).map(([name, field]) => html`<${NumberField} store=${store} name=${name} ...${field} />`)}
        <label class="wide">
          System message
          <textarea
            rows="2"
            dir="auto"
            value=${store.system}
            onInput=${(event) => store.set({ system: event.currentTarget.value })}
          ></textarea>
        </label>
      </div>
    </details>
  `;
}

function NumberField({ store, name, label, min, step }) {
  const refusal = store.served?.refused[name];
  const change = (event) => store.set({ options: { ...store.options, [name]: event.currentTarget.value } });
  return html`
    <label>
      ${label}
      <input
        type="number"
        min=${min}
        step=${step}
        placeholder="as the recipe says"
        value=${store.options[name]}
        disabled=${Boolean(refusal)}
        onInput=${change}
      />
      ${refusal && html`<small>${refusal}</small>`}
    </label>
  `;
}
