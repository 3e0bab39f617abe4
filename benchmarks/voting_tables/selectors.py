"""Learned selectors and pools for votes, on recorded answers and on the zoo.

Every row is chosen for by a part that was fitted without it: by plain folds, and by folds that
leave whole kinds of questions out, where the rows have kinds.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
from table_text import gain, markdown, percent

from composer import zoo
from composer.methods import Count, Exact
from composer.methods.answer_table import AnswerTable
from composer.methods.estimators.folds import by_tag, shuffled
from composer.methods.estimators.pool_choices import accurate, diverse, informative
from composer.methods.recorded_answers import recorded_answers
from composer.methods.selecting import comparisons
from composer.methods.selectors.experts import Experts
from composer.methods.selectors.forest import Forest
from composer.methods.selectors.ranker import Ranker
from voting_tables._pools import WHOLE, Answers, Pool, answers, lines_of, members_of, recorded_file
from voting_tables.closed import SMALL7

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from composer.methods.estimators.folds import Split
    from composer.methods.selectors.base import LearnedScorer

FOLDS = 2
PARTS: dict[str, LearnedScorer] = {
    "`forest`": Forest(),
    "`experts`": Experts(),
    "`ranker`": Ranker(),
}
ZOO4 = ("general-1", "general-2", "maths", "text")
ZOO8 = (*ZOO4, "tune-maths", "tune-text", "other", "large")
LETTER = 'pattern("([A-E])")'
MMLU, TRIVIA = "cascades_mmlu_llama_test", "cascades_triviaqa_llama_test"


def table(data: Path) -> str:
    """Return the table of learned selectors, and that of pools for votes."""
    head = ("members", "rows", "best single", "majority", *PARTS, "oracle")
    rows = []
    for name, pool, splits in _selected(data):
        rows += _figures(name, pool, splits)
        print(*rows[-2:], sep="\n", file=sys.stderr, flush=True)
    pools = [_pools(name, pool, keep) for name, pool in _large(data) for keep in (3, 5)]
    head_of_pools = ("of", "members", "rows", "most accurate", "by information", "by diversity")
    return f"{markdown(head, rows)}\n\nPools for votes:\n\n{markdown(head_of_pools, pools)}"


def _selected(data: Path) -> Iterator[tuple[str, Answers, list[Split]]]:
    """Yield each pool with its folds."""
    fair = _zoo(ZOO4)
    yield "zoo, four models", fair, _plain(fair)
    yield "the same, kinds of questions left out", fair, _kinds(fair)
    for name, file, members, reader, by in (
        ("gsm8k, four models", "gsm8k_four_models", (), "number()", "numeric()"),
        ("zeroeval crux, small7", "zeroeval_crux", SMALL7, WHOLE, "verbatim()"),
    ):
        pool = _pool(data, file, members, reader, by)
        yield name, pool, _plain(pool)
    mmlu, trivia = (_pool(data, file, (), "whole()", "exact()") for file in (MMLU, TRIVIA))
    yield "mmlu, five Llamas", mmlu, _plain(mmlu)
    yield "triviaqa, five Llamas", trivia, _plain(trivia)
    both = _joined(mmlu, trivia)
    yield "both, each fitted on the other", both, _kinds(both)
    arc = _pool(data, "routerbench_arc_challenge_train", (), LETTER, "exact()")
    yield "arc challenge, eleven models", arc, _plain(arc)


def _pool(data: Path, file: str, members: tuple[str, ...], reader: str, by: str) -> Answers:
    return answers(data, Pool(file, members or _members_in(data, file), reader, by))


def _members_in(data: Path, file: str) -> tuple[str, ...]:
    """Return all models of a recorded file, in its order."""
    return tuple(next(lines_of(recorded_file(data, file)))["recorded"])


def _zoo(members: tuple[str, ...]) -> Answers:
    return _recorded(str(zoo.items("validation")), members)


def _recorded(path: str, members: tuple[str, ...]) -> Answers:
    """Return what a file recorded, as it is written there."""
    rows = recorded_answers("selectors", path, members, labelled=True, read=False)
    return Answers(rows, comparisons(rows, Exact()))


def _joined(one: Answers, other: Answers) -> Answers:
    assert one.table.names == other.table.names
    rows = AnswerTable(one.table.names, one.table.rows + other.table.rows)
    return Answers(rows, one.comparisons + other.comparisons)


def _plain(pool: Answers) -> list[Split]:
    return shuffled([row.candidates.query.text for row in pool.table.rows], FOLDS, 0)


def _kinds(pool: Answers) -> list[Split]:
    return by_tag([row.tags for row in pool.table.rows], FOLDS)


def _figures(name: str, pool: Answers, splits: Sequence[Split]) -> list[Sequence[str]]:
    """Return the figures of a pool, and the gain of each part over the better baseline."""
    single, chosen = [0.0] * len(pool.table.rows), {}
    for learned, rows in splits:
        best = pool.taken(learned.tolist()).table.best_member
        for at, quality in zip(rows, pool.taken(rows.tolist()).quality_of(best), strict=True):
            single[at] = quality
    majority = pool.quality(Count())
    for part_name, part in PARTS.items():
        chosen[part_name] = [0.0] * len(single)
        for learned, rows in splits:
            fitted = pool.taken(learned.tolist()).fitted(part)
            for at, quality in zip(rows, pool.taken(rows.tolist()).quality(fitted), strict=True):
                chosen[part_name][at] = quality
    columns = (single, majority, *chosen.values(), pool.best_quality())
    figures = [percent(each) for each in columns]
    ahead = sum(single) > sum(majority)
    gains = [gain(each, single if ahead else majority) for each in chosen.values()]
    over = f"gain over {'the best single' if ahead else 'majority'}"
    return [[name, f"{len(single):,}", *figures], [over, "", "", "", *gains, ""]]


def _large(data: Path) -> Iterator[tuple[str, Answers]]:
    yield "the zoo's eight", _zoo(ZOO8)
    for name, file in (("zeroeval gsm, 43", "zeroeval_gsm"), ("crux, 51", "zeroeval_crux")):
        yield name, _recorded(str(recorded_file(data, file)), members_of(data, file))


def _pools(name: str, pool: Answers, keep: int) -> list[str]:
    """Return how a majority of the pool chosen on one half does on the other, and the reverse."""
    votes: dict[str, list[float]] = {each: [] for each in ("accuracy", "information", "diversity")}
    for learned, rows in _plain(pool):
        quality = pool.table.quality[learned]
        choices = {
            "accuracy": accurate(quality, keep),
            "information": informative(quality, keep),
            "diversity": diverse(quality, keep, 0.5),
        }
        others = pool.taken(rows.tolist())
        for by, columns in choices.items():
            votes[by] += _members(others, [pool.table.names[at] for at in columns])
    first, *rest = votes.values()
    gains = [gain(each, first) for each in rest]
    return [name, str(keep), f"{len(first):,}", percent(first), *gains]


def _members(pool: Answers, names: Sequence[str]) -> list[float]:
    """Return the quality of a plain majority of some of the members."""
    every = np.nan_to_num(pool.table.quality)
    columns = [pool.table.names.index(name) for name in names]
    outcomes = []
    for at, said in enumerate(pool.table.answers):
        keys = [None if said[c] is None else Exact().key(str(said[c])) for c in columns]
        counts = [keys.count(key) if key is not None else 0 for key in keys]
        lead = [every[at, c] for c, n in zip(columns, counts, strict=True) if n == max(counts) > 0]
        outcomes.append(float(np.mean(lead)) if lead else 0.0)
    return outcomes
