/** Which member decided how much of a fused answer, and where members disagreed. */

import { html } from "../html.js";
import { counted, percent } from "../numbers.js";
import { visible } from "../visible.js";
import { isSame } from "../writing.js";
import { Bar } from "./bar_row.js";

/** So many of the tokens are listed about which members disagreed, the closest first. */
const LISTED = 8;

/** @param {{store: import("../store.js").Store, turn: import("../store.js").Turn, palette: import("../members.js").Palette}} props */
export function Wins({ store, turn, palette }) {
  const { tokens } = store.writingOf(turn);
  const fused = tokens.map((token, index) => ({ token, index })).filter(({ token }) => token.members.length > 1);
  if (fused.length === 0) return null;
  const rows = summed(fused);
  const disputed = fused
    .filter(({ token }) => token.members.some((member) => differs(token, member)))
    .sort((one, other) => one.token.clarity - other.token.clarity);
  return html`
    <section class="card">
      <h3>Who decided ${counted(fused.length, "token")}</h3>
      <table class="bars">
        <thead>
          <tr>
            <th scope="col">Member</th>
            <th scope="col">Tokens won</th>
            <th scope="col" class="numbers">Weight</th>
            <th scope="col" class="numbers">Agrees</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ({ name, wins, weight, same }) => html`<tr class=${palette.className(name)}>
              <th scope="row"><span class="sample">${name}</span></th>
              <td><${Bar} share=${wins / fused.length} label=${String(wins)} /></td>
              <td class="numbers">${percent(weight / fused.length)}</td>
              <td class="numbers">${percent(same / fused.length)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
      <p class="quiet">Weight is the mean; a member agrees where the token is its own first choice.</p>
      ${disputed.length > 0 &&
      html`<h4>Where a member would have written something else${disputed.length > LISTED ? `, the closest ${LISTED} of ${disputed.length}` : ""}</h4>
        <ul class="disputes">
          ${disputed
            .slice(0, LISTED)
            .map(({ token, index }) => html`<li><${Dispute} ...${{ store, turn, token, index, palette }} /></li>`)}
        </ul>`}
    </section>
  `;
}

/** A token, and who would have written what instead; it opens the token's panel. */
function Dispute({ store, turn, token, index, palette }) {
  const open = () => store.set({ token: { turn, index, pinned: true } });
  return html`<button type="button" onClick=${open}>
    <code>${visible(token)}</code>
    ${token.members
      .filter((member) => differs(token, member))
      .map(
        ({ name, top: [[text, , bytes]] }) => html`<span class=${`sample ${palette.className(name)}`}
          >${name} <code>${visible({ text, bytes, end: text === "" })}</code></span
        >`,
      )}
  </button>`;
}

/** Whether a member's own first choice is another token. */
function differs(token, { top }) {
  return top.length > 0 && !isSame(token, top[0]);
}

/** What each member did over all tokens. */
function summed(fused) {
  const rows = new Map();
  for (const { token } of fused) {
    for (const { name, weight, top } of token.members) {
      if (!rows.has(name)) rows.set(name, { name, wins: 0, weight: 0, same: 0 });
      const row = rows.get(name);
      row.wins += token.winner === name ? 1 : 0;
      row.weight += weight;
      row.same += top.length > 0 && isSame(token, top[0]) ? 1 : 0;
    }
  }
  return [...rows.values()];
}
