/** Where the boxes and lines of a graph lie. */

import { Graph, layout } from "@dagrejs/dagre";

const PADDING = 12;
const LINE = 15;
const HEAD = 28;
const FOOT = 20;

/** A box is at least and at most so wide. */
const WIDTHS = [128, 224];

/** The space of a letter; text is shortened to what fits. */
const LETTER = 6.4;

/**
 * Lay out a graph from left to right, or downwards where that is too wide.
 * @param {import("./types.js").ServedModel["graph"]} graph
 * @param {number} room The width of the page for it.
 * @param {boolean} hasFigures Whether boxes have a line for time and cost.
 */
export function layOut(graph, room, hasFigures) {
  const across = laidOut(graph, room, hasFigures, false);
  return across.width <= room ? across : laidOut(graph, room, hasFigures, true);
}

/** @param {boolean} isDown Whether steps follow each other downwards. */
function laidOut(graph, room, hasFigures, isDown) {
  const plan = new Graph();
  const apart = isDown ? { nodesep: 12, ranksep: 34 } : { nodesep: 18, ranksep: 40 };
  plan.setGraph({ rankdir: isDown ? "TB" : "LR", ...apart, marginx: 4, marginy: 4 });
  plan.setDefaultEdgeLabel(() => ({}));
  const targets = new Set(graph.edges.map(({ target }) => target));
  for (const box of graph.boxes) {
    const isQuestion = !targets.has(box.id);
    plan.setNode(box.id, { ...sized(box, room, hasFigures && !isQuestion), isQuestion });
  }
  for (const { source, target, label } of graph.edges) {
    plan.setEdge(source, target, {
      width: label ? label.length * LETTER : 0,
      height: label ? 14 : 0,
      labelpos: "c",
    });
  }
  layout(plan);
  const { width, height } = plan.graph();
  return {
    width: Math.ceil(width),
    height: Math.ceil(height),
    boxes: graph.boxes.map((box) => ({ box, ...plan.node(box.id) })),
    edges: graph.edges.map((edge) => {
      const { points, x, y } = plan.edge(edge.source, edge.target);
      return { ...edge, points, labelAt: x === undefined ? null : { x, y: y + 4 } };
    }),
  };
}

/** A box with its lines, as wide as they are. */
function sized(box, room, hasFigures) {
  const chips = box.chips.map(({ name, beside }) => `${name} ${beside}`.trim()).join(", ");
  const texts = [box.title, ...box.facts, ...(chips ? [chips] : [])];
  const longest = Math.max(...texts.map((text) => text.length)) * LETTER + 2 * PADDING + 8;
  const width = Math.min(Math.max(longest, WIDTHS[0]), WIDTHS[1], Math.max(room - 8, WIDTHS[0]));
  const letters = Math.floor((width - 2 * PADDING) / LETTER);
  const lines = texts.map((text, place) => shortened(text, place === 0 ? letters - 2 : letters));
  const height = HEAD + (lines.length - 1) * LINE + (hasFigures ? FOOT : 4);
  return { width, height, lines };
}

function shortened(text, letters) {
  return text.length > letters ? `${text.slice(0, letters - 1)}…` : text;
}
