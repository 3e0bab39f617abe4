/** What the events of one query add up to. */

import { answerSpans, piece, spanToken, wonToken, Writing } from "./writing.js";

/**
 * @typedef {object} Step
 * @property {string} id
 * @property {string} op
 * @property {number} began
 * @property {number | null} ended
 * @property {string | null} gave
 * @property {Record<string, any>} notes
 * @property {string | null} error
 * @property {Call[]} calls
 */

/** One request to one model or fuse. */
export class Call {
  /** @param {{step: string, call: number, model: string, what: string, at: number}} event */
  constructor({ step, call, model, what, at }) {
    this.key = `${step}/${call}`;
    this.step = step;
    this.model = model;
    this.what = what;
    this.began = at;
    /** @type {number | null} */
    this.ended = null;
    this.text = "";
    this.writing = new Writing();
    /** Whether tokens are told one by one, and not only their text. */
    this.hasTokens = false;
    /** When each piece of text came, in seconds since the query began. @type {number[]} */
    this.times = [];
    this.count = 0;
    /** @type {Record<string, import("./types.js").Usage>} */
    this.usage = {};
    this.cached = false;
    /** Why it ended. @type {"stop" | "length" | "context" | null} */
    this.finish = null;
    /** @type {string | null} */
    this.error = null;
  }

  /** Whether it writes an answer, and does not only read or score. */
  get writes() {
    return this.what === "asked";
  }

  get cost() {
    return Object.values(this.usage).reduce((sum, usage) => sum + usage.cost, 0);
  }

  /** Tokens a second: of the last second while it writes, of all of it afterwards. @param {number} now */
  rate(now) {
    if (this.ended !== null) return this.count / Math.max(this.ended - this.began, 1e-6);
    const since = Math.max(this.began, now - 1);
    const recent = this.times.filter((at) => at > since).length;
    return recent / Math.max(now - since, 0.05);
  }
}

/** A query under way, or one that is over. */
export class Run {
  /** @param {string} model The name under which it is served. */
  constructor(model) {
    this.model = model;
    /** @type {string | null} */
    this.trace = null;
    /** @type {Map<string, Step>} */
    this.steps = new Map();
    /** @type {Map<string, Call>} */
    this.calls = new Map();
    /** @type {string | null} */
    this.answer = null;
    /** The name of the model or step that wrote the answer. @type {string | null} */
    this.source = null;
    /** @type {number | null} */
    this.seed = null;
    /** @type {Record<string, any> | null} */
    this.result = null;
    /** @type {{message: string, code: string | null} | null} */
    this.error = null;
    this.stopped = false;
    /** Seconds since the query began, as far as events tell. */
    this.now = 0;
    this.version = 0;
  }

  get running() {
    return this.result === null && this.error === null && !this.stopped;
  }

  /** @param {Record<string, any>} event */
  take(event) {
    this.version += 1;
    if (event.at > this.now) this.now = event.at;
    this[`on_${event.type}`]?.(event);
  }

  on_begin({ trace, seed }) {
    Object.assign(this, { trace, seed });
  }

  on_step({ step, op, at }) {
    const fresh = { began: at, ended: null, gave: null, notes: {}, error: null, calls: [] };
    this.steps.set(step, { id: step, op, ...fresh });
  }

  on_step_end({ step, at, gave, notes, error }) {
    Object.assign(this.steps.get(step), { ended: at, gave, notes, error });
  }

  on_call(event) {
    const call = new Call(event);
    this.calls.set(call.key, call);
    this.steps.get(event.step)?.calls.push(call);
  }

  on_text(event) {
    const call = this.callOf(event);
    call.text += event.text;
    if (call.hasTokens) return;
    call.writing.add(piece(event.text, call.model));
    call.times.push(event.at);
  }

  on_token(event) {
    const call = this.callOf(event);
    if (!call.hasTokens) Object.assign(call, { hasTokens: true, writing: new Writing(), times: [] });
    call.writing.add(wonToken(event.token, call.model));
    call.times.push(event.at);
    call.count = call.times.length;
  }

  on_call_end(event) {
    const call = this.callOf(event);
    const { text, tokens, usage, cached, finish, error } = event;
    Object.assign(call, { ended: event.at, text, count: tokens, usage, cached, finish, error });
    if (call.hasTokens) call.writing.cut(text);
    else if (call.writing.text !== text) call.writing = Writing.of([piece(text, call.model)]);
  }

  on_answer({ text, source }) {
    Object.assign(this, { answer: text, source });
  }

  on_stopped() {
    this.stopped = true;
    this.close();
  }

  on_result({ result, trace }) {
    this.result = result;
    trace.steps.forEach((step) => this.takeSpans(step));
    this.close();
  }

  on_error({ error }) {
    this.error = error;
    this.close();
  }

  /** What never ended, ended with the query. */
  close() {
    for (const step of this.steps.values()) step.ended ??= this.now;
    for (const call of this.calls.values()) call.ended ??= this.now;
  }

  /** Show the spans of a span fuse, which only the trace tells. */
  takeSpans({ step, asked }) {
    asked.forEach(({ spans }, number) => {
      const call = this.calls.get(`${step}/${number}`);
      const shown = answerSpans(spans);
      if (call && !call.hasTokens && shown.length > 0) call.writing = Writing.of(shown.map(spanToken));
    });
  }

  /** @param {{step: string, call: number}} event @returns {Call} */
  callOf({ step, call }) {
    return this.calls.get(`${step}/${call}`);
  }

  /** Calls that write, in the order in which they began. */
  get writers() {
    return [...this.calls.values()].filter((call) => call.writes);
  }

  /**
   * The call whose text is the answer, or is the likeliest to become it.
   * @param {string[]} steps The ids of the steps that may give the answer, inputs first.
   * @returns {Call | null}
   */
  answering(steps) {
    const calls = this.writers.filter((call) => steps.includes(call.step));
    if (this.answer === null) return this.latest(calls);
    const same = calls.filter((call) => call.text.trim() === this.answer.trim());
    return same.find((call) => call.model === this.source) ?? same[0] ?? null;
  }

  /** The call that writes, if only one does: where several write at a time, none is the answer yet. */
  latest(calls) {
    const open = calls.filter((call) => call.ended === null);
    return open.length > 1 || (this.running && open.length === 0) ? null : (calls.at(-1) ?? null);
  }
}
