/** Templates as tagged strings. Values become text nodes or attributes, never markup. */

import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);
