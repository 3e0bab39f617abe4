/** The members of a fuse beside each other: what each would have written in each place. */

import { differs, memberRows } from "../fused.js";
import { html } from "../html.js";
import { memo } from "../memo.js";
import * as format from "../numbers.js";
import { visible } from "../visible.js";

/** @param {import("../types.js").ViewProps & {call: import("../run.js").Call}} props */
export function FusedMembers({ call, run, palette }) {
  const rows = memberRows(call.writing.tokens);
  if (rows.length === 0) return null;
  return html`
    <p class="quiet">
      The members of ${call.model} read the fused text. Marked is what a member would have written instead.
    </p>
    <div class="members">
      ${rows.map((row) => html`<${FusedMember} key=${row.name} ...${{ row, call, run, palette }} />`)}
    </div>
  `;
}

function FusedMember({ row, call, run, palette }) {
  const { name, weight, asked, same } = row;
  const usage = call.usage[name];
  const facts = [
    asked > 0 ? `agrees ${format.percent(same / asked)}` : "not asked",
    format.rate(call.rate(run.now)),
    usage && format.cost(usage.cost),
  ].filter(Boolean);
  return html`
    <section class=${`card member ${palette.className(name)}`} aria-label=${name}>
      <h3>
        <span class="sample">${name}</span>
        <span class="state numbers">weight ${format.percent(weight)}</span>
      </h3>
      <p class="text" dir="auto">
        ${call.writing.paragraphs.flat().map(
          ({ first, tokens }) => html`<${OwnChunk}
              key=${first}
              tokens=${tokens}
              size=${tokens.length}
              name=${name}
              isFirst=${first === 0}
            />`,
        )}
      </p>
      <p class="quiet numbers">${facts.map((fact) => html`<span class="fact">${fact}</span>`)}</p>
    </section>
  `;
}

const OwnChunk = memo(({ tokens, name, isFirst }) => {
  const texts = tokens.map((token) => ownChoice(token, name));
  if (isFirst && typeof texts[0] === "string") texts[0] = texts[0].trimStart();
  return texts;
});

/** The token where a member agrees, else its own first choice. */
function ownChoice(token, name) {
  const member = token.members.find((each) => each.name === name);
  if (!member || !differs(token, member)) return token.text;
  const [[text, , bytes]] = member.top;
  return html`<mark>${visible({ text, bytes, end: text === "" })}</mark>`;
}
