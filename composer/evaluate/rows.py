"""One row of a data file: a question, what counts as right, and what was recorded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.compiler.graph import read_part
from composer.data import (
    JUDGED,
    BadRow,
    id_of,
    pair_of,
    query_of,
    recorded_of,
    references_of,
    tags_of,
)
from composer.diagnostics import Mistakes, did_you_mean
from composer.methods import Grader
from composer.run.queries import as_query, asked_text
from composer.values.media import SIGN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.values import JSON, Query

__all__ = ["EvaluationRow", "read_grader", "row_of"]

MISTAKES = ("grader", "reference", "ambiguous")
"""Results of an audit that make the grades of a row worthless."""

AUDITS = (*MISTAKES, "confirmed")


@dataclass(frozen=True)
class EvaluationRow:
    """A question, the answers that count as right, and what is known of recorded answers.

    `grader` grades its answers instead of that of all rows. `content` says what draws depend on
    where the row has no id of its own. `audit` is what a person
    found who looked at a row that all members get wrong: one of `AUDITS`. A row of a published
    set names its `benchmark` and holds the `facts` that the benchmark's own metrics need.
    """

    id: str
    query: str
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    split: str = ""
    recorded: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    grader: Grader | None = None
    content: str = ""
    audit: str = ""
    benchmark: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def wrongly_graded(self) -> bool:
        """Whether an audit found that the grades of this row cannot be trusted."""
        return self.audit in MISTAKES

    @property
    def shown_query(self) -> str:
        """The question as a person or a judge reads it, with what stands for images named."""
        return asked_text(self.question()) if SIGN in self.query else self.query

    def asked(self) -> dict[str, object]:
        """What a recipe is given of the row: neither references nor judgements."""
        tags = {"tags": list(self.tags)} if self.tags else {}
        return {"id": self.id, "query": self.query, **tags, **self.fields}

    def question(self) -> Query:
        """Return what a recipe is given as a query, whose draws do not depend on its place."""
        return replace(as_query(self.asked()), content=self.content)


def row_of(content: dict[str, JSON] | BadRow, index: int) -> EvaluationRow:
    """Make a row of a line; `index`, from 1, names a row without an id. Raises BadRow."""
    if isinstance(content, BadRow):
        raise content
    asked, answered = pair_of(content)
    given = content.get("reference", content.get(answered))
    name = id_of(content)
    row = EvaluationRow(
        id=str(index) if name is None else name,
        query=query_of(content),
        references=references_of(given),
        tags=tags_of(content),
        split=str(content.get("split") or ""),
        recorded=recorded_of(content),
        audit=_audit(content.get("audit")),
        grader=_grader(content.get("grader")),
        fields=_parts_of_question(content, asked)
        | {k: v for k, v in content.items() if k not in JUDGED | {asked, answered}},
    )
    if name is not None:
        return row
    asked_only = {key: one for key, one in row.asked().items() if key != "id"}
    return replace(row, content=as_query(asked_only).content)


def _parts_of_question(content: dict[str, JSON], asked: str) -> dict[str, JSON]:
    """Return a question that has content parts as a conversation, so that the parts are kept."""
    if not isinstance(content.get(asked), list):
        return {}
    return {"messages": [{"role": "user", "content": content[asked]}]}


def _audit(value: JSON) -> str:
    """Return what an audit found; raises BadRow."""
    if value is None or value == "":
        return ""
    if value not in AUDITS:
        advice = did_you_mean(str(value), AUDITS, keep_order=True)
        raise BadRow(f'"audit" must be one of {", ".join(AUDITS)}, not {value!r}', advice)
    return str(value)


def _grader(text: object) -> Grader | None:
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise BadRow('"grader" must be a text', 'write it as `"grader": "numeric"`')
    try:
        return read_grader(text, "grader")
    except Mistakes as error:
        mistake = error.diagnostics[0]
        raise BadRow(f'"grader": {mistake.message}', mistake.help) from None


def read_grader(text: str, name: str = "--how") -> Grader:
    """Read a grader; `name` says where the text stands. Raises Mistakes, with the place."""
    return _read(text, name, Path.cwd())


@lru_cache(maxsize=256)
def _read(text: str, name: str, folder: Path) -> Grader:
    return read_part(text, Grader, name, folder)
