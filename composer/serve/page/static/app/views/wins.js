/** Which member decided how much of a fused answer, and where members disagreed. */

import { decided, differs, memberRows } from "../fused.js";
import { html } from "../html.js";
import { counted, percent } from "../numbers.js";
import { visible } from "../visible.js";
import { Bar } from "./bar_row.js";

/** So many of the tokens are listed about which members disagreed, the closest first. */
const LISTED = 8;

/** @param {import("../types.js").ViewProps} props */
export function Wins({ store, turn, palette }) {
  const { tokens } = store.writingOf(turn);
  const count = decided(tokens).length;
  if (count === 0) return null;
  const rows = memberRows(tokens);
  const disputed = tokens
    .map((token, index) => ({ token, index }))
    .filter(({ token }) => token.members.some((member) => differs(token, member)))
    .sort((one, other) => one.token.clarity - other.token.clarity);
  return html`
    <section class="card">
      <h3>Who decided ${counted(count, "token")}</h3>
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
            ({ name, wins, weight, asked, same }) => html`<tr class=${palette.className(name)}>
              <th scope="row"><span class="sample">${name}</span></th>
              <td><${Bar} share=${wins / count} label=${String(wins)} /></td>
              <td class="numbers">${percent(weight)}</td>
              <td class="numbers">${asked > 0 ? percent(same / asked) : "not asked"}</td>
            </tr>`,
          )}
        </tbody>
      </table>
      <p class="quiet">Weight is the mean; a member agrees where the token is its own first choice.</p>
      ${
        disputed.length > 0 &&
        html`<h4>Where a member would have written something else${listed(disputed.length)}</h4>
        <ul class="disputes">
          ${disputed
            .slice(0, LISTED)
            .map(
              ({ token, index }) =>
                html`<li><${Dispute} ...${{ store, turn, token, index, palette }} /></li>`,
            )}
        </ul>`
      }
    </section>
  `;
}

/** How many are listed, where that is not all of them. @param {number} count */
function listed(count) {
  return count > LISTED ? `, the closest ${LISTED} of ${count}` : "";
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
