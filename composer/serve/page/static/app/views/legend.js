/** Which colour is whose, and how much of the answer each member won. */

import { html } from "../html.js";
import { memo } from "../memo.js";
import { counted, percent } from "../numbers.js";

/** `count` is there so that it is drawn anew as the answer grows. */
export const Legend = memo(({ palette, tokens }) => {
  const wins = winsOf(tokens, palette);
  if (wins.size === 0) return null;
  const isScaled = tokens.some(({ clarity }) => clarity > 0);
  const total = [...wins.values()].reduce((sum, count) => sum + count, 0);
  return html`
    <ul class="legend" aria-label="Who won the tokens">
      ${[...wins].map(
        ([name, count]) => html`<li class=${palette.className(name)} title=${counted(count, "token")}>
          <span class="sample">${name}</span>
          <span class="numbers">${percent(count / total)}</span>
        </li>`,
      )}
      ${
        isScaled &&
        html`<li class="scale">
        by a little
        ${[0, 1, 2, 3].map((level) => html`<span class=${`token m-none clear${level}`} aria-hidden="true">    </span>`)}
        clearly
      </li>`
      }
    </ul>
  `;
});

/**
 * @param {import("../writing.js").WonToken[]} tokens
 * @param {import("../members.js").Palette} palette
 */
function winsOf(tokens, palette) {
  const wins = new Map();
  for (const { winner, isChosen } of tokens) {
    if (palette.has(winner) && !isChosen) wins.set(winner, (wins.get(winner) ?? 0) + 1);
  }
  return wins;
}
