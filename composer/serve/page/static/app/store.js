/** What the page shows: a tree of turns, of which one path is the conversation in view. */

import * as api from "./api.js";
import { Palette } from "./members.js";
import { Run } from "./run.js";
import { piece, Writing } from "./writing.js";

/**
 * A question with its answer. A question that is edited, or an answer that goes on from another
 * token, is a turn beside the first one, so that both stay.
 * @typedef {object} Turn
 * @property {number} id
 * @property {Turn | null} parent
 * @property {string} question
 * @property {string} [pastAnswer] An earlier answer, of which only the text is known.
 * @property {Run | null} run
 * @property {import("./writing.js").WonToken[]} prefix What its answer goes on from.
 * @property {{source: Writing, writing: Writing} | null} whole The answer behind its prefix.
 * @property {Turn[]} turns Those that follow it.
 * @property {number} chosen Which of them is in view.
 * @property {AbortController | null} work
 */

/** Options of a question that are numbers, as the form has them. */
export const NUMBERS = ["temperature", "max_tokens", "seed"];

const TITLE = "Ensemble Composer";

export class Store {
  constructor() {
    /** @type {import("./types.js").ServedModel[]} */
    this.models = [];
    this.model = "";
    this.system = "";
    /** @type {Record<string, string>} */
    this.options = { temperature: "", max_tokens: "", seed: "" };
    this.count = 0;
    /** @type {Turn} */
    this.root = this.turn(null, "");
    /** The turn that the right side is about; the last one in view if it is null. @type {Turn | null} */
    this.focus = null;
    this.tab = "how";
    /** The token whose panel is open. @type {{turn: Turn, index: number, pinned: boolean} | null} */
    this.token = null;
    /** @type {"key" | "shortcuts" | null} */
    this.dialog = null;
    /** @type {{title: string, text: string} | null} */
    this.trouble = null;
    /** What a screen reader says next. */
    this.announcement = "";
    this.loading = true;
    this.version = 0;
    this.listeners = new Set();
    this.due = false;
    /** @type {Map<string, Palette>} */
    this.palettes = new Map();
  }

  /** Call `listener` after each change, at most once a frame. @param {() => void} listener */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Draw soon. Frames stop in a tab that is hidden, so nothing is drawn there until it is seen. */
  changed() {
    this.version += 1;
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.listeners.forEach((listener) => listener());
    });
  }

  /** Name the window by the question in view. */
  name() {
    const { question } = this.inFocus ?? {};
    document.title = question ? `${question.slice(0, 60)} · ${TITLE}` : TITLE;
  }

  /** Change fields and draw. @param {Partial<Store>} fields */
  set(fields) {
    Object.assign(this, fields);
    this.name();
    this.changed();
  }

  /** The model that is chosen. */
  get served() {
    return this.models.find((model) => model.id === this.model) ?? null;
  }

  /** @param {string} name @returns {import("./types.js").ServedModel | null} */
  servedAs(name) {
    return this.models.find((model) => model.id === name) ?? null;
  }

  /** The colours of the members of a model. @param {string} name */
  palette(name) {
    if (!this.palettes.has(name)) {
      this.palettes.set(name, new Palette(this.servedAs(name)?.members ?? []));
    }
    return this.palettes.get(name);
  }

  /** The turns in view, the first one first. */
  get path() {
    const path = [];
    for (let turn = this.root; turn.turns.length > 0;) {
      turn = turn.turns[turn.chosen];
      path.push(turn);
    }
    return path;
  }

  /** The turn that the right side is about. */
  get inFocus() {
    const path = this.path;
    return this.focus && path.includes(this.focus) ? this.focus : (path.at(-1) ?? null);
  }

  get running() {
    return this.path.some((turn) => turn.run?.running);
  }

  /**
   * @param {Turn | null} parent
   * @param {string} question
   * @returns {Turn}
   */
  turn(parent, question) {
    this.count += 1;
    const turn = { id: this.count, parent, question, run: null, prefix: [], turns: [], chosen: 0 };
    if (parent) parent.chosen = parent.turns.push(turn) - 1;
    return turn;
  }

  /** Ask the server what it serves, and open the trace that the address names, if it names one. */
  async begin() {
    try {
      const { models } = await api.getModels();
      this.set({ models, model: this.model || (models[0]?.id ?? ""), loading: false });
    } catch (error) {
      this.fail(error, "The server gives no list of its models");
      return;
    }
    const [, trace] = location.pathname.match(/\/trace\/([^/]+)$/) ?? [];
    if (trace && this.path.length === 0) await this.open(decodeURIComponent(trace));
  }

  /** Show an error that belongs to no answer. @param {any} error @param {string} title */
  fail(error, title) {
    if (error.status === 401) this.set({ dialog: "key", loading: false });
    else this.set({ trouble: { title, text: error.message }, loading: false });
  }

  /** Ask a question after the last turn in view. @param {string} question */
  ask(question) {
    return this.start(this.turn(this.path.at(-1) ?? this.root, question));
  }

  /** Ask a turn's question in other words, beside it. @param {Turn} turn @param {string} question */
  askInstead(turn, question) {
    return this.start(this.turn(turn.parent, question));
  }

  /**
   * Go on from another token than the one that was chosen, beside the turn.
   * @param {Turn} turn
   * @param {number} index
   * @param {string} text The other token.
   */
  goOn(turn, index, text) {
    const { tokens } = this.writingOf(turn);
    const instead = this.turn(turn.parent, turn.question);
    const other = { ...tokens[index], text, bytes: undefined, end: false, isChosen: true };
    instead.prefix = [...tokens.slice(0, index), other];
    return this.start(instead);
  }

  /** The tokens of a turn's answer, behind those that it goes on from. @param {Turn} turn */
  writingOf(turn) {
    const source = this.answering(turn)?.writing ?? new Writing();
    if (turn.prefix.length === 0) return source;
    if (turn.whole?.source !== source) turn.whole = { source, writing: Writing.of(turn.prefix) };
    const { writing } = turn.whole;
    const start = writing.tokens.length - turn.prefix.length;
    source.tokens.slice(start).forEach((token) => writing.add(token));
    return writing;
  }

  /** The call whose text is a turn's answer. @param {Turn} turn */
  answering(turn) {
    return turn.run?.answering(this.servedAs(turn.run.model)?.writers ?? []) ?? null;
  }

  /** The text of a turn's answer, with what it goes on from. @param {Turn} turn */
  answerOf(turn) {
    return turn.pastAnswer ?? prefixOf(turn) + (turn.run?.answer ?? "");
  }

  /** @param {Turn} turn */
  messagesOf(turn) {
    const messages = [];
    for (let each = turn.parent; each?.parent !== null && each !== null; each = each.parent) {
      messages.unshift({ role: "assistant", content: this.answerOf(each).trim() });
      messages.unshift({ role: "user", content: each.question });
    }
    if (this.system.trim()) messages.unshift({ role: "system", content: this.system });
    return [...messages, { role: "user", content: turn.question }];
  }

  /** Send a turn's question, and take what comes. @param {Turn} turn */
  async start(turn) {
    const run = (turn.run = new Run(this.model));
    turn.work = new AbortController();
    this.set({ focus: turn, token: null, trouble: null, announcement: `${this.model} is asked.` });
    const body = {
      model: this.model,
      messages: this.messagesOf(turn),
      ...this.numbers(),
      prefix: prefixOf(turn),
    };
    try {
      for await (const event of api.ask(body, turn.work.signal)) {
        run.take(event);
        if (event.type === "begin") history.replaceState(null, "", traceAddress(event.trace));
        this.changed();
      }
      if (run.running) throw new Error("The server ended the answer too early.");
    } catch (error) {
      if (turn.work.signal.aborted) run.stopped = true;
      else if (error.status === 401) this.set({ dialog: "key" });
      run.error ??= run.stopped ? null : { message: error.message, code: error.code ?? null };
    }
    run.version += 1;
    this.set({ announcement: spoken(this, turn) });
  }

  /** Options that are set, as numbers. */
  numbers() {
    const set = NUMBERS.filter((name) => this.options[name].trim() !== "");
    return Object.fromEntries(set.map((name) => [name, Number(this.options[name])]));
  }

  /** Stop whatever is being written. */
  stop() {
    this.path.forEach((turn) => turn.run?.running && turn.work?.abort());
  }

  /** Save a trace as a file. @param {string} id */
  async download(id) {
    try {
      const text = JSON.stringify(await api.getTrace(id), null, 1);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      link.download = `trace-${id}.json`;
      link.click();
      URL.revokeObjectURL(link.href);
    } catch (error) {
      this.fail(error, error.status === 404 ? "This trace is gone" : "This trace cannot be saved");
    }
  }

  /** Begin a new conversation. */
  clear() {
    this.stop();
    this.root = this.turn(null, "");
    history.replaceState(null, "", api.ROOT);
    this.set({ focus: null, token: null, trouble: null });
  }

  /** Show another one of the turns that stand beside each other. @param {Turn} turn @param {number} by */
  switchBranch(turn, by) {
    const { parent } = turn;
    const count = parent.turns.length;
    parent.chosen = (parent.chosen + by + count) % count;
    const { run } = parent.turns[parent.chosen];
    if (run?.trace) history.replaceState(null, "", traceAddress(run.trace));
    this.set({ focus: parent.turns[parent.chosen], token: null });
  }

  /** Open a trace that the server has kept. @param {string} id */
  async open(id) {
    try {
      let turn = this.replay(await api.getTrace(id));
      while (turn.run.running) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        const trace = await api.getTrace(id);
        if (this.path.at(-1) !== turn) return; // the person has gone on to something else
        turn = this.replay(trace);
      }
    } catch (error) {
      this.fail(error, error.status === 404 ? "This trace is gone" : "This trace cannot be opened");
    }
  }

  /** Show what a trace tells, with the conversation before it. */
  replay({ events }) {
    const { model, messages, prefix } = events[0];
    this.root = this.turn(null, "");
    this.system = messages.find(({ role }) => role === "system")?.content ?? "";
    let turn = this.root;
    for (const { role, content } of messages) {
      if (role === "user") turn = this.turn(turn, content);
      if (role === "assistant") turn.pastAnswer = content;
    }
    turn.run = new Run(model);
    events.forEach((event) => turn.run.take(event));
    if (prefix) turn.prefix = [{ ...piece(prefix, ""), isChosen: true }];
    this.set({ focus: turn, model: this.servedAs(model) ? model : this.model });
    return turn;
  }
}

/** The text that a turn's answer goes on from. @param {Turn} turn */
function prefixOf(turn) {
  return turn.prefix.map((token) => token.text).join("");
}

/** The address that opens a trace again. @param {string} id */
export function traceAddress(id) {
  return new URL(`trace/${encodeURIComponent(id)}`, api.ROOT);
}

/** What a screen reader is told when an answer is over. */
function spoken(store, turn) {
  if (turn.run.error) return `Error: ${turn.run.error.message}`;
  return turn.run.stopped ? "Stopped." : `Answer: ${store.answerOf(turn).trim()}`;
}
