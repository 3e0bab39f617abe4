"""Tables of answers, for what is fitted on them: written by hand, or drawn from a model of them."""

import random

from composer.methods import Ballot, Exact
from composer.methods.answer_table import AnswerRow, AnswerTable
from composer.methods.selecting import comparisons
from composer.values import Candidates, Fitted, Query, Text

NAMES = ("A", "B", "C", "D", "E", "F", "G")


def row_of(answers, right=None, names=NAMES, query="q"):
    """Return a row; an answer of None abstains, and one of ... is missing."""
    query = Query.of(query)
    given = [(n, a) for n, a in zip(names, answers, strict=False) if a is not ...]
    texts = tuple(Text(query, a or "", n, value=a, extracted=True) for n, a in given)
    quality = tuple(None if right is None else float(a == right) for _, a in given)
    return AnswerRow(Candidates(query, texts, tuple(n for n, _ in given)), quality)


def table_of(rows, right=None, names=NAMES):
    """Return a table of rows of answers; `right` has the right answer of each row."""
    width = max(map(len, rows))
    right = right or [None] * len(rows)
    made = [
        row_of(r, t, names, f"q{at}") for at, (r, t) in enumerate(zip(rows, right, strict=True))
    ]
    return AnswerTable(tuple(names[:width]), tuple(made))


def drawn(accuracy, choices, count, seed=0):
    """Return a table of one-coin members: right with chance x, else some other of K answers."""
    rng = random.Random(seed)
    rows, right = [], []
    for _ in range(count):
        truth = rng.randrange(choices)
        wrong = [n for n in range(choices) if n != truth]
        rows.append([str(truth if rng.random() < x else rng.choice(wrong)) for x in accuracy])
        right.append(str(truth))
    return table_of(rows, right)


def fitted(part, table, by=None, seed=0):
    """Return a part that is fitted on a table."""
    state = part.fit(table, comparisons(table, by or Exact()), seed)
    return part.bound(Fitted.of(table.names, len(table.rows), state=state))


def shares(part, answers, names=NAMES, by=None):
    """Count the answers of members; None abstains."""
    row = row_of(answers, names=names)
    (comparison,) = comparisons(AnswerTable(row.candidates.names, (row,)), by or Exact())
    pairs = zip(row.candidates.texts, row.candidates.names, strict=True)
    return part.shares([Ballot(text, name) for text, name in pairs], comparison)
