/** Starts the page: reads the address, asks the server what it serves, and draws. */

import { render } from "preact";
import { html } from "./html.js";
import { listen } from "./keys.js";
import { Store } from "./store.js";
import { App } from "./views/app.js";

const store = new Store();
render(html`<${App} store=${store} />`, document.getElementById("app"));
listen(store);

store.begin();
