/** Components that are drawn anew only where a property has changed. */

import { Component, h } from "preact";

/**
 * @template Props
 * @param {(props: Props) => any} draw
 */
export function memo(draw) {
  return class extends Component {
    shouldComponentUpdate(next) {
      return Object.keys(next).some((name) => next[name] !== this.props[name]);
    }

    render(props) {
      return h(draw, props);
    }
  };
}
