/** Answers that were compared: who gave which, and what differs. */

/**
 * @typedef {object} Group
 * @property {string} answer As the first of them wrote it.
 * @property {import("./run.js").Call[]} calls
 */

/**
 * Finished calls in groups that gave the same answer, the largest first. Case and outer
 * punctuation do not count, as in a vote.
 * @param {import("./run.js").Call[]} calls
 * @returns {Group[]}
 */
export function grouped(calls) {
  const groups = new Map();
  for (const call of calls) {
    if (call.ended === null || call.error) continue;
    const key = normal(call.text);
    if (!groups.has(key)) groups.set(key, { answer: call.text.trim(), calls: [] });
    groups.get(key).calls.push(call);
  }
  return [...groups.values()].sort((one, other) => other.calls.length - one.calls.length);
}

function normal(text) {
  return text.toLowerCase().replace(/\s+/g, " ").replace(/^[\s\p{P}]+|[\s\p{P}]+$/gu, "");
}
