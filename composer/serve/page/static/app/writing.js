/** A text as it is written: tokens in paragraphs, and who won each. */

/** A paragraph is drawn in chunks of so many tokens; only the last chunk is drawn anew. */
const CHUNK = 48;

/**
 * A token with who won it. `clarity` is by how much of the sum the winner leads the second.
 * `isChosen` says that the reader chose it. `span` is what the members of a span fuse proposed.
 * @typedef {import("./types.js").Token & {
 *   winner: string, clarity: number, shares: Share[], isChosen?: boolean, span?: Span, isCut?: boolean
 * }} WonToken
 * @typedef {{name: string, share: number}} Share
 * @typedef {{
 *   candidates: Record<string, string>, scores: Record<string, Record<string, number>>,
 *   weights?: Record<string, number>
 * }} Span
 * @typedef {{first: number, tokens: WonToken[]}} Chunk
 */

/** Tokens in order, grouped for drawing. */
export class Writing {
  constructor() {
    /** @type {WonToken[]} */
    this.tokens = [];
    /** @type {Chunk[][]} */
    this.paragraphs = [[]];
  }

  /** @param {WonToken} token */
  add(token) {
    const paragraph = this.paragraphs.at(-1);
    let chunk = paragraph.at(-1);
    if (!chunk || chunk.tokens.length === CHUNK) {
      chunk = { first: this.tokens.length, tokens: [] };
      paragraph.push(chunk);
    }
    chunk.tokens.push(token);
    this.tokens.push(token);
    if (token.text.endsWith("\n")) this.paragraphs.push([]);
  }

  get text() {
    return this.before(this.tokens.length);
  }

  /** The text before a token. @param {number} index */
  before(index) {
    return this.tokens
      .slice(0, index)
      .map((token) => token.text)
      .join("");
  }

  /** Mark the tokens that are no part of the answer, such as a stop string. @param {string} answer */
  cut(answer) {
    let length = 0;
    for (const token of this.tokens) {
      length += token.text.length;
      token.isCut = length > answer.length && token.text !== "";
    }
  }

  /** @param {WonToken[]} tokens */
  static of(tokens) {
    const writing = new Writing();
    tokens.forEach((token) => writing.add(token));
    return writing;
  }
}

/** A piece of text of which nothing else is known. @param {string} text @param {string} winner */
export function piece(text, winner) {
  return { text, winner, end: false, logprob: null, top: [], members: [], shares: [], clarity: 0 };
}

/**
 * A span that the members of a span fuse agreed on.
 * @param {{text: string, winner: string} & Span} span
 * @returns {WonToken}
 */
export function spanToken({ text, winner, candidates, scores, weights = {} }) {
  const span = { candidates, scores, weights };
  return { ...piece(text, winner), span, clarity: lead(candidates, winner) };
}

/**
 * The spans that make the answer: where members chose among whole answers in a last round, that of
 * this round, or the spans before if these won.
 */
export function answerSpans(spans) {
  const last = spans.at(-1);
  if (!last?.whole) return spans;
  return last.winner === "fused" ? spans.slice(0, -1) : [last];
}

/** The share of members that proposed what won. */
function lead(candidates, winner) {
  const proposals = Object.values(candidates);
  return proposals.filter((text) => text === candidates[winner]).length / proposals.length;
}

/**
 * A token with who won it: the member whose weight times probability is largest. One model that
 * writes alone leads its own second choice.
 * @param {import("./types.js").Token} token
 * @param {string} writer Who writes, where the token has no members.
 * @returns {WonToken}
 */
export function wonToken(token, writer) {
  const shares = token.members
    .filter((member) => member.logprob !== null)
    .map((member) => ({ name: member.name, share: member.weight * Math.exp(member.logprob) }))
    .sort((one, other) => other.share - one.share);
  if (shares.length === 0) return { ...token, winner: writer, clarity: ownLead(token), shares };
  const sum = shares.reduce((total, each) => total + each.share, 0);
  const first = shares[0].share - (shares[1]?.share ?? 0);
  return { ...token, winner: shares[0].name, clarity: sum > 0 ? first / sum : 0, shares };
}

/** By how much a token's probability leads the likeliest other one. */
function ownLead(token) {
  if (token.logprob === null) return 0;
  const other = token.top.find((likely) => !isSame(token, likely));
  return Math.max(0, Math.exp(token.logprob) - (other ? Math.exp(other[1]) : 0));
}

/**
 * Whether a likely token is the one that was chosen.
 * @param {import("./types.js").Token} token
 * @param {import("./types.js").Likely} likely
 */
export function isSame(token, [text, , bytes]) {
  return token.bytes || bytes ? token.bytes === bytes : token.text === text;
}
