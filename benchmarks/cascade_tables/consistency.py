"""Mixtures of thoughts: cascades by how many draws agree, over several prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from table_text import markdown, percent

from cascade_tables._curves_of_signals import curve, recovered
from cascade_tables._recorded import models_of, recipe_table, recorded_file

if TYPE_CHECKING:
    from pathlib import Path

    from composer.methods.cascade_table import CascadeTable

FILE = "thoughts_date"
STRONG = "gpt-4/cot1"
WEAK = "gpt-3.5-turbo"

VOTES = (
    ("one chain prompt", ("cot1",), 20, "0.758"),
    ("one chain prompt", ("cot2",), 20, "0.810"),
    ("one program prompt", ("pot1",), 20, "0.917"),
    ("one program prompt", ("pot2",), 20, "0.946"),
    ("two chain prompts (CoT-2D)", ("cot1", "cot2"), 10, "0.808"),
    ("two program prompts (PoT-2D)", ("pot1", "pot2"), 10, "0.968"),
    ("a chain and a program (MoT-1D)", ("cot1", "pot1"), 10, "0.931"),
    ("a chain and a program (MoT-2D)", ("cot1", "pot2"), 10, "0.920"),
    ("all four prompts", ("cot1", "cot2", "pot1", "pot2"), 5, "0.998, .8970 at 22.8"),
)
VERIFIED = (
    ("two chain prompts (CoT-2D)", ("cot1", "cot2"), ".8374 at 31.7"),
    ("two program prompts (PoT-2D)", ("pot1", "pot2"), ".8753 at 15.7"),
    ("a chain and a program (MoT-1D)", ("cot1", "pot1"), ".8808 at 31.4"),
    ("a chain and a program (MoT-2D)", ("cot1", "pot2"), ".8780 at 33.3"),
)
LINE = (
    "369 dates; the strong model is the majority of three answers of GPT-4. It is asked where "
    "fewer than t of all answers support the winner, over all t. `best` is the greatest accuracy, "
    "and the percentage of questions that then go on:"
)
DRAWS = 10
"""Draws of each prompt, where two majorities are held against each other."""


def table(data: Path) -> str:
    """Return what a vote over thoughts and two majorities against each other reach."""
    source = recorded_file(data, FILE)
    voted = [_voted(source, *each) for each in VOTES]
    checked = [_verified(source, *each) for each in VERIFIED]
    head = ("vote over", "draws", "right", "APGR", "best", "expected")
    parts = [
        LINE,
        markdown(head, voted),
        "Two majorities of 10 draws must be the same (`verify`):",
        markdown(("majorities of", "right", "go on", "expected"), checked),
    ]
    return "\n\n".join(parts)


def _chain(source: Path, prompts: tuple[str, ...], draws: int, *, apart: bool) -> CascadeTable:
    lines, _ = models_of(source, (*(f"{WEAK}/{each}" for each in prompts), STRONG))
    lines += "\ndefault vote(by = verbatim(), ties = first())"
    each = " -> vote()" if apart else ""
    bank = ", ".join(f"sample(m{at}, {draws}){each}" for at in range(len(prompts)))
    rule = "agreement >= 1" if apart else "support >= 1"
    strong = f"sample(m{len(prompts)}, 3) -> vote()"
    return recipe_table(
        f"{lines}\n[{bank}] -> vote() -> cascade({strong}, accept = {rule})\n", source
    )


def _voted(
    source: Path, title: str, prompts: tuple[str, ...], draws: int, expected: str
) -> list[str]:
    rows = _chain(source, prompts, draws, apart=False)
    weak, strong, signal = _columns(rows, "support")
    share, quality = curve(signal, weak, strong)
    best = int(quality.argmax())
    return [
        f"{title}: {', '.join(prompts)}",
        f"{len(prompts)} x {draws}",
        percent(weak.tolist()),
        recovered(signal, weak, strong),
        f"{quality[best]:.4f} at {100 * share[best]:.1f}",
        expected,
    ]


def _verified(source: Path, title: str, prompts: tuple[str, ...], expected: str) -> list[str]:
    rows = _chain(source, prompts, DRAWS, apart=True)
    weak, strong, signal = _columns(rows, "agreement")
    on = ~(signal >= 1)
    return [
        f"{title}: {', '.join(prompts)}",
        percent(np.where(on, strong, weak).tolist()),
        percent(on.astype(float).tolist()),
        expected,
    ]


def _columns(rows: CascadeTable, signal: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how good the first answer is, 0 where there is none, the last one, and a signal."""
    weak, strong = np.nan_to_num(rows.quality).T
    return weak, strong, rows.signal(signal)[:, 0]
