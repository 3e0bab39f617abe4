/** A bar with its figure. */

import { html } from "../html.js";

/** @param {{share: number, label: string}} props */
export function Bar({ share, label }) {
  return html`<span class="bar-row">
    <span class="share" aria-hidden="true"><span style=${{ width: `${Math.min(100, share * 100)}%` }}></span></span>
    <span class="numbers">${label}</span>
  </span>`;
}
