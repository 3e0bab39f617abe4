"""What prompt strategies are made of: passages that are looked up, and parts solved in order."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from composer.methods import TEMPLATES, Template
from composer.methods.retrieval import Fit, best_passages
from composer.steps.declare import step
from composer.values import Asker, Candidates, FilePath, Model, Query, Sampling, Text
from composer.values.capability import Capability

_BULLET = re.compile(r"^\s*(?:[-*\u2022]|\(?\d+[.):])\s*")


@step(paper="arXiv:2005.11401")
async def retrieve(
    query: Query,
    path: FilePath,
    k: Annotated[int, Field(ge=1)] = 3,
    *,
    by: Fit = "bm25",
    ask: Asker,
) -> Query:
    """Look up passages of a file for the question; templates behind it read `fields.passages`.

    A file that ends in `.jsonl` has a passage in the field `text` of each line; any other file has
    passages with empty lines between them. The best `k` are chosen by `bm25`, or by the cosine of
    `tfidf` vectors. A passage that shares no word with the question is left out.
    """
    scored = await ask.compute(lambda: best_passages(path, query.root.text, k, by))
    passages = [passage for passage, _ in scored]
    ask.note(passages=passages, scores=[score for _, score in scored])
    fields = {**query.fields, "passages": passages}
    return replace(query, fields=MappingProxyType(fields))


@step(paper="arXiv:2205.10625", needs=Capability.TEXT)
async def solve_in_order(
    plan: Text,
    model: Model,
    template: Template = TEMPLATES["subquestion"],
    *,
    most: Annotated[int, Field(ge=1)] = 8,
    max_tokens: Annotated[int, Field(ge=1)] = 512,
    ask: Asker,
) -> Text:
    """Answer the lines of a plan one after the other, then the question itself (least to most).

    Each line is a smaller question. The template reads `fields.subquestion`, the one to be answered
    now, and `answers`, those to the lines before, named by their lines. Of more than `most` lines
    the first are taken. The last answer is the result.
    """
    lines = [_BULLET.sub("", line).strip() for line in plan.text.splitlines()]
    root = plan.query.root
    parts = [*[line for line in lines if line][:most], root.text]
    solved: list[Text] = []
    for at, part in enumerate(parts):
        question = replace(root, fields=MappingProxyType({**root.fields, "subquestion": part}))
        before = Candidates(question, tuple(solved), tuple(parts[:at]))
        query = plan.query.asking(template.render(before), before)
        solved.append(await ask.generate(model, query, Sampling(max_tokens=max_tokens)))
    ask.note(solved=[[part, each.text] for part, each in zip(parts, solved, strict=True)])
    return replace(solved[-1], query=plan.query)
