/** Members beside each other: what each writes, how fast, and what it cost. */

import { grouped } from "../answers.js";
import { html } from "../html.js";
import * as format from "../numbers.js";
import { pieces } from "../text_diff.js";
import { FusedMembers } from "./fused_members.js";

/** @param {import("../types.js").ViewProps} props */
export function Members({ run, palette }) {
  const calls = run.writers;
  if (calls.length === 0)
    return html`<p class="quiet">${run.running ? "Nobody writes yet." : "Nobody wrote."}</p>`;
  const [largest] = grouped(calls);
  const common = calls.length > 1 && !run.running ? largest?.answer : null;
  return html`
    <div class="members">
      ${calls.map(
        (call) =>
          html`<${Member} key=${call.key} call=${call} run=${run} palette=${palette} common=${common} />`,
      )}
    </div>
    ${calls.map((call) => html`<${FusedMembers} key=${call.key} call=${call} run=${run} palette=${palette} />`)}
  `;
}

function Member({ call, run, palette, common }) {
  const text = call.text.trim();
  const marked = common && common !== text ? pieces(text, common) : [{ text, differs: false }];
  return html`
    <section class=${`card member ${palette.className(call.model)}`} aria-label=${call.model}>
      <h3>
        <span class="sample">${call.model}</span>
        <span class=${`state ${stateClass(call)}`}>${state(call)}</span>
      </h3>
      <p class="text" dir="auto">${marked.map(({ text: words, differs }) => (differs ? html`<mark>${words}</mark>` : words))}</p>
      ${call.error && html`<p class="error">${call.error}</p>`}
      <p class="quiet numbers">${figures(call, run).map((fact) => html`<span class="fact">${fact}</span>`)}</p>
    </section>
  `;
}

/** Why an answer ended, in words. */
const ENDS = { stop: "complete", length: "cut at its most tokens", context: "cut, its context is full" };

function state(call) {
  if (call.error) return "failed";
  if (call.ended === null) return "writing";
  return [ENDS[call.finish] ?? "complete", call.cached && "from the cache"].filter(Boolean).join(", ");
}

function stateClass(call) {
  return call.error ? "failed" : call.ended === null ? "writing" : "";
}

function figures(call, run) {
  const count = call.count || call.times.length;
  return [
    count > 0 && format.counted(count, "token"),
    count > 0 && !call.cached && format.rate(call.rate(run.now)),
    call.ended !== null && format.duration(call.ended - call.began),
    call.ended !== null && format.cost(call.cost),
  ].filter(Boolean);
}
