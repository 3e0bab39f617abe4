/**
 * The shapes of what the server sends.
 *
 * @typedef {[text: string | null, logprob: number, bytes?: string]} Likely
 *   A token that could stand in a place. Part of a letter has no text; its bytes are in hexadecimal.
 *
 * @typedef {object} MemberChoice
 * @property {string} name
 * @property {number} weight
 * @property {number | null} logprob
 * @property {Likely[]} top
 *
 * @typedef {object} Token
 * @property {string} text What it adds to the answer.
 * @property {string} [bytes] Its bytes in hexadecimal, where it is not whole letters.
 * @property {boolean} end Whether it ends the answer.
 * @property {number} logprob
 * @property {Likely[]} top
 * @property {MemberChoice[]} members
 *
 * @typedef {object} Box
 * @property {string} id
 * @property {string} title
 * @property {string} kind
 * @property {string[]} facts
 * @property {{name: string, beside: string}[]} chips
 * @property {boolean} maybe
 *
 * @typedef {object} Edge
 * @property {string} source
 * @property {string} target
 * @property {string} label
 * @property {boolean} maybe
 *
 * @typedef {object} ServedModel
 * @property {string} id
 * @property {string | null} example
 * @property {string[]} members Names of the declared models, in the order of the recipe.
 * @property {string[]} writers Ids of the steps whose text may be the answer.
 * @property {{boxes: Box[], edges: Edge[], answer: string}} graph
 * @property {Record<string, string>} refused Options that it cannot honour, and why.
 *
 * @typedef {object} Usage
 * @property {number} calls
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 * @property {number} cost
 */

/**
 * @typedef {object} ViewProps What each tab is drawn with.
 * @property {import("./store.js").Store} store
 * @property {import("./store.js").Turn} turn
 * @property {import("./run.js").Run} run
 * @property {ServedModel} served
 * @property {import("./members.js").Palette} palette
 */

export {};
