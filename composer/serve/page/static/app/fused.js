/** What the members of a fuse did over all of its tokens. */

import { isSame } from "./writing.js";

/**
 * @typedef {object} MemberRow
 * @property {string} name
 * @property {number} wins Tokens that it won.
 * @property {number} weight Its mean weight.
 * @property {number} asked Tokens for which it was asked.
 * @property {number} same How many of those are its own first choice.
 */

/** Whether a member's own first choice is another token. */
export function differs(token, { top }) {
  return top.length > 0 && !isSame(token, top[0]);
}

/** Tokens that several members decided. @param {import("./writing.js").WonToken[]} tokens */
export function decided(tokens) {
  return tokens.filter((token) => token.members.length > 1);
}

/**
 * @param {import("./writing.js").WonToken[]} tokens
 * @returns {MemberRow[]}
 */
export function memberRows(tokens) {
  const rows = new Map();
  const fused = decided(tokens);
  for (const token of fused) {
    for (const member of token.members) {
      const { name, weight, top } = member;
      if (!rows.has(name)) rows.set(name, { name, wins: 0, weight: 0, asked: 0, same: 0 });
      const row = rows.get(name);
      row.wins += token.winner === name ? 1 : 0;
      row.weight += weight / fused.length;
      row.asked += top.length > 0 ? 1 : 0;
      row.same += top.length > 0 && !differs(token, member) ? 1 : 0;
    }
  }
  return [...rows.values()];
}
