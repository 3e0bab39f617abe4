"""A trace as text, for `run --trace` and for `compose trace`.

The functions read the plain objects of `Trace.as_dict`, which trace files hold too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.diagnostics.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TraceLine = tuple[int, str]
"""A line, and how far it is indented below its step."""

QUIET = ("model", "query")
"""Steps that are not shown, for they only pass something on."""

TURN = 60
"""Characters of what is asked and said in a turn that are shown."""

CUT = " [...] "
"""What stands for the middle of a long text."""


def shown_steps(trace: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a trace that are shown, in the order in which they began."""
    return [step for step in trace["steps"] if step["op"] not in QUIET]


def trace_lines(trace: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a whole trace."""
    for step in shown_steps(trace):
        yield f"{step['step']} {step['op']}  ({step['seconds']:.3f} s)"
        yield from (f"    {'  ' * depth}{line}" for depth, line in step_lines(step))


def step_lines(
    step: Mapping[str, Any], *, prompts: int | None = 0, query: str | None = None
) -> Iterator[TraceLine]:
    """Yield the lines of a step: its calls, its notes and its error.

    `prompts` is how many characters of each prompt are shown, None for all of them. A prompt that
    is only the `query` is left out.
    """
    for call in step["asked"]:
        yield 0, _call_line(call)
        if prompts != 0 and [list(message) for message in call["prompt"]] != [["user", query]]:
            yield from ((1, line) for line in _prompt_lines(call["prompt"], prompts))
        yield from ((1, line) for line in _span_lines(call["spans"]))
    yield from _note_lines(step["notes"])
    if step["error"]:
        yield 0, f"failed: {step['error']}"


def _note_lines(notes: Mapping[str, Any]) -> Iterator[TraceLine]:
    """Yield the lines of what a step noted."""
    for name, value in notes.items():
        if name == "stages":
            yield from ((0, _stage_line(stage)) for stage in value)
        elif name == "turns" and isinstance(value, list):
            yield from ((0, _turn_line(at, turn)) for at, turn in enumerate(value, 1))
        elif name == "attempts":
            yield from ((1, attempt) for attempt in value)
        elif name == "strings" and isinstance(value, list):
            shares = ((each["text"], short(each["share"])) for each in value)
            yield from ((1, f"string {text!r}: {share} of the weight") for text, share in shares)
        elif name == "tie":
            settled = notes.get("ties", "chance")
            yield 0, f"tie between {short(value)}, broken by `{settled}`"
        elif name == "tree":
            yield 0, "tree of steps:"
            yield from _tree_lines(value)
        elif name != "ties":
            yield 0, f"{name}: {short(value)}"


def clipped(text: str, most: int | None) -> str:
    """Cut the middle out of a text that is longer than this; both its ends tell most."""
    if most is None or len(text) <= most:
        return text
    head = (most - len(CUT)) * 2 // 3
    return text[:head] + CUT + text[len(text) - (most - len(CUT) - head) :]


def _call_line(call: Mapping[str, Any]) -> str:
    cached = ", from the cache" if call.get("cached") else ""
    tokens = counted(call["tokens"], "token")
    return f"{call['what']} {call['model']}: {call['text']!r}  ({tokens}{cached})"


def _prompt_lines(prompt: list[tuple[str, str]], most: int | None) -> Iterator[str]:
    for role, content in prompt:
        yield f"{role}: {clipped(content, most)!r}" if most is not None else f"{role}: {content}"


def _span_lines(spans: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each span; with the members' weights where these change."""
    weights = [span.get("weights") or {} for span in spans if not span.get("whole")]
    changes = any(each != weights[0] for each in weights)
    for span in spans:
        known = short(span.get("weights") or {}) if changes else ""
        yield _span_line(span) + (f"  (weights: {known})" if known else "")


def _span_line(span: Mapping[str, Any]) -> str:
    rivals = {name: text for name, text in span["candidates"].items() if text != span["text"]}
    against = ", ".join(f"{name} {text!r}" for name, text in rivals.items())
    comparison = f", against {against}" if against else ", all agreed" if span["candidates"] else ""
    what = "whole answer" if span.get("whole") else "span"
    return f"{what} {span['text']!r} by {span['winner']}{comparison}"


def _tree_lines(nodes: Sequence[Mapping[str, Any]]) -> Iterator[TraceLine]:
    """Yield the nodes of a search, each below its parent; `->` leads to the answer."""
    children: dict[int | None, list[int]] = {}
    for at, node in enumerate(nodes):
        children.setdefault(node["parent"], []).append(at)
    waiting = [(1, at) for at in reversed(children.get(None, []))]
    while waiting:
        depth, at = waiting.pop()
        yield depth, _node_line(nodes[at])
        waiting += [(depth + 1, child) for child in reversed(children.get(at, []))]


def _node_line(node: Mapping[str, Any]) -> str:
    facts = [f"reward {short(node['reward'])}"]
    if "visits" in node:
        facts += [f"value {short(node['value'])}", counted(node["visits"], "visit")]
    facts += ["complete"] if node["over"] else []
    mark = "-> " if node["chosen"] else ""
    return f"{mark}{node['text']!r} by {node['by']}: {', '.join(facts)}"


def _turn_line(number: int, turn: Mapping[str, Any]) -> str:
    if "why" in turn:
        return f"turn {number}: nobody is asked: {turn['why']}"
    role = f" as {turn['role']}" if "role" in turn else ""
    what, said = clipped(turn["what"].strip(), TURN), clipped(turn["said"].strip(), TURN)
    return f"turn {number}: {turn['asked']}{role} {what!r} \N{RIGHTWARDS ARROW} {said!r}"


def _stage_line(stage: Mapping[str, Any]) -> str:
    signals = ", ".join(f"{n} = {short(v)}" for n, v in stage["signals"].items())
    if "estimates" in stage:
        estimates = ", ".join(f"{n} {short(v)}" for n, v in stage["estimates"].items())
        verdict = f"{stage['rule']} expects {estimates}" + (f" ({signals})" if signals else "")
    else:
        holds = {True: "holds", False: "does not hold", None: "is unknown"}[stage["accepted"]]
        verdict = f"{stage['rule']} {holds} ({signals})"
    taken = f"that of {stage['took']} is taken" if "took" in stage else "the answer is taken"
    then = f"{stage['next']} is asked" if stage["next"] else taken
    return f"{stage['answer']!r} by {stage['by']}: {verdict}, so {then}"


def short(value: object) -> str:
    """Write a noted value: numbers with three digits, names with their values."""
    match value:
        case float():
            return f"{value:.3f}"
        case dict():
            return ", ".join(f"{name} {short(item)}" for name, item in value.items())
        case list() | tuple():
            return ", ".join(short(item) for item in value) or "none"
        case None:
            return "none"
        case _:
            return str(value)
