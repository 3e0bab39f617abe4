/** Keys that work anywhere on the page, outside of fields. */

const SINGLE = "single-keys";

/** What the list of shortcuts shows. */
export const SHORTCUTS = [
  ["Enter", "send the question"],
  ["Shift + Enter", "a new line in the question"],
  ["Esc", "close what is open, or stop the answer"],
  ["/", "go to the question"],
  ["t", "go to the tokens of the answer"],
  ["← → ↑ ↓", "move over tokens, tabs or columns"],
  ["Enter on a token", "open what every member would have written"],
  ["1 2 3 4", "how, members, graph, time"],
  ["[ ]", "the version before or after, where there are several"],
  ["n", "a new conversation"],
  ["?", "this list"],
];

/** Whether keys without Ctrl or Alt do something; some people's speech input presses them. */
export function singleKeys() {
  return localStorage.getItem(SINGLE) !== "off";
}

/** @param {boolean} on */
export function setSingleKeys(on) {
  localStorage.setItem(SINGLE, on ? "on" : "off");
}

const TABS = ["how", "members", "graph", "time"];

/** @param {import("./store.js").Store} store */
export function listen(store) {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") escape(store, event);
    else if (isPlain(event) && singleKeys() && act(store, event.key)) event.preventDefault();
  });
}

function isPlain(event) {
  const inField = event.target.closest("input, textarea, select, dialog");
  return !inField && !event.ctrlKey && !event.metaKey && !event.altKey;
}

function escape(store, event) {
  if (store.dialog) return; // the dialog closes itself
  if (store.token) closePanel(store);
  else if (store.running) store.stop();
  else return;
  event.preventDefault();
}

/** Close the panel of a token, and go back to the tokens where the panel had the focus. */
export function closePanel(store) {
  const hadFocus = document.getElementById("token-panel")?.contains(document.activeElement);
  store.set({ token: null });
  if (hadFocus) document.querySelector(".turn.in-focus .tokens")?.focus();
}

/** Do what a key stands for; say whether it stands for anything. */
function act(store, key) {
  const turn = store.inFocus;
  if (key === "/") document.getElementById("question")?.focus();
  else if (key === "t") document.querySelector(".turn.in-focus .tokens")?.focus();
  else if (key === "n") newConversation(store);
  else if (key === "?") store.set({ dialog: "shortcuts" });
  else if (key >= "1" && key <= "4") store.set({ tab: TABS[key - 1] });
  else if ((key === "[" || key === "]") && turn) store.switchBranch(turn, key === "[" ? -1 : 1);
  else return false;
  return true;
}

function newConversation(store) {
  store.clear();
  document.getElementById("question")?.focus();
}
