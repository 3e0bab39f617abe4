/** An answer, token by token, each in the colour of the member that won it. */

import { html } from "../html.js";
import { memo } from "../memo.js";
import { counted } from "../numbers.js";
import { tokenHandlers } from "../token_moves.js";
import { Legend } from "./legend.js";

/** From so much of a lead on, a token's tint is stronger. */
const CLEARLY = [0.15, 0.5, 0.85];

/** @param {{store: import("../store.js").Store, turn: import("../store.js").Turn}} props */
export function Answer({ store, turn }) {
  const { run } = turn;
  const writing = store.writingOf(turn);
  const value = run.result && readValue(run);
  return html`
    <div class="answer" aria-busy=${run.running}>
      ${value && html`<p class="value" dir="auto"><span class="label">Answer</span>${value}</p>`}
      ${
        writing.tokens.length > 0
          ? html`<${Tokens} store=${store} turn=${turn} writing=${writing} />`
          : html`<${NoTokens} run=${run} />`
      }
      ${run.error && html`<${RunError} error=${run.error} />`}
      ${run.stopped && html`<p class="quiet">Stopped.</p>`}
      <${Legend} palette=${store.palette(run.model)} tokens=${writing.tokens} count=${writing.tokens.length} />
    </div>
  `;
}

/** What was read out of the answer's text, where that is not the text itself. */
function readValue({ result, answer }) {
  return result.answer !== null && result.answer.trim() !== answer?.trim() ? result.answer : null;
}

function RunError({ error }) {
  return html`
    <div class="trouble" role="alert">
      <p>${error.message}</p>
      ${error.code && html`<p class="quiet">${error.code}</p>`}
    </div>
  `;
}

/** What stands where the tokens will be. */
function NoTokens({ run }) {
  if (run.answer !== null) return html`<p class="tokens" dir="auto">${run.answer.trim()}</p>`;
  if (!run.running) return null;
  const count = run.writers.filter((call) => call.ended === null).length;
  const text = count > 0 ? `${counted(count, "model")} writing` : "Working";
  return html`<p class="quiet waiting">${text}<span class="dots" aria-hidden="true"></span></p>`;
}

function Tokens({ store, turn, writing }) {
  const { run } = turn;
  const active = store.token?.turn === turn ? store.token.index : -1;
  const isDraft = run.running && run.answer === null;
  return html`
    <div
      class=${`tokens ${isDraft ? "draft" : ""}`}
      role="group"
      tabindex="0"
      aria-label="Answer. Arrow keys move over its tokens, Enter opens one."
      aria-activedescendant=${active >= 0 ? `token-${turn.id}-${active}` : undefined}
      ...${tokenHandlers(store, turn)}
    >
      ${writing.paragraphs.map(
        (chunks, place) => html`<${Paragraph}
          key=${place}
          turn=${turn.id}
          chunks=${chunks}
          size=${sizeOf(chunks)}
          palette=${store.palette(run.model)}
          active=${holds(chunks, active) ? active : -1}
        />`,
      )}
    </div>
  `;
}

function sizeOf(chunks) {
  return chunks.reduce((sum, chunk) => sum + chunk.tokens.length, 0);
}

function holds(chunks, index) {
  return chunks.some(({ first, tokens }) => index >= first && index < first + tokens.length);
}

const Paragraph = memo(
  ({ turn, chunks, palette, active }) => html`
  <p dir="auto">
    ${chunks.map(
      (chunk, place) => html`<${ChunkView}
        key=${place}
        turn=${turn}
        chunk=${chunk}
        size=${chunk.tokens.length}
        palette=${palette}
        active=${holds([chunk], active) ? active : -1}
      />`,
    )}
  </p>
`,
);

const ChunkView = memo(({ turn, chunk, palette, active }) =>
  chunk.tokens.map((token, place) => {
    const index = chunk.first + place;
    const isActive = index === active;
    return html`<span
      id=${`token-${turn}-${index}`}
      data-index=${index}
      class=${classes(token, palette, isActive)}
    >${shown(token, index)}</span>`;
  }),
);

/** A token as it stands in the answer, which does not begin with a space. */
function shown({ text, end }, index) {
  if (end) return "end";
  return index === 0 ? text.trimStart() : text;
}

/** @param {import("../writing.js").WonToken} token */
function classes(token, palette, isActive) {
  const level = CLEARLY.filter((clarity) => token.clarity >= clarity).length;
  const flags = [isActive && "active", token.isChosen && "chosen", token.isCut && "cut", token.end && "end"];
  return ["token", palette.className(token.winner), `clear${level}`, ...flags].filter(Boolean).join(" ");
}
