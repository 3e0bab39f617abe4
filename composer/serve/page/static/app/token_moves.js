/** Pointer and keys over the tokens of an answer. */

/** A pointer that passes by opens nothing; one that rests so many milliseconds does. */
const REST = 120;

/** A pointer may leave a token for its panel within so many milliseconds. */
const LEAVE = 300;

let timer = 0;

/** Do something later, unless the pointer goes elsewhere before. @param {() => void} action */
function later(action, milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(action, milliseconds);
}

/** The pointer is in the panel: leave it open. */
export function stay() {
  clearTimeout(timer);
}

/** The pointer has left the panel or its token. @param {import("./store.js").Store} store */
export function leave(store) {
  later(() => store.token && !store.token.pinned && store.set({ token: null }), LEAVE);
}

/**
 * @param {import("./store.js").Store} store
 * @param {import("./store.js").Turn} turn
 */
export function tokenHandlers(store, turn) {
  const open = (index, pinned) => store.set({ token: { turn, index, pinned } });
  return {
    onPointerMove: (event) => {
      const index = indexAt(event);
      if (event.pointerType !== "mouse" || store.token?.pinned || index === null) return;
      if (isMoved(event)) later(() => open(index, false), REST);
    },
    onPointerLeave: () => leave(store),
    onClick: (event) => {
      const index = indexAt(event);
      if (index === null || getSelection()?.toString()) return;
      stay();
      const isOpen = store.token?.pinned && store.token.turn === turn && store.token.index === index;
      if (isOpen) store.set({ token: null });
      else open(index, true);
    },
    onKeyDown: (event) => {
      const index = moved(store, turn, event);
      if (index === null) return;
      event.preventDefault();
      stay();
      if (event.key === "Enter") document.querySelector("#token-panel button")?.focus();
      open(index, true);
    },
  };
}

/** Whether the pointer itself moves, and not the text below it while it is written. */
function isMoved({ movementX, movementY }) {
  return movementX !== 0 || movementY !== 0;
}

/** The index of the token under the pointer. */
function indexAt(event) {
  const token = event.target.closest("[data-index]");
  return token && Number(token.dataset.index);
}

/** The token that a key leads to; null where it is no key of ours. */
function moved(store, turn, { key }) {
  const last = store.writingOf(turn).tokens.length - 1;
  const index = store.token?.turn === turn ? store.token.index : null;
  if (key === "Enter" || index === null) {
    const keys = ["Enter", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];
    return keys.includes(key) ? (key === "End" ? last : (index ?? 0)) : null;
  }
  switch (key) {
    case "ArrowRight":
      return Math.min(last, index + 1);
    case "ArrowLeft":
      return Math.max(0, index - 1);
    case "ArrowDown":
      return lineAway(turn, index, last, 1);
    case "ArrowUp":
      return lineAway(turn, index, last, -1);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}

/** The token nearest above or below one. */
function lineAway(turn, index, last, direction) {
  const place = (at) => document.getElementById(`token-${turn.id}-${at}`).getBoundingClientRect();
  const from = place(index);
  let best = index;
  let distance = Infinity;
  let line = null;
  for (let at = index + direction; at >= 0 && at <= last; at += direction) {
    const box = place(at);
    const isFurther = direction > 0 ? box.top >= from.bottom - 2 : box.bottom <= from.top + 2;
    if (!isFurther) continue;
    line ??= box.top;
    if (Math.abs(box.top - line) > box.height / 2) break;
    const away = Math.abs(box.left - from.left);
    if (away < distance) [best, distance] = [at, away];
  }
  return best;
}
