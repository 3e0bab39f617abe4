/** The graph of the recipe: what ran, how long it took and what it cost; dashed where nothing ran. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { layOut } from "../graph_layout.js";
import { html } from "../html.js";
import * as format from "../numbers.js";
import { Notes } from "./notes.js";

/** A graph that is too wide is drawn smaller, but not so small that nobody can read it. */
const SMALLEST = 0.8;

/** @param {import("../types.js").ViewProps} props */
export function Graph({ run, served, palette }) {
  const room = useRef(null);
  const [width, setWidth] = useState(0);
  const [chosen, setChosen] = useState(null);
  useEffect(() => {
    const watcher = new ResizeObserver(([entry]) => setWidth(entry.contentRect.width));
    watcher.observe(room.current);
    return () => watcher.disconnect();
  }, []);
  const layout = useMemo(() => layOut(served.graph, width, run !== null), [served, width, run !== null]);
  const scale = Math.min(1, Math.max(SMALLEST, (width - 8) / layout.width));
  const box = served.graph.boxes.find(({ id }) => id === chosen) ?? null;
  return html`
    <div class="graph" ref=${room} tabindex="0" role="group" aria-label="Graph of the recipe">
      ${
        width > 0 &&
        html`<svg
        width=${layout.width * scale}
        height=${layout.height * scale}
        viewBox=${`0 0 ${layout.width} ${layout.height}`}
        role="group"
        aria-label="Steps"
      >
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M0 0.5 L7 4 L0 7.5 z" />
          </marker>
        </defs>
        ${layout.edges.map((edge) => html`<${EdgeLine} edge=${edge} run=${run} />`)}
        ${layout.boxes.map(
          (each) =>
            html`<${BoxShape} key=${each.box.id} place=${each} run=${run} palette=${palette} chosen=${chosen} choose=${setChosen} />`,
        )}
      </svg>`
      }
    </div>
    ${
      box
        ? html`<${BoxNotes} box=${box} run=${run} />`
        : html`<p class="quiet hint">Choose a step to see what it noted.${run ? "" : " Dashed steps do not run for every question."}</p>`
    }
  `;
}

/** How far a step is. */
function stateOf(run, id) {
  const step = run?.steps.get(id);
  if (!run) return "plan";
  if (!step) return run.running ? "waiting" : "unused";
  if (step.error) return "failed";
  return step.ended === null ? "running" : "done";
}

function EdgeLine({ edge, run }) {
  const { source, target, label, maybe, points, labelAt } = edge;
  const hasRun = run && isRunning(run, source) && isRunning(run, target);
  const isDashed = run ? !hasRun && !run.running : maybe;
  const path = curve(points);
  return html`
    <g class=${`edge ${isDashed ? "dashed" : ""} ${hasRun ? "ran" : ""}`}>
      <path d=${path} marker-end="url(#arrow)" />
      ${label && labelAt && html`<text x=${labelAt.x} y=${labelAt.y} text-anchor="middle">${label}</text>`}
    </g>
  `;
}

/** The id of the question, which is no step and has no events. */
const QUESTION = "r0";

/** Whether a step has begun. */
function isRunning(run, id) {
  return run.steps.has(id) || id === QUESTION;
}

/** A smooth line through points. @param {{x: number, y: number}[]} points */
function curve(points) {
  const [first, ...rest] = points;
  const parts = [`M${first.x} ${first.y}`];
  for (let place = 0; place < rest.length - 1; place += 1) {
    const here = rest[place];
    const next = rest[place + 1];
    const isLast = place === rest.length - 2;
    const end = isLast ? next : { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 };
    parts.push(`Q${here.x} ${here.y} ${end.x} ${end.y}`);
  }
  if (rest.length === 1) parts.push(`L${rest[0].x} ${rest[0].y}`);
  return parts.join(" ");
}

function BoxShape({ place, run, palette, chosen, choose }) {
  const { box, lines, isQuestion, x, y, width, height } = place;
  const state = isQuestion ? (run ? "done" : "plan") : stateOf(run, box.id);
  const facts = figures(run, box.id);
  const isDashed = state === "unused" || (state === "plan" && box.maybe);
  const press = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(box.id);
  };
  return html`
    <g
      class=${`box ${state} ${isDashed ? "dashed" : ""} ${chosen === box.id ? "active" : ""}`}
      transform=${`translate(${x - width / 2} ${y - height / 2})`}
      role="button"
      tabindex="0"
      aria-pressed=${chosen === box.id}
      aria-label=${[box.title, ...box.facts, state, ...facts].join(", ")}
      onClick=${() => choose(box.id)}
      onFocus=${() => choose(box.id)}
      onKeyDown=${press}
    >
      <rect width=${width} height=${height} rx="6" />
      <circle class=${palette.className(box.title)} cx="13" cy="16" r="4" />
      <text class="title" x="24" y="20">${lines[0]}</text>
      ${lines.slice(1).map((line, at) => html`<text class="fact" x="12" y=${37 + at * 15}>${line}</text>`)}
      ${facts.length > 0 && html`<text class="figures" x="12" y=${height - 10}>${facts.join("  ·  ")}</text>`}
    </g>
  `;
}

/** Time and cost of a step. */
function figures(run, id) {
  const step = run?.steps.get(id);
  if (!step) return [];
  const spent = step.calls.reduce((sum, call) => sum + call.cost, 0);
  return [format.duration((step.ended ?? run.now) - step.began), spent > 0 && format.cost(spent)].filter(
    Boolean,
  );
}

/** What a step is, and what it noted. */
function BoxNotes({ box, run }) {
  const step = run?.steps.get(box.id);
  const chips = box.chips.map(({ name, beside }) => `${name} ${beside}`.trim());
  return html`
    <section class="card" aria-live="polite">
      <h3>${box.title} <span class="quiet">${box.kind}</span></h3>
      ${box.facts.map((fact) => html`<p><code>${fact}</code></p>`)}
      ${chips.length > 0 && html`<p class="quiet">${chips.join(", ")}</p>`}
      ${step?.error && html`<p class="error">${step.error}</p>`}
      ${step?.gave && html`<p class="text" dir="auto">${step.gave.trim()}</p>`}
      ${step && Object.keys(step.notes).length > 0 && html`<${Notes} notes=${step.notes} />`}
      ${run && !step && box.id !== QUESTION && html`<p class="quiet">It did not run.</p>`}
    </section>
  `;
}
