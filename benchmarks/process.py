"""What a search over steps gains on chains of arithmetic, at which cost; losses too.

    python benchmarks/process.py [--limit N] [--only TEXT] [--reward R]

The questions are the chains of the zoo's test items. For each set of writers the table has each
writer's greedy answer, searches, and a vote over samples of the writers with about as many tokens
as the search before it. Gains are over the best writer, chosen on the same questions (which favours
it), with a 95% paired bootstrap interval. Tokens are those that the writers wrote, a question.

`--reward` is a step reward as in a recipe, where `P` is the zoo's process-reward model. Without it
there are three: `rewarded(P)`; `sums`, which checks whether each line is right arithmetic that goes
on from the line before, and knows nothing of the question; and `result`, which knows the right
answer, as no reward does: a bound.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING, ClassVar

import torch

import composer
from composer import zoo
from composer.evaluate import EvaluationRow, evaluate, read_rows
from composer.methods.rewards.base import Partials, StepReward
from composer.methods.table import parts
from composer.metrics import difference_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.evaluate import Report
    from composer.values import Asker

WRITERS = (("tune-text",), ("general-1", "general-2", "tune-text"))
SEARCHES = (
    "greedy(draws = 4)",
    "beam(width = 2, draws = 4)",
    "tree(rollouts = 8, draws = 4, backup = mean)",
    "tree(rollouts = 8, draws = 4)",
)
WHOLE = ("tree(rollouts = 8, draws = 4, simulate = true)",)
"""The search with a reward that knows only whole answers."""
LINE = re.compile(r" ?(\d+)([-+*])(\d+)=(\d+)\n")
KNOWN: dict[str, str] = {}
"""The right answers by question, which the reward `result` knows."""


class Sums(StepReward):
    """The share of lines that are right, and go on from the line before."""

    name: ClassVar[str] = "sums"

    async def rewards(self, partials: Partials, ask: Asker) -> Sequence[float]:
        """Check each line."""
        del ask
        return [_share(each.steps) for each in partials.answers]


class Result(StepReward):
    """1 for the right result, 0 for a wrong one, 1/2 for an answer without one."""

    name: ClassVar[str] = "result"

    async def rewards(self, partials: Partials, ask: Asker) -> Sequence[float]:
        """Compare the last numbers."""
        del ask
        right = KNOWN[partials.query.text]
        return [float(_last(p.text) == right) if p.over else 0.5 for p in partials.answers]


def _share(steps: Sequence[str]) -> float:
    """Return which share of the lines is right."""
    right, before = 0, None
    for step in steps:
        line = LINE.fullmatch(step)
        if line is None:
            right += before is not None and step == f"answer {before}"
            continue
        left, sign, other, result = int(line[1]), line[2], int(line[3]), int(line[4])
        value = {"+": left + other, "-": left - other, "*": left * other}[sign]
        right += value == result and before in (None, left)
        before = result
    return right / len(steps)


def _last(text: str) -> str:
    return str((re.findall(r"\d+", text) or [""])[-1])


@dataclass(frozen=True)
class Run:
    """What a recipe came to: the quality of each row, and the tokens a question."""

    report: Report
    tokens: float

    @property
    def quality(self) -> float:
        """The share of right answers."""
        return mean(self.report.qualities.values())


def run(recipe: str, names: Sequence[str], rows: Sequence[EvaluationRow]) -> Run:
    """Answer all rows, and count the tokens that the writers wrote."""
    models = "".join(f'model W{at} = zoo("{name}")\n' for at, name in enumerate(names))
    tokens: list[int] = []

    def count(result: composer.Result) -> None:
        usage = (each for name, each in result.members.items() if name.startswith("W"))
        tokens.append(sum(each.completion_tokens for each in usage))

    head = 'default generate(max_tokens = 96)\nmodel P = zoo_reward("steps-reward")\n'
    report = evaluate(composer.load(head + models + recipe), rows, members=False, on_result=count)
    if report.errors:
        raise SystemExit(f"{recipe}: {report.errors} rows failed")
    return Run(report, sum(tokens) / len(tokens))


def shown(title: str, one: Run, best: Run | None) -> str:
    """Return a row of the table."""
    gain = ""
    if best is not None:
        keys = list(best.report.qualities)
        each = difference_interval(
            [one.report.qualities[key] for key in keys],
            [best.report.qualities[key] for key in keys],
        )
        gain = f"{100 * each.mean:+.1f} [{100 * each.low:+.1f}, {100 * each.high:+.1f}]"
    return f"| {title} | {100 * one.quality:.1f} | {gain} | {one.tokens:.0f} |"


def compare(
    names: Sequence[str], rows: Sequence[EvaluationRow], rewards: Sequence[str]
) -> Iterator[str]:
    """Yield the rows of one set of writers."""
    alone = {name: run("W0", [name], rows) for name in names}
    best = max(alone.values(), key=lambda each: each.quality)
    yield from (shown(f"{name}, greedy", each, None) for name, each in alone.items())
    writers = ", ".join(f"W{at}" for at in range(len(names)))
    for reward in rewards:
        for search in WHOLE if reward == "result()" else SEARCHES:
            how = f"reward = {reward}, search = {search}, temperature = 1"
            text = f"process_fuse({writers}, {how})"
            one = run(text, names, rows)
            yield shown(f"`{search}`, `{reward}`", one, best)
        draws = max(1, round(one.tokens / sum(each.tokens for each in alone.values())))
        drawn = ", ".join(f"sample(W{at}, {draws}, temperature = 1)" for at in range(len(names)))
        vote = run(f"[{drawn}] -> extract(number()) -> vote()", names, rows)
        yield shown(f"vote over {draws} samples of each", vote, best)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--limit", type=int, default=185)
    parser.add_argument("--only", default="", help="only sets whose title holds this text")
    parser.add_argument("--reward", help="a step reward, as in a recipe")
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts()["stepreward"] |= {"sums": Sums, "result": Result}
    rewards = ("rewarded(P)", "sums()", "result()") if options.reward is None else (options.reward,)
    items = [row for row in read_rows(zoo.items("test")) if "steps" in row.tags]
    rows = items[: options.limit]
    KNOWN.update({row.query: row.references[0] for row in rows})
    plain = [replace(row, tags=()) for row in rows]
    for names in WRITERS:
        label = f"zoo: {', '.join(names)}"
        if options.only in label:
            print(f"\n{label}, {len(rows)} questions\n")
            print("| how | right, % | gain over the best writer | tokens |\n|---|--:|--:|--:|")
            for line in compare(names, plain, rewards):
                print(line, flush=True)


if __name__ == "__main__":
    main()
