"""Published sets of recorded answers, in the forms in which they are given out.

One file a benchmark says how its objects are recognized and what they become. A new one is a file
and a line in FORMS; its metrics stand in `composer/evaluate/benchmarks/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.data.published.alpacaeval import ALPACAEVAL
from composer.data.published.bigbench import BIGBENCH
from composer.data.published.codetests import HUMANEVAL, MBPP
from composer.data.published.gathering import Gathering
from composer.data.published.llmrouterbench import LLMROUTERBENCH
from composer.data.published.mixinstruct import MIXINSTRUCT
from composer.data.published.mtbench import MTBENCH
from composer.data.published.routerarena import ROUTERARENA
from composer.data.published.routerbench import ROUTERBENCH
from composer.data.published.routereval import ROUTEREVAL
from composer.data.row import Unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.data.published.form import Form, PublishedFile

__all__ = ["FORMS", "Gathering", "form_of", "published_files"]

FORMS: tuple[Form, ...] = (
    ROUTERBENCH,
    MIXINSTRUCT,
    ALPACAEVAL,
    ROUTERARENA,
    MTBENCH,
    HUMANEVAL,
    MBPP,
    LLMROUTERBENCH,
    BIGBENCH,
    ROUTEREVAL,
)


MARKS = frozenset[str]().union(*(form.marks for form in FORMS))


def form_of(row: dict[str, Any]) -> Form | None:
    """Return the published form of an object, None for a row in our own names or any other."""
    marks = MARKS.intersection(row)
    if not marks or "query" in row:
        return None
    return next((form for form in FORMS if form.marks & marks and form.claims(row)), None)


def published_files(root: Path) -> Sequence[PublishedFile]:
    """List the files of a folder in a published layout; raises Unreadable (E504) for others."""
    for form in FORMS:
        files = form.files(root)
        if files is not None:
            return files
    raise Unreadable(
        "E504",
        f"`{root}` is a folder, and not one of a published benchmark",
        "give a file; folders are read in the layouts of LLMRouterBench, RouterArena, AlpacaEval, "
        "MT-Bench, HumanEval and MBPP",
    )
