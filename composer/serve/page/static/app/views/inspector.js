/** What is behind an answer, in tabs: how it came about, its members, the graph, the time. */

import { html } from "../html.js";
import { Graph } from "./graph.js";
import { How } from "./how.js";
import { Members } from "./members.js";
import { Time } from "./time.js";

const TABS = [
  { id: "how", name: "How", View: How },
  { id: "members", name: "Members", View: Members },
  { id: "graph", name: "Graph", View: Graph },
  { id: "time", name: "Time", View: Time },
];

/** @param {{store: import("../store.js").Store}} props */
export function Inspector({ store }) {
  const turn = store.inFocus;
  const run = turn?.run ?? null;
  const served = run ? store.servedAs(run.model) : store.served;
  if (!served) return html`<section class="inspector" aria-label="Behind the answer"></section>`;
  const chosen = run ? store.tab : "graph";
  const { View } = TABS.find(({ id }) => id === chosen);
  return html`
    <section class="inspector" aria-label="Behind the answer">
      <${Tabs} store=${store} chosen=${chosen} hasRun=${run !== null} />
      <div class="tab-panel" role="tabpanel" id="tab-panel" aria-labelledby=${`tab-${chosen}`} tabindex="0">
        <${View} store=${store} turn=${turn} run=${run} served=${served} palette=${store.palette(served.id)} />
      </div>
    </section>
  `;
}

function Tabs({ store, chosen, hasRun }) {
  const shown = hasRun ? TABS : TABS.filter(({ id }) => id === "graph");
  const place = shown.findIndex(({ id }) => id === chosen);
  const choose = (id) => store.set({ tab: id });
  const press = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const { id } = shown[(place + by + shown.length) % shown.length];
    choose(id);
    document.getElementById(`tab-${id}`).focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label="Behind the answer" onKeyDown=${press}>
      ${shown.map(
        ({ id, name }) => html`<button
          type="button"
          role="tab"
          id=${`tab-${id}`}
          aria-selected=${id === chosen}
          aria-controls="tab-panel"
          tabindex=${id === chosen ? 0 : -1}
          onClick=${() => choose(id)}
        >
          ${name}
        </button>`,
      )}
    </div>
  `;
}
