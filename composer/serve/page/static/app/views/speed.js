/** A chart of tokens a second, a line for each member. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { html } from "../html.js";

/** Points of a line. */
const POINTS = 60;

const HEIGHT = 180;

/** Milliseconds between two drawings while answers are written. */
const PAUSE = 200;

/** @param {{run: import("../run.js").Run, palette: import("../members.js").Palette}} props */
export function Speed({ run, palette }) {
  const place = useRef(null);
  const calls = run.writers.filter((call) => call.times.length > 1);
  const count = run.running ? Math.floor((run.now * 1000) / PAUSE) : -1;
  useEffect(() => {
    if (!place.current || calls.length === 0) return undefined;
    const draw = () => chart(place.current, run, calls, palette);
    let plot = draw();
    const redraw = () => {
      plot.destroy();
      plot = draw();
    };
    const watcher = new ResizeObserver(() =>
      plot.setSize({ width: place.current.clientWidth, height: HEIGHT }),
    );
    watcher.observe(place.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    const theme = new MutationObserver(redraw);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      watcher.disconnect();
      theme.disconnect();
      dark.removeEventListener("change", redraw);
      plot.destroy();
    };
  }, [run, calls.length, count]);
  if (calls.length === 0) return null;
  return html`
    <section class="card">
      <h3>Tokens a second</h3>
      <div ref=${place} class="chart" role="img" aria-label=${spoken(calls, run)}></div>
      <ul class="legend">
        ${calls.map((call) => html`<li class=${palette.className(call.model)}><span class="sample">${call.model}</span></li>`)}
      </ul>
    </section>
  `;
}

function spoken(calls, run) {
  return calls.map((call) => `${call.model}: ${call.rate(run.now).toFixed(1)} tokens a second`).join(", ");
}

/** Draw the chart. Colours are read from the page, where the theme sets them. */
function chart(place, run, calls, palette) {
  const { times, lines } = series(run, calls);
  const style = getComputedStyle(place);
  const ink = style.getPropertyValue("color");
  const line = style.getPropertyValue("border-top-color");
  const axis = {
    stroke: ink,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1 },
    font: "11px sans-serif",
  };
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false } },
    axes: [
      { ...axis, values: (_, values) => values.map((value) => `${value} s`) },
      { ...axis, size: 44 },
    ],
    series: [
      {},
      ...calls.map((call, number) => ({
        stroke: colourOf(place, palette.className(call.model)),
        width: 2,
        dash: [[], [6, 3], [2, 3], [10, 3, 2, 3]][number % 4],
        points: { show: false },
      })),
    ],
  };
  return new uPlot(options, [times, ...lines], place);
}

/** The colour that a class has under the theme of now. */
function colourOf(place, className) {
  const probe = place.appendChild(document.createElement("span"));
  probe.className = `${className} probe`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Tokens a second in windows that overlap, so that a line is not all teeth. */
function series(run, calls) {
  const begin = Math.min(...calls.map((call) => call.began));
  const end = Math.max(...calls.map((call) => call.ended ?? run.now), begin + 1e-3);
  const step = (end - begin) / POINTS;
  const most = Math.max(...calls.map((call) => call.times.length));
  const room = Math.max(step * 6, (4 * (end - begin)) / most);
  const times = Array.from({ length: POINTS + 1 }, (_, place) => begin + place * step);
  const lines = calls.map((call) =>
    times.map((at) => {
      const from = Math.max(begin, at - room);
      const count = call.times.filter((time) => time > from && time <= at).length;
      const isOver = at < call.began || (call.ended !== null && from > call.ended);
      return isOver ? null : count / Math.max(at - from, step);
    }),
  );
  return { times, lines };
}
