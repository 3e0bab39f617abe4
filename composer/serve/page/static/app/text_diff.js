/** What differs between two texts, word by word. */

/** Beyond so many words a comparison would take too long, and marks would help nobody. */
const MOST = 600;

/**
 * The words of `text`, each with whether `other` has it in the same order.
 * @param {string} text
 * @param {string} other
 * @returns {{text: string, differs: boolean}[]} Neighbours that are alike are one piece.
 */
export function pieces(text, other) {
  const words = split(text);
  const others = split(other);
  if (words.length > MOST || others.length > MOST) return [{ text, differs: false }];
  const common = lengths(words, others);
  const marked = [];
  let at = 0;
  let there = 0;
  while (at < words.length) {
    const same = there < others.length && alike(words[at], others[there]);
    if (!same && there < others.length && common[at][there + 1] >= common[at + 1][there]) {
      there += 1;
      continue;
    }
    push(marked, words[at], !same);
    at += 1;
    if (same) there += 1;
  }
  return marked;
}

/** Words with the space before them; other signs stand alone. */
function split(text) {
  return text.match(/\s*[\p{L}\p{M}\p{N}_]+|\s*[^\s]|\s+/gu) ?? [];
}

function alike(word, other) {
  return word.trim().toLowerCase() === other.trim().toLowerCase();
}

/** The length of the longest common sequence of the rests of two lists, for each pair of rests. */
function lengths(words, others) {
  const table = Array.from({ length: words.length + 1 }, () => new Uint16Array(others.length + 1));
  for (let i = words.length - 1; i >= 0; i -= 1) {
    for (let j = others.length - 1; j >= 0; j -= 1) {
      table[i][j] = alike(words[i], others[j])
        ? table[i + 1][j + 1] + 1
        : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  return table;
}

function push(marked, text, differs) {
  const last = marked.at(-1);
  if (last && last.differs === differs) last.text += text;
  else marked.push({ text, differs });
}
