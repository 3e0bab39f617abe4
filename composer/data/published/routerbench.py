"""RouterBench (arXiv:2403.12031): one row a question, with three columns a model."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from composer.data.published.form import Form, Part, number, present

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ROUTERBENCH"]

COST, RESPONSE = "|total_cost", "|model_response"
"""How the columns of a model end, beside the one with its score."""


def _parts(row: dict[str, Any]) -> Iterator[Part]:
    models = [name.removesuffix(COST) for name in row if name.endswith(COST)]
    recorded = {
        model: present(
            score=score, cost=number(row[model + COST]), text=_text(row.get(model + RESPONSE))
        )
        for model in models
        if (score := number(row.get(model))) is not None
    }
    yield Part(
        {
            "id": str(row.get("sample_id", row["prompt"])),
            "query": _unlisted(str(row["prompt"])),
            "tags": [str(row["eval_name"])],
            "recorded": recorded,
        }
    )


def _text(response: object) -> str | None:
    return None if response is None else _unlisted(str(response))


def _unlisted(text: str) -> str:
    """Read the prompts and answers, which are Python lists of texts in text."""
    if not text.startswith("["):
        return text
    try:
        turns = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        return text
    return "\n".join(turns)


ROUTERBENCH = Form(
    "RouterBench",
    frozenset({"eval_name"}),
    lambda row: "prompt" in row and "eval_name" in row,
    _parts,
)
