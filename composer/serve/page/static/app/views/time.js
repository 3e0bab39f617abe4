/** When each step and call ran, and how fast each member wrote. */

import { html } from "../html.js";
import { duration } from "../numbers.js";
import { Speed } from "./speed.js";

/** @param {import("../types.js").ViewProps} props */
export function Time({ run, served, palette }) {
  const titles = new Map(served.graph.boxes.map(({ id, title }) => [id, title]));
  const steps = [...run.steps.values()]
    .filter((step) => step.calls.length > 0 || titles.has(step.id))
    .sort((one, other) => one.began - other.began);
  const end = Math.max(run.result?.seconds ?? 0, run.now, 1e-3);
  return html`
    <section class="card">
      <h3>Steps and calls</h3>
      <ol class="gantt">
        ${steps.map(
          (step) => html`<${StepRows}
            key=${step.id}
            step=${step}
            name=${titles.get(step.id) ?? step.op}
            end=${end}
            now=${run.now}
            palette=${palette}
          />`,
        )}
      </ol>
      <${Axis} end=${end} />
    </section>
    <${Speed} run=${run} palette=${palette} />
  `;
}

/** A step and its calls. A step that is one call is one row. */
function StepRows({ step, name, end, now, palette }) {
  const [first, second] = step.calls;
  if (first?.writes && !second) {
    const className = `step call ${palette.className(first.model)}`;
    return html`<li><${Row} ...${{ className, name, began: step.began, ended: step.ended, end, now }} /></li>`;
  }
  return html`
    <li>
      <${Row} className="step" name=${name} began=${step.began} ended=${step.ended} end=${end} now=${now} />
      ${step.calls.map(
        (call) => html`<${Row}
          key=${call.key}
          className=${`call ${palette.className(call.model)}`}
          name=${call.writes ? call.model : `${call.what} ${call.model}`}
          began=${call.began}
          ended=${call.ended}
          end=${end}
          now=${now}
        />`,
      )}
    </li>
  `;
}

function Row({ className, name, began, ended, end, now }) {
  const until = ended ?? now;
  const place = { left: `${(100 * began) / end}%`, width: `${(100 * Math.max(0, until - began)) / end}%` };
  return html`
    <div class=${`row ${className}`}>
      <span class="name" title=${name}>${name}</span>
      <span class="track" aria-hidden="true"><span class=${ended === null ? "open" : ""} style=${place}></span></span>
      <span class="numbers">${duration(until - began)}</span>
    </div>
  `;
}

function Axis({ end }) {
  const step = tick(end);
  const count = Math.floor(end / step + 1e-9);
  const ticks = Array.from({ length: count + 1 }, (_, place) => place * step);
  return html`
    <div class="row axis" aria-hidden="true">
      <span class="name"></span>
      <span class="track">
        ${ticks.map((at) => html`<span class="tick numbers" style=${{ left: `${(100 * at) / end}%` }}>${label(at)}</span>`)}
      </span>
      <span class="numbers"></span>
    </div>
  `;
}

/** A round number of seconds that fits at most three times. */
function tick(end) {
  const power = 10 ** Math.floor(Math.log10(end / 4));
  return [1, 2, 5, 10, 20].map((factor) => factor * power).find((step) => end / step <= 3.2);
}

function label(at) {
  return at === 0
    ? "0"
    : duration(at)
        .replace(/\.0+(?= )/, "")
        .replace(/(\.\d*?)0+(?= )/, "$1");
}
