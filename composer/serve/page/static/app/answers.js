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

/** Whether two answers are the same. @param {string} one @param {string} other */
export function agree(one, other) {
  return normal(one) === normal(other);
}

/**
 * The call that wrote a candidate. Candidates of one model are named `A`, `A#2`, `A#3`.
 * @param {import("./run.js").Run} run
 * @param {string} name
 * @returns {import("./run.js").Call | undefined}
 */
export function callNamed(run, name) {
  const [model, number = "1"] = name.split("#");
  return run.writers.filter((call) => call.model === model)[Number(number) - 1];
}

function normal(text) {
  return text
    .toLowerCase()
    .replace(/\s+/g, " ")
    .replace(/^[\s\p{P}]+|[\s\p{P}]+$/gu, "");
}
