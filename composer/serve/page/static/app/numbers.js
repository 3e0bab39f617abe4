/** Numbers as people read them. */

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 0.0095) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** @param {number} dollars */
export function cost(dollars) {
  if (dollars === 0) return "$0";
  return `$${dollars < 0.01 ? Number(dollars.toPrecision(2)).toFixed(decimals(dollars)) : dollars.toFixed(2)}`;
}

/** Decimal places that show two digits of a small number. */
function decimals(value) {
  return Math.min(12, 1 - Math.floor(Math.log10(value)));
}

/** @param {number} share From 0 to 1. */
export function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "<0.1%";
  if (value > 99.9 && value < 100) return ">99.9%";
  return `${value.toFixed(value >= 99.95 || value < 0.05 ? 0 : 1)}%`;
}

/** @param {number} value */
export function rate(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} tok/s`;
}

/**
 * @param {number} count
 * @param {string} noun
 */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** A number of which nothing is known but that it is one. @param {number} value */
export function figure(value) {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}
