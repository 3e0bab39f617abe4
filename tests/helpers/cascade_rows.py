"""Tables of what the stages of a cascade answer, made of numbers."""

import numpy as np

from composer.methods.cascade_state import CascadeState, StageAnswer
from composer.methods.cascade_table import CascadeRow, CascadeTable
from composer.values import Query, Text


def answered(names, texts, confidence=None, question="Which?"):
    """Make the state in which stages answered these texts, None for one that has not."""
    query = Query.of(question)
    answers = {
        at: StageAnswer(
            Text(query, text, names[at]),
            {} if confidence is None else {"confidence": confidence[at]},
            cost=0.001 * 4**at,
        )
        for at, text in enumerate(texts)
        if text is not None
    }
    return CascadeState(query, names, answers)


def drawn(rows, *accuracies, seed=0, told=True):
    """Draw a table: stages of this mean quality, surer where they are right if that is `told`.

    Answers are letters; all that are right are `a`.
    """
    rng = np.random.default_rng(seed)
    names = tuple("ABCDEFGHI"[: len(accuracies)])
    table = []
    for at in range(rows):
        right = rng.random(len(names)) < np.array(accuracies)
        sure = np.clip(rng.normal(0.5 + 0.2 * told * (2 * right - 1), 0.15), 0.01, 0.99)
        texts = ["a" if each else "bcdefg"[rng.integers(6)] for each in right]
        state = answered(names, texts, sure.tolist(), f"Question {at} of {rng.integers(9)}?")
        table.append(CascadeRow(state, tuple(map(float, right))))
    return CascadeTable(names, tuple(table), f"{seed}")
