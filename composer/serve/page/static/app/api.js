/** The server's side of the page: models, answers as they are written, and kept traces. */

/** The address of the page, also where a proxy serves it below a path of its own. */
export const ROOT = new URL("../../", import.meta.url);

const KEY = "key";

/** An error as the server reports it. */
export class ServerError extends Error {
  /**
   * @param {string} message
   * @param {number} status
   * @param {string | null} code
   */
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** @param {string} key What is sent with each request, until this tab is closed. */
export function keepKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** @returns {Promise<{models: import("./types.js").ServedModel[]}>} */
export async function getModels() {
  return (await request("api/models")).json();
}

/**
 * @param {string} id
 * @returns {Promise<{id: string, running: boolean, events: object[]}>}
 */
export async function getTrace(id) {
  return (await request(`api/traces/${encodeURIComponent(id)}`)).json();
}

/**
 * Ask, and yield what happens as it happens.
 * @param {object} body
 * @param {AbortSignal} signal Stops the work on the server, too.
 */
export async function* ask(body, signal) {
  const response = await request("api/ask", {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
    signal,
  });
  yield* messages(response.body);
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function request(path, options = {}) {
  const headers = { ...options.headers };
  const key = sessionStorage.getItem(KEY);
  if (key) headers.authorization = `Bearer ${key}`;
  const response = await fetch(new URL(path, ROOT), { ...options, headers });
  if (response.ok) return response;
  throw await errorOf(response);
}

/** @param {Response} response */
async function errorOf(response) {
  const body = await response.json().catch(() => ({}));
  const { message, code } = body.error ?? {};
  const text = message ?? `The server replied ${response.status} without a reason.`;
  return new ServerError(text, response.status, code ?? null);
}

/**
 * The objects of a stream of server-sent events. Each event has one line of data; lines that begin
 * with a colon only keep the connection open.
 * @param {ReadableStream<Uint8Array>} body
 */
async function* messages(body) {
  let rest = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        if (block.startsWith("data: ")) yield JSON.parse(block.slice(6));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
