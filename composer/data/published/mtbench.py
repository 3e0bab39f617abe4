"""MT-Bench (arXiv:2306.05685): questions of two turns, answers, and a judge's ratings."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

from composer.data.published.form import Form, Part, PublishedFile, number, words
from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from composer.data.published.form import Files

__all__ = ["MTBENCH"]

BEST, TURNS, NOT_RATED = 10, (1, 2), -1
"""The highest rating, the turns, and the rating of an answer whose judgment could not be read."""

LAYOUT = "give the folder with question.jsonl, model_answer/ and model_judgment/"


def _claims(row: dict[str, Any]) -> bool:
    names = row.keys()
    if "question_id" not in names:
        return False
    return bool(names & {"turns", "choices", "judgment", "g1_winner"})


def _files(root: Path) -> Files:
    """List questions, answers and single ratings; None for a folder without questions."""
    questions = root / "question.jsonl"
    if not questions.is_file():
        return None
    answers = sorted(root.glob("model_answer/*.jsonl"))
    ratings = sorted(root.glob("model_judgment/*_single.jsonl"))
    return [PublishedFile(path, {}) for path in (questions, *answers, *ratings)]


def _parts(row: dict[str, Any]) -> Iterator[Part]:
    name = str(row["question_id"])
    if "g1_winner" in row:
        message = "this compares two models, and only the ratings of single answers are read"
        raise BadRow(message, "give model_judgment/gpt-4_single.jsonl")
    if "turns" in row:
        yield Part({"id": name} | _question(row), {}, name)
    elif "choices" in row:
        model = words(row, "model_id")
        yield Part({"recorded": {model: {"text": _first_turn(row["choices"])}}}, {}, name)
    else:
        model = words(row, "model")
        ratings = _rating(row)
        yield Part({"recorded": {model: {"ratings": ratings}} if ratings else {}}, {}, name)


def _question(row: dict[str, Any]) -> dict[str, Any]:
    turns = row["turns"]
    if not isinstance(turns, list) or not turns or not all(isinstance(one, str) for one in turns):
        raise BadRow("`turns` must be a list of texts", 'write `"turns": ["...", "..."]`')
    category = row.get("category")
    return {"query": turns[0]} | ({"tags": [category]} if isinstance(category, str) else {})


def _first_turn(choices: object) -> str:
    first = choices[0] if isinstance(choices, list) and choices else None
    turns = first.get("turns") if isinstance(first, dict) else None
    if not isinstance(turns, list) or not turns or not isinstance(turns[0], str):
        raise BadRow("`choices` must hold an answer with its `turns`", f"{LAYOUT} as published")
    return turns[0]


def _rating(row: dict[str, Any]) -> list[list[float]]:
    """Return the turn and its rating, nothing where the judgment could not be read."""
    turn, rating = row.get("turn"), number(row.get("score"))
    if turn not in TURNS:
        raise BadRow(f"a judgment is of turn 1 or 2, not {turn!r}", "write `turn` as 1 or 2")
    if rating == NOT_RATED:
        return []
    if rating is None or not 1 <= rating <= BEST:
        message = f"a rating is a number from 1 to 10, not {row.get('score')!r}"
        raise BadRow(message, "write -1 where the judgment could not be read")
    return [[float(turn), rating]]


def _finish(row: dict[str, Any]) -> None:
    for outcome in row.get("recorded", {}).values():
        if "ratings" in outcome:
            outcome["score"] = fmean(rating for _, rating in outcome["ratings"]) / BEST


MTBENCH = Form("MT-Bench", frozenset({"question_id"}), _claims, _parts, _files, _finish, LAYOUT)
