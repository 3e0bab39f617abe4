"""What ensembles of the zoo gain over their best member, the losses too, as a Markdown table.

    python benchmarks/zoo.py [--pairs FOLDER] [--limit N]

The best member is chosen on the validation items; both are then measured on the test items, with a
95% paired bootstrap interval of the difference. `--pairs` names a folder with further generalists,
`general-3` to `general-6`, as `python -m composer.fit.zoo train NAME...` leaves them there.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import composer
from composer import zoo
from composer.evaluate import EvaluationRow, Report, evaluate, read_rows
from composer.metrics import difference_interval

HEAD = "default generate(max_tokens = 96)\n"
PAIRS = (("general-1", "general-2"), ("general-3", "general-4"), ("general-5", "general-6"))


@dataclass(frozen=True)
class Trial:
    """An ensemble: what it is called, its members' names, and its answer over A, B, C, ..."""

    title: str
    members: tuple[str, ...]
    answer: str


TRIALS = (
    Trial(
        "route by kNN between the specialists",
        ("maths", "text"),
        'route(by = knn("zoo:validation")) -> [A, B]',
    ),
    Trial(
        "route by logistic regression",
        ("maths", "text"),
        'route(by = linear("zoo:validation")) -> [A, B]',
    ),
    Trial("route by prompt perplexity", ("maths", "text"), "route -> [A, B]"),
    Trial("token fusion of the specialists", ("maths", "text"), "token_fuse(A, B)"),
    *(
        Trial(f"token fusion, seeds {a[-1]} and {b[-1]}", (a, b), "token_fuse(A, B)")
        for a, b in PAIRS
    ),
    Trial("token fusion, mean of logs", PAIRS[0], "token_fuse(A, B, combine = logs)"),
    Trial(
        "token fusion, different tokenizers",
        ("general-1", "other"),
        "token_fuse(A, B, align = union())",
    ),
    Trial("span fusion", PAIRS[0], "span_fuse(A, B)"),
    Trial("span fusion of three", (*PAIRS[0], "other"), "span_fuse(A, B, C)"),
    Trial("vote of three", (*PAIRS[0], "other"), "[A, B, C] -> vote()"),
    Trial(
        "most likely of three answers",
        (*PAIRS[0], "other"),
        "[A, B, C] -> rank(A, B, C, by = likely()) -> best()",
    ),
    Trial(
        "cascade to the large model",
        ("general-1", "large"),
        "A -> cascade(B, accept = confidence >= 0.8)",
    ),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--only", default="", help="only ensembles whose title holds this text")
    options = parser.parse_args()
    print("| ensemble | members | accuracy | best member | gain [95% interval] | last asked |")
    print("|---|---|---|---|---|---|")
    for trial in TRIALS:
        known = all(_declared(name, options.pairs) for name in trial.members)
        if known and options.only in trial.title:
            print(_row(trial, options.pairs, options.limit), flush=True)


def _row(trial: Trial, pairs: Path | None, limit: int | None) -> str:
    best = max(trial.members, key=lambda name: _alone(name, "validation", pairs, limit).accuracy)
    alone = _alone(best, "test", pairs, limit)
    report = _measured(trial, pairs, limit)
    shared = [each for each in report.qualities if each in alone.qualities]
    gain = difference_interval(
        [report.qualities[each] for each in shared], [alone.qualities[each] for each in shared]
    )
    names = ", ".join(trial.members)
    points = f"{100 * gain.mean:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
    return (
        f"| {trial.title} | {names} | {100 * report.accuracy:.1f} "
        f"| {best}, {100 * alone.accuracy:.1f} | {points} | {_calls(trial, report)} |"
    )


def _calls(trial: Trial, report: Report) -> str:
    """Say how often the last model of a cascade was asked."""
    last = report.calls.get("B", 0) if "cascade" in trial.answer else None
    return f"{100 * last / report.rows:.0f}%" if last is not None else ""


def _measured(trial: Trial, pairs: Path | None, limit: int | None) -> Report:
    text = HEAD + "".join(
        f"model {letter} = {_declared(name, pairs)}\n"
        for letter, name in zip("ABCD", trial.members, strict=False)
    )
    report = evaluate(composer.load(text + trial.answer), _rows("test", limit), members=False)
    if report.errors:
        raise SystemExit(f"{trial.title}: {report.errors} rows failed")
    return report


@cache
def _alone(name: str, split: str, pairs: Path | None, limit: int | None) -> Report:
    recipe = composer.load(f"{HEAD}model A = {_declared(name, pairs)}\nA")
    return evaluate(recipe, _rows(split, limit), members=False)


@cache
def _rows(split: str, limit: int | None) -> list[EvaluationRow]:
    return read_rows(zoo.items(split), limit=limit)


def _declared(name: str, pairs: Path | None) -> str | None:
    if name in zoo.names():
        return f'zoo("{name}")'
    if pairs is not None and (pairs / name / "config.json").exists():
        return f'hf("{(pairs / name).resolve()}")'
    return None


if __name__ == "__main__":
    main()
