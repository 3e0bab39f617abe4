/** Members of an ensemble keep one colour and one underline wherever they are shown. */

/** As many as `styles/theme.css` has colours. Members beyond them begin again. */
const COLOURS = 8;

/** Numbers members in the order of the recipe, so that colours stay when branches are skipped. */
export class Palette {
  /** @param {string[]} names */
  constructor(names) {
    /** @type {Map<string, number>} */
    this.places = new Map();
    names.forEach((name) => this.add(name));
  }

  /** @param {string} name */
  add(name) {
    if (!this.places.has(name)) this.places.set(name, this.places.size);
  }

  /** @param {string} name */
  has(name) {
    return this.places.has(name);
  }

  /** The class that gives an element the member's colour. @param {string} name */
  className(name) {
    const place = this.places.get(name);
    return place === undefined ? "m-none" : `m${(place % COLOURS) + 1}`;
  }
}
