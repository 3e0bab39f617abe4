"""Programs: HumanEval with mutants of unlike quality, and recorded programs of MBPP."""

from __future__ import annotations

import ast
import asyncio
import random
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from table_text import gain, markdown, percent

from composer.methods.code.examples import Example, calls_in, examples_in, inputs_like
from composer.methods.code.executing import Outputs
from composer.methods.code.programs import Limits, program_in
from composer.methods.code.verifying import Assertions, Examples
from composer.methods.template import Template
from composer.values import Query, Text
from voting_tables._pools import lines_of, recorded_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.methods.agreements.base import Comparison

SHARES = (0.3, 0.45, 0.6, 0.7, 0.5)
"""How often each member gives the solution of the file; else it gives a mutant of it."""

SANDBOX = Limits(seconds=3)
OUTPUTS = Outputs(sandbox=SANDBOX, generated=12)
HIDDEN = Template(text="{{ fields.test }}\ncheck({{ fields.entry_point }})")


@dataclass
class Silent:
    """Asks nobody and keeps no notes: programs need no model."""

    rng: random.Random = field(default_factory=random.Random)

    def note(self, **facts: object) -> None:
        """Keep nothing."""


@dataclass(frozen=True)
class Task:
    """One task: which candidates are right, which pass the examples, and who agrees with whom."""

    right: tuple[bool, ...]
    visible: tuple[float, ...]
    groups: tuple[tuple[int, ...], ...]

    def first(self) -> float:
        """Whether the first candidate is right."""
        return float(self.right[0])

    def drawn(self) -> float:
        """The share of candidates that are right: pass@1."""
        return fmean(self.right)

    def oracle(self) -> float:
        """Whether any candidate is right: pass@k."""
        return float(any(self.right))

    def tested(self) -> float:
        """What `verify(examples()) -> best()` gives, over the orders of equal candidates."""
        return fmean(self.right[at] for at in self._standing())

    def agreed(self) -> float:
        """What `vote(by = outputs())` gives, over ties; the first where all abstain."""
        return self._voted(set(range(len(self.right))))

    def decided(self) -> float:
        """What `verify(examples()) -> vote(by = outputs())` gives, over ties."""
        return self._voted(self._standing())

    def _standing(self) -> set[int]:
        best = max(self.visible)
        return {at for at, score in enumerate(self.visible) if score == best}

    def _voted(self, voters: set[int]) -> float:
        groups = [[at for at in group if at in voters] for group in self.groups]
        most = max(map(len, groups), default=0)
        if not most:
            return fmean(self.right[at] for at in sorted(voters))
        return fmean(fmean(self.right[at] for at in g) for g in groups if len(g) == most)


def table(data: Path) -> str:
    """Return the tables of programs."""
    rows = list(lines_of(data / "evaldata" / "humaneval" / "HumanEval.jsonl.gz"))
    mutants = asyncio.run(_humaneval(rows))
    file = recorded_file(data, "routerbench_mbpp_test")
    recorded = asyncio.run(_mbpp(list(lines_of(file))))
    first = (
        f"HumanEval, {len(mutants)} tasks, {len(SHARES)} candidates each: the solution or seeded "
        "mutants of it. Right means that the hidden tests pass."
    )
    second = (
        f"RouterBench's MBPP test rows, {len(recorded)} tasks, eleven models' recorded programs; "
        "right as recorded. Inputs are calls in the candidates' own texts. There are no examples "
        "to test by."
    )
    return "\n\n".join((first, _shown(mutants), second, _shown(recorded, tested=False)))


def _shown(tasks: Sequence[Task], *, tested: bool = True) -> str:
    base = [task.first() for task in tasks]
    members = zip(*(task.right for task in tasks), strict=True)
    arms = {
        "first candidate": base,
        "pass@1 (one at random)": [task.drawn() for task in tasks],
        "best single member": [float(each) for each in max(members, key=fmean)],
        "agreement of outputs": [task.agreed() for task in tasks],
    }
    if tested:
        arms["visible tests, then one at random"] = [task.tested() for task in tasks]
        arms["`tests_decide`: visible tests, then outputs"] = [task.decided() for task in tasks]
    arms[f"pass@{len(tasks[0].right)} (oracle)"] = [task.oracle() for task in tasks]
    rows = [(name, percent(values), gain(values, base)) for name, values in arms.items()]
    return markdown(("choice", "right", "over the first candidate"), rows)


async def _humaneval(rows: Sequence[dict[str, Any]]) -> list[Task]:
    return list(await asyncio.gather(*map(_problem, rows)))


async def _problem(row: dict[str, Any]) -> Task:
    fields = {"test": row["test"], "entry_point": row["entry_point"]}
    query = Query.of(row["prompt"], id=row["task_id"], **fields)
    whole = row["prompt"] + row["canonical_solution"]
    texts = [
        Text(query, mutated(whole, row["entry_point"], f"{row['task_id']} {at}", share))
        for at, share in enumerate(SHARES)
    ]
    hidden = await Assertions(tests=HIDDEN, sandbox=SANDBOX).verify(texts, Silent())
    shown = await Examples(sandbox=SANDBOX).verify(texts, Silent())
    programs = [text.text for text in texts]
    calls = calls_in(examples_in(query.text))
    groups: tuple[tuple[int, ...], ...] = ()
    if calls:
        groups = (await OUTPUTS.compare(programs, query, Silent())).groups
    return Task(
        tuple(trial.passed for trial in hidden), tuple(trial.score for trial in shown), groups
    )


def mutated(source: str, entry: str, seed: str, share: float) -> str:
    """Return a program as it is with probability `share`, else with one or two changes."""
    rng = random.Random(seed)
    if rng.random() < share:
        return source
    tree = ast.parse(source)
    (function,) = (each for each in tree.body if getattr(each, "name", "") == entry)
    for _ in range(rng.choice((1, 1, 2))):
        sites = [node for node in ast.walk(function) if _changes(node)]
        if sites:
            _change(rng.choice(sites), rng)
    return ast.unparse(tree)


_PAIRS = (
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.Add, ast.Sub),
    (ast.And, ast.Or),
    (ast.In, ast.NotIn),
    (ast.Mult, ast.Add),
)
_OPERATORS = {right: left for left, right in _PAIRS} | dict(_PAIRS)
_OPERATORS |= {ast.FloorDiv: ast.Mult, ast.Div: ast.FloorDiv, ast.Mod: ast.FloorDiv}
"""What may stand in place of an operator."""


def _changes(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, bool)
    operators = [*getattr(node, "ops", ()), getattr(node, "op", None)]
    return any(type(each) in _OPERATORS for each in operators)


def _change(node: Any, rng: random.Random) -> None:  # noqa: ANN401 - a node of any kind
    if isinstance(node, ast.Constant):
        is_bool = isinstance(node.value, bool)
        node.value = not node.value if is_bool else node.value + rng.choice((-1, 1))  # type: ignore[operator]
    elif isinstance(node, ast.Compare):
        node.ops[0] = _OPERATORS.get(type(node.ops[0]), type(node.ops[0]))()
    else:
        node.op = _OPERATORS[type(node.op)]()


async def _mbpp(rows: Sequence[dict[str, Any]]) -> list[Task]:
    return list(await asyncio.gather(*map(_recorded, rows)))


async def _recorded(row: dict[str, Any]) -> Task:
    """Compare the recorded programs of a task on calls that the candidates' texts show."""
    query = Query.of(row["query"], id=row["id"])
    texts = [Text(query, _unquoted(each["text"])) for each in row["recorded"].values()]
    named = [_aliased(program_in(text)) for text in texts]
    calls = [
        ast.Call(ast.Name("candidate"), call.args, [])
        for text in texts
        for call in _literal_calls(text.text)
    ]
    right = tuple(bool(each["correct"]) for each in row["recorded"].values())
    groups: tuple[tuple[int, ...], ...] = ()
    if calls:
        lines = "\n".join(inputs_like(calls, 12, row["id"]))
        by = Outputs(inputs=Template(text=f"{{% raw %}}\n{lines}\n{{% endraw %}}"), sandbox=SANDBOX)
        comparison: Comparison = await by.compare(named, query, Silent())
        groups = comparison.groups
    return Task(right, (0.0,) * len(right), groups)


def _unquoted(text: str) -> str:
    """Return a text that was recorded as a list of one text."""
    try:
        return str(ast.literal_eval(text)[0])
    except (ValueError, SyntaxError, IndexError):
        return text


def _aliased(program: str) -> str | None:
    """Return a program whose last function of the outermost level is `candidate`, too."""
    try:
        names = [each.name for each in ast.parse(program).body if isinstance(each, ast.FunctionDef)]
    except (SyntaxError, ValueError):
        return None
    return f"{program}\ncandidate = {names[-1]}\n" if names else None


def _literal_calls(text: str) -> list[ast.Call]:
    """Return the calls in a text's blocks of code of functions that it defines, by values."""
    program = program_in(Text(Query.of(""), text))
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError):
        return []
    names = [each.name for each in tree.body if isinstance(each, ast.FunctionDef)][-1:]
    constants = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    calls = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            args = [constants.get(getattr(each, "id", ""), each) for each in node.args]
            calls += calls_in([Example(ast.unparse(ast.Call(node.func, args, [])))])
    return calls
