/** How an answer came about: what was decided, who was asked, who disagreed, what it cost. */

import { agree, callNamed, grouped } from "../answers.js";
import { html } from "../html.js";
import * as format from "../numbers.js";
import { pieces } from "../text_diff.js";
import { Bar } from "./bar_row.js";
import { Notes } from "./notes.js";
import { Wins } from "./wins.js";

/** Notes that a card of their own shows. */
const SHOWN = new Set([
  "weights",
  "estimates",
  "because",
  "stages",
  "tally",
  "winner",
  "failed",
  "left",
  "chosen",
  "scores",
]);

/** @param {import("../types.js").ViewProps} props */
export function How({ store, turn, run, palette }) {
  const steps = [...run.steps.values()].filter(({ notes }) => Object.keys(notes).length > 0);
  return html`
    ${steps.map((step) => html`<${StepCards} key=${step.id} step=${step} run=${run} palette=${palette} />`)}
    <${Wins} store=${store} turn=${turn} palette=${palette} />
    <${Disagreement} run=${run} palette=${palette} />
    <${Costs} run=${run} palette=${palette} />
  `;
}

function StepCards({ step, run, palette }) {
  const { notes, op } = step;
  const others = Object.entries(notes).filter(([name]) => !SHOWN.has(name));
  return html`
    ${notes.weights && html`<${Weights} op=${op} notes=${notes} palette=${palette} />`}
    ${notes.stages && html`<${Stages} stages=${notes.stages} palette=${palette} />`}
    ${notes.tally && html`<${Tally} notes=${notes} palette=${palette} />`}
    ${notes.scores && html`<${Scores} op=${op} scores=${notes.scores} run=${run} palette=${palette} />`}
    ${(notes.failed || notes.left) && html`<${Absent} op=${op} notes=${notes} palette=${palette} />`}
    ${
      others.length > 0 &&
      html`<section class="card">
      <h3>${op}</h3>
      <${Notes} notes=${Object.fromEntries(others)} />
    </section>`
    }
  `;
}

/** What a route decided, by its weights and what it expected of each branch. */
function Weights({ op, notes, palette }) {
  const names = Object.keys(notes.weights);
  const largest = Math.max(...Object.values(notes.weights), 1e-9);
  return html`
    <section class="card">
      <h3>${op === "route" ? "The route decided" : `Weights of ${op}`}</h3>
      ${notes.because && html`<p>${notes.because}</p>`}
      <table class="bars">
        <thead>
          <tr>
            <th scope="col">Branch</th>
            <th scope="col">Weight</th>
            ${notes.estimates && html`<th scope="col" class="numbers">Estimate</th>`}
          </tr>
        </thead>
        <tbody>
          ${names.map(
            (
              name,
            ) => html`<tr class=${`${palette.className(name)} ${notes.weights[name] === 0 ? "out" : ""}`}>
              <th scope="row"><span class="sample">${name}</span></th>
              <td><${Bar} share=${notes.weights[name] / largest} label=${format.percent(notes.weights[name])} /></td>
              ${
                notes.estimates &&
                html`<td class="numbers">${name in notes.estimates ? format.figure(notes.estimates[name]) : ""}</td>`
              }
            </tr>`,
          )}
        </tbody>
      </table>
    </section>
  `;
}

/** Who was asked one after the other, and why the answers were not accepted. */
function Stages({ stages, palette }) {
  return html`
    <section class="card">
      <h3>The cascade asked ${format.counted(stages.length, "model")}</h3>
      <ol class="stages">
        ${stages.map(
          (
            stage,
          ) => html`<li class=${`${palette.className(stage.by)} ${stage.accepted ? "accepted" : "refused"}`}>
            <p class="stage-head">
              <span class="sample">${stage.by}</span>
              <span class="verdict">${stage.accepted ? "accepted" : "not accepted"}</span>
            </p>
            <p class="stage-answer" dir="auto">${stage.answer?.trim()}</p>
            <p class="quiet">${reason(stage)}</p>
          </li>`,
        )}
      </ol>
    </section>
  `;
}

/** @param {{rule: string | null, signals: Record<string, number | null>, next: string | null}} stage */
function reason({ rule, signals, next }) {
  const measured = Object.entries(signals ?? {}).map(
    ([name, value]) => `${name} is ${value === null ? "not known" : format.figure(value)}`,
  );
  const wanted = rule ? `wanted: ${rule}` : "";
  return [measured.join(", "), wanted, next ? `next: ${next}` : ""].filter(Boolean).join("; ");
}

/** How many votes each answer has. */
function Tally({ notes, palette }) {
  const answers = Object.entries(notes.tally).sort(([, one], [, other]) => other - one);
  return html`
    <section class="card">
      <h3>The vote</h3>
      <table class="bars">
        <thead>
          <tr><th scope="col">Answer</th><th scope="col">Share of votes</th></tr>
        </thead>
        <tbody>
          ${answers.map(
            ([answer, share], place) => html`<tr class=${place === 0 ? "m-first" : "m-none"}>
              <th scope="row" class="text" dir="auto">${answer}</th>
              <td><${Bar} share=${share} label=${format.percent(share)} /></td>
            </tr>`,
          )}
        </tbody>
      </table>
      ${
        notes.winner &&
        html`<p class="quiet">
        The text is that of <span class=${`sample ${palette.className(notes.winner)}`}>${notes.winner}</span>.
      </p>`
      }
    </section>
  `;
}

/** How candidates were scored, the best first. */
function Scores({ op, scores, run, palette }) {
  const rows = Object.entries(scores).sort(([, one], [, other]) => (other ?? -Infinity) - (one ?? -Infinity));
  return html`
    <section class="card">
      <h3>Candidates, as ${op} scored them</h3>
      <div class="table-room" tabindex="0" role="group" aria-label="Candidates">
        <table>
          <thead>
            <tr>
              <th scope="col">Candidate</th>
              <th scope="col">Text</th>
              <th scope="col" class="numbers">Score</th>
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              ([name, score]) => html`<tr class=${palette.className(name.split("#")[0])}>
                <th scope="row"><span class="sample">${name}</span></th>
                <td class="text" dir="auto">${callNamed(run, name)?.text.trim() ?? ""}</td>
                <td class="numbers">${typeof score === "number" ? format.figure(score) : "none"}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </section>
  `;
}

/** Branches that gave no answer. */
function Absent({ op, notes, palette }) {
  return html`
    <section class="card">
      <h3>Missing in ${op}</h3>
      <dl class="notes">
        ${Object.entries({ ...notes.failed, ...notes.left }).map(
          ([name, why]) => html`<dt><span class=${`sample ${palette.className(name)}`}>${name}</span></dt>
            <dd>${why}</dd>`,
        )}
      </dl>
    </section>
  `;
}

/** The answers in groups, with what differs from the one that was chosen, or else the largest. */
function Disagreement({ run, palette }) {
  const groups = grouped(run.writers);
  const answers = groups.reduce((sum, { calls }) => sum + calls.length, 0);
  if (answers < 2) return null;
  const isChosen = (group) => run.answer !== null && agree(group.answer, run.answer);
  const base = groups.find(isChosen) ?? groups[0];
  return html`
    <section class="card">
      <h3>${groups.length === 1 ? `All ${answers} wrote the same` : `They wrote ${groups.length} different answers`}</h3>
      <ol class="groups">
        ${groups.map(
          (group) => html`<li>
            <p class="samples">${names(group.calls).map(
              ([name, count]) =>
                html`<span class=${`sample ${palette.className(name)}`}>${name}${count > 1 ? ` ×${count}` : ""}</span>`,
            )}${groups.length > 1 && isChosen(group) && html`<span class="verdict">the answer</span>`}</p>
            <p class="text" dir="auto">${pieces(group.answer, base.answer).map(({ text, differs }) =>
              differs && group !== base ? html`<mark>${text}</mark>` : text,
            )}</p>
          </li>`,
        )}
      </ol>
    </section>
  `;
}

function names(calls) {
  const counts = new Map();
  calls.forEach(({ model }) => counts.set(model, (counts.get(model) ?? 0) + 1));
  return [...counts];
}

/** What each model took. */
function Costs({ run, palette }) {
  const usage = Object.entries(run.result?.members ?? {});
  if (usage.length === 0) return null;
  return html`
    <section class="card">
      <h3>What it took</h3>
      <div class="table-room" tabindex="0" role="group" aria-label="What it took">
        <table>
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col" class="numbers">Calls</th>
              <th scope="col" class="numbers">Read</th>
              <th scope="col" class="numbers">Written</th>
              <th scope="col" class="numbers">Cost</th>
            </tr>
          </thead>
          <tbody>
            ${usage.map(
              ([name, each]) => html`<tr class=${palette.className(name)}>
                <th scope="row"><span class="sample">${name}</span></th>
                <td class="numbers">${each.calls}</td>
                <td class="numbers">${each.prompt_tokens.toLocaleString("en")}</td>
                <td class="numbers">${each.completion_tokens.toLocaleString("en")}</td>
                <td class="numbers">${format.cost(each.cost)}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </section>
  `;
}
