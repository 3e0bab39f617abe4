"""Whether a span fuse of the three story models picks the spans of the right expert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from table_text import markdown, percent

from composer.methods import MeanLogprob, Words
from composer.methods.spans.hedge import Hedge
from composer.methods.spans.measures import Share
from span_tables._experts import FOLDERS, prompts, shares, written

if TYPE_CHECKING:
    from pathlib import Path

    from composer.values.typed import Typed

COUNT = 8
FUSES: dict[str, dict[str, Typed]] = {
    "a word, mean": {"span": Words(), "score": MeanLogprob()},
    "four words, mean": {"span": Words(n=4), "score": MeanLogprob()},
    "four words, share": {"span": Words(n=4), "score": Share()},
    "four words, mean, Hedge": {"span": Words(n=4), "score": MeanLogprob(), "weigh": Hedge()},
}


def table(data: Path) -> str:
    """Return the share of spans that each member won, by the texts that were gone on with."""
    lines = []
    for expert, asked in prompts(data, COUNT).items():
        for name, parts in FUSES.items():
            answers, _ = written(data, asked, parts)
            won = [percent(shares(answers, member)) for member in FOLDERS]
            lines.append([f"{expert}: {name}", *won])
    head = ["texts: spans and score", *(f"won by {name}" for name in FOLDERS)]
    text = f"{COUNT} beginnings of each kind; spans on which the members differ.\n\n"
    return text + markdown(head, lines)
