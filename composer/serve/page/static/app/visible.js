/** A token's text with its spaces seen. */

/** @param {{text: string | null, bytes?: string, end?: boolean}} token */
export function visible({ text, bytes, end }) {
  if (end) return "‹end›";
  if (bytes) return bytes.replace(/../g, (pair) => `\\x${pair}`);
  return text.replace(/ /g, "␣").replace(/\n/g, "↵").replace(/\t/g, "⇥");
}
