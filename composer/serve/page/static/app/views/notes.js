/** What a step noted, whatever it is. */

import { html } from "../html.js";
import { figure } from "../numbers.js";

/** @param {{notes: Record<string, any>}} props */
export function Notes({ notes }) {
  return html`
    <dl class="notes">
      ${Object.entries(notes).map(
        ([name, value]) => html`<dt>${name}</dt>
          <dd><${Value} value=${value} /></dd>`,
      )}
    </dl>
  `;
}

function Value({ value }) {
  if (Array.isArray(value)) {
    return html`<ul>${value.map((each) => html`<li><${Value} value=${each} /></li>`)}</ul>`;
  }
  if (value !== null && typeof value === "object") return html`<${Notes} notes=${value} />`;
  if (typeof value === "number") return html`<span class="numbers">${figure(value)}</span>`;
  return html`<span dir="auto">${value === null ? "none" : String(value)}</span>`;
}
