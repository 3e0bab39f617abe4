"""Examples that a task shows: calls with their results, as tests and as inputs for more calls."""

from __future__ import annotations

import ast
import doctest
import random
import re
from typing import TYPE_CHECKING, NamedTuple

from composer.methods.code.programs import tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNS = re.compile(
    r"\s*#?\s*(?:=+>|-+>|==?|➞|→|➡|(?:(?:should|must|will|would)\s+)?(?:returns?|gives?|be|equals?)):?\s*"
)
_WRITTEN_SMALL = {"true": "True", "false": "False", "null": "None", "none": "None"}
"""Values as some tasks write them."""

_CALL = re.compile(r"(?<![\w.])[A-Za-z_]\w*\(")
_TRIES = 20


class Example(NamedTuple):
    """A statement that a task shows, and what it gives, if that is told."""

    source: str
    result: str = ""

    @property
    def test(self) -> str:
        """The example as a test: an assertion, where its result is told."""
        if not self.result:
            is_comparison = isinstance(_expression(self.source), ast.Compare)
            return f"assert {self.source}" if is_comparison else self.source
        if _literal(self.result):
            return f"assert ({self.source}) == ({self.result})"
        return f"assert repr({self.source}) == {self.result!r}"


def examples_in(text: str) -> list[Example]:
    """Return the examples of a task, in order: those after `>>>`, else calls with their results."""
    return _doctests(text) or list(_equations(text))


def calls_in(examples: list[Example]) -> list[ast.Call]:
    """Return the calls of examples whose arguments are written out."""
    calls = []
    for example in examples:
        tree = _expression(example.source)
        tree = tree.left if isinstance(tree, ast.Compare) else tree
        if isinstance(tree, ast.Call) and not tree.keywords and all(map(_constant, tree.args)):
            calls.append(tree)
    return calls


def inputs_like(calls: list[ast.Call], count: int, seed: str) -> tuple[str, ...]:
    """Return the calls, and `count` more whose arguments are changes of theirs."""
    rng = random.Random(seed)  # noqa: S311 - inputs of tests
    written = list(dict.fromkeys(ast.unparse(call) for call in calls))
    for _ in range(_TRIES * count if calls else 0):
        call = rng.choice(calls)
        arguments = [ast.literal_eval(argument) for argument in call.args]
        at = rng.randrange(len(arguments)) if arguments else 0
        changed = [_variant(a, rng) if i == at else a for i, a in enumerate(arguments)]
        text = f"{ast.unparse(call.func)}({', '.join(map(repr, changed))})"
        if text not in written:
            written.append(text)
        if len(written) >= len(calls) + count:
            break
    return tuple(written)


def _doctests(text: str) -> list[Example]:
    """Return what stands after `>>>`, with what stands below it."""
    cleaned = text.replace('"""', "").replace("'''", "")
    try:
        examples = doctest.DocTestParser().get_examples(cleaned)
    except ValueError:
        return []
    return [
        Example(each.source.strip(), each.want.strip())
        for each in examples
        if tree_of(each.source) and (_expression(each.source) or not each.want)
    ]


def _equations(text: str) -> Iterator[Example]:
    """Yield each call that is followed by a sign and a value, as in `f(2) == 4` or `f(2) -> 4`."""
    for line in text.splitlines():
        for match in _CALL.finditer(line):
            end = _closing(line, match.end())
            sign = _SIGNS.match(line, end)
            source = line[match.start() : end]
            if line[: match.start()].rstrip().endswith(("def", "class")) or sign is None:
                continue
            result = _longest_literal(line[sign.end() :])
            if result and calls_in([Example(source)]):
                yield Example(source, result)


def _closing(line: str, start: int) -> int:
    """Return the place after the bracket that closes the one before `start`."""
    depth, quote = 1, ""
    for at in range(start, len(line)):
        letter = line[at]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in "([{") - (letter in ")]}")
        if depth == 0:
            return at + 1
    return len(line)


def _longest_literal(text: str) -> str:
    """Return the longest beginning of a text that is a value written out."""
    text = text.strip().rstrip(".;,`")
    word = re.match(r"[a-z]+\b", text)
    if word and word[0] in _WRITTEN_SMALL:
        return _WRITTEN_SMALL[word[0]]
    ends = [len(text), *(at for at in range(len(text) - 1, 0, -1) if not text[at].isalnum())]
    return next((text[:end].strip() for end in ends if _literal(text[:end].strip())), "")


def _literal(text: str) -> bool:
    tree = _expression(text)
    return tree is not None and _constant(tree)


def _constant(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return False
    return True


def _expression(source: str) -> ast.expr | None:
    try:
        return ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _variant(value: object, rng: random.Random) -> object:
    """Return a value of the same type that is another one."""
    changed = value
    match value:
        case bool():
            changed = not value
        case int():
            changed = value + rng.choice([-3, -2, -1, 1, 2, 3, 7, value])
        case float():
            changed = round(value + rng.choice([-1.5, -1.0, -0.25, 0.25, 1.0, 2.5]), 6)
        case str():
            changed = "".join(map(str, _variant_items(list(value), rng, list("abcxyz 019"))))
        case list() | tuple() | set() | frozenset():
            changed = type(value)(_variant_items(list(value), rng, list(value)))
        case dict():
            items = list(value.items())
            rng.shuffle(items)
            changed = {key: _variant(one, rng) for key, one in items[: max(len(items) - 1, 1)]}
    return changed


def _variant_items(items: list[object], rng: random.Random, pool: list[object]) -> list[object]:
    """Leave one out, put one in, change one, double all of them, or change their order."""
    at = rng.randrange(len(items) + 1)
    way = rng.randrange(5)
    if way == 0 and items:
        return items[: at - 1] + items[at:] if at else items[1:]
    if way == 1 and pool:
        return [*items[:at], rng.choice(pool), *items[at:]]
    if way == 2 and items:  # noqa: PLR2004 - one of five ways
        place = min(at, len(items) - 1)
        one = rng.choice(pool) if isinstance(items[place], str) else _variant(items[place], rng)
        return [*items[:place], one, *items[place + 1 :]]
    if way == 3:  # noqa: PLR2004 - idem
        return (items + items)[:100]
    return rng.sample(items, len(items))
