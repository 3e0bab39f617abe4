/** The panel of a token: what the fuse and each member would have written, and the weights. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { closePanel } from "../keys.js";
import { percent } from "../numbers.js";
import { leave, stay } from "../token_moves.js";
import { visible } from "../visible.js";
import { isSame } from "../writing.js";

/** Pixels between a token and its panel, and between the panel and the window's edge. */
const GAP = 8;

/** @param {{store: import("../store.js").Store}} props */
export function TokenPanel({ store }) {
  const panel = useRef(null);
  const { token: open } = store;
  const token = open && store.writingOf(open.turn).tokens[open.index];
  useLayoutEffect(() => {
    if (token) place(panel.current, document.getElementById(`token-${open.turn.id}-${open.index}`));
  });
  if (!token) return null;
  const palette = store.palette(open.turn.run.model);
  const goOn = (text) => {
    store.goOn(open.turn, open.index, text);
    document.getElementById("question").focus(); // the panel, which had the focus, is closed
  };
  const refusal = store.servedAs(open.turn.run.model)?.refused.prefix;
  const props = { token, palette, goOn: refusal || store.running ? null : goOn };
  return html`
    <section
      id="token-panel"
      ref=${panel}
      class=${`panel ${open.pinned ? "pinned" : ""}`}
      aria-label="Token"
      onPointerEnter=${stay}
      onPointerLeave=${() => leave(store)}
    >
      <header>
        <h3><code>${visible(token)}</code></h3>
        <p class="quiet" aria-live="polite">${summary(token, open.index)}</p>
        <button type="button" class="plain square" aria-label="Close" onClick=${() => closePanel(store)}>×</button>
      </header>
      ${token.span ? html`<${SpanTable} ...${props} />` : html`<${TokenTable} ...${props} />`}
      ${
        refusal &&
        html`<details class="quiet hint"><summary>No other token can be chosen here</summary>${refusal}</details>`
      }
    </section>
  `;
}

/** Put the panel below its token, or above where there is more room. On small screens CSS does. */
function place(panel, token) {
  if (!token || getComputedStyle(panel).position !== "fixed" || innerWidth <= 640) {
    panel.style.cssText = "";
    return;
  }
  const at = token.getBoundingClientRect();
  const { width, height } = panel.getBoundingClientRect();
  const isAbove = at.bottom + GAP + height > innerHeight && at.top > innerHeight - at.bottom;
  const top = isAbove ? Math.max(GAP, at.top - GAP - height) : at.bottom + GAP;
  panel.style.top = `${top}px`;
  panel.style.left = `${Math.max(GAP, Math.min(at.left - 24, innerWidth - width - GAP))}px`;
  panel.style.maxHeight = `${isAbove ? at.top - 2 * GAP : innerHeight - top - GAP}px`;
}

/** Who won, and how. */
function summary(token, index) {
  const place = `Token ${index + 1}`;
  if (token.isChosen) return `${place}, chosen by you`;
  if (token.shares.length < 2) return token.winner ? `${place}, written by ${token.winner}` : place;
  const sum = token.shares.reduce((total, { share }) => total + share, 0);
  const [{ share }] = token.shares;
  return `${place}, won by ${token.winner} with ${percent(share / sum)} of weight × probability`;
}

function TokenTable({ token, palette, goOn }) {
  if (token.top.length === 0 && token.members.length === 0) {
    return html`<p class="quiet">Nothing more is known of it: its model tells only its text.</p>`;
  }
  const name = token.members.length > 0 ? "Fused" : token.winner;
  const count = token.members.length + (token.top.length > 0 ? 1 : 0);
  return html`
    <div class="columns" style=${{ "--columns": count }}>
      ${
        token.top.length > 0 &&
        html`<${Column} title=${name} token=${token} top=${token.top} className="m-none" goOn=${goOn} />`
      }
      ${token.members.map(
        (member) => html`<${Column}
          title=${member.name}
          weight=${member.weight}
          token=${token}
          top=${member.top}
          className=${palette.className(member.name)}
          goOn=${goOn}
        />`,
      )}
    </div>
    ${goOn && html`<p class="quiet hint">Choose another token to go on from there. This answer stays.</p>`}
  `;
}

function Column({ title, weight, token, top, className, goOn }) {
  return html`
    <div class=${`column ${className}`}>
      <h4>
        <span class="sample">${title}</span>
        ${weight !== undefined && html`<span class="numbers">weight ${percent(weight)}</span>`}
      </h4>
      <${Bar} share=${weight ?? 0} kind=${weight === undefined ? "none" : "weight"} />
      <ol>
        ${top.map((likely) => html`<li><${Row} token=${token} likely=${likely} goOn=${goOn} /></li>`)}
        ${top.length === 0 && html`<li class="quiet">not asked here</li>`}
      </ol>
    </div>
  `;
}

function Row({ token, likely, goOn }) {
  const [text, logprob, bytes] = likely;
  const share = Math.exp(logprob);
  const same = isSame(token, likely);
  const end = text === "" && !bytes;
  const content = html`
    <code>${visible({ text, bytes, end })}</code>
    <${Bar} share=${share} />
    <span class="numbers">${percent(share)}</span>
  `;
  const classes = `likely ${same ? "same" : ""}`;
  if (!goOn || same || end || bytes) return html`<div class=${classes}>${content}</div>`;
  return html`<button type="button" class=${classes} onClick=${() => goOn(text)}>${content}</button>`;
}

function Bar({ share, kind = "" }) {
  return html`<span class=${`share ${kind}`} aria-hidden="true">
    <span style=${{ width: `${Math.min(100, share * 100)}%` }}></span>
  </span>`;
}

/** What each member of a span fuse proposed, its weight, and how every member scored it. */
function SpanTable({ token, palette }) {
  const { candidates, scores, weights } = token.span;
  const weighed = Object.keys(weights).length > 0;
  const names = Object.keys(candidates);
  const judges = [...new Set(names.flatMap((name) => Object.keys(scores[name] ?? {})))];
  return html`
    <div class="table-room">
      <table>
        <thead>
          <tr>
            <th scope="col">Proposed by</th>
            <th scope="col">Span</th>
            ${weighed && html`<th scope="col" class="numbers">Weight</th>`}
            ${judges.map((judge) => html`<th scope="col" class="numbers">${judge}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${names.map(
            (name) => html`<tr class=${`${palette.className(name)} ${name === token.winner ? "same" : ""}`}>
              <th scope="row"><span class="sample">${name}</span></th>
              <td><code>${visible({ text: candidates[name] })}</code></td>
              ${weighed && html`<td class="numbers">${weights[name]?.toFixed(3) ?? ""}</td>`}
              ${judges.map((judge) => html`<td class="numbers">${scores[name]?.[judge]?.toFixed(2) ?? ""}</td>`)}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <p class="quiet hint">The highest weighted mean of scores wins. By default scores are nats a token.</p>
  `;
}
