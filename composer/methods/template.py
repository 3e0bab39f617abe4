"""Templates that make a query out of what reached a `prompt(...)`: Jinja2 in a sandbox."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from composer.methods.analysis import ANALYSIS, Analysis
from composer.methods.mistakes import TemplateError
from composer.sandbox.meter import Limits, SizedValue
from composer.specs.parts import ChatFile
from composer.values import Candidates, Query, Ranking, Text, Typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import jinja2
    from jinja2 import nodes

    from composer.sandbox.templates import Environment

VARIABLES = ("query", "messages", "fields", "answers", "answer", "analysis")
"""The names that a template may use."""


@dataclass(frozen=True, slots=True)
class TemplateAnswer(SizedValue):
    """An answer as a template sees it; written out, it is its text."""

    name: str
    text: str
    value: str | None = None
    score: float | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def length(self) -> int:
        """How many characters its text has."""
        return len(self.text)


_LACKS = re.compile(r"has no (element (?P<place>.+)|attribute '(?P<name>.+)')")
"""How Jinja says what a value has not, after naming the value's class."""


_NO_EXPRESSION = re.compile("Expected an expression, got '(end of [a-z ]+)'")
_ENDS = {
    "end of statement block": "%}",
    "end of print statement": "}}",
}
"""How Jinja names the signs that end something, and what an author wrote."""


class TemplateAnswers(list[TemplateAnswer]):
    """The answers as a template sees them; written out, they are a numbered list."""

    def __str__(self) -> str:
        return "\n".join(f"{at}. {each}" for at, each in enumerate(self, 1))


class File(ChatFile):
    """A chat template in a file, such as `template = file("chat.jinja")`."""


class Template(Typed):
    '''A text with places to fill in, such as `"""{{ query }} Think step by step."""`.

    It may name `query` (the question's text), `messages` (role and content of the whole
    conversation), `fields` (what else the query carries), `answers` (each with `text`, `name`,
    `value` and `score`; written out, a numbered list), `answer` (the text of the best of a
    ranking, of the last otherwise) and `analysis` (what `analyse` found; false where there is
    none). A text that begins on a new line is read without its indentation.
    '''

    name: ClassVar[str] = "template"

    text: str

    def render(self, value: Query | Text | Candidates | Ranking) -> str:
        """Fill in what a value holds, or say which name of the template it does not hold."""
        import jinja2

        from composer.sandbox.templates import render_template

        try:
            return render_template(_compiled(self.text), variables(value), Limits())
        except jinja2.UndefinedError as error:
            raise TemplateError(_undefined(str(error)), _known(value)) from None
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"the template is not valid: {error.message}") from None
        except jinja2.TemplateError as error:
            raise TemplateError(f"the template cannot be rendered: {error}") from None

    def query(self, value: Query | Text | Candidates | Ranking) -> Query:
        """Return the query whose text is the template, filled in from a value."""
        query = value if isinstance(value, Query) else value.query
        return query.asking(self.render(value), value)


def variables(value: Query | Text | Candidates | Ranking) -> dict[str, Any]:
    """Return what a template may name.

    For answers, `query` is the question that the recipe was given, not the prompt that was made
    of it; for a query it is its own text, and the answers are those that it was made from.
    """
    query = value if isinstance(value, Query) else value.query.root
    answers = _answers(value)
    names: dict[str, Any] = {
        "query": query.text,
        "messages": [{"role": role, "content": said} for role, said in query.messages],
        "fields": dict(query.fields),
    }
    if answers:
        best = answers[0] if isinstance(_source(value), Ranking) else answers[-1]
        names |= {"answers": answers, "answer": best.text, ANALYSIS: _analysis(value)}
    return names


def check(text: str) -> list[tuple[str, int]]:
    """Return what is wrong with a template: a sentence and its line, counted from 1, for each."""
    import jinja2

    from composer.sandbox.templates import parse_template

    try:
        tree = parse_template(_environment(), text)
    except jinja2.TemplateSyntaxError as error:
        return [(_syntax(error.message or "this is not a template"), error.lineno)]
    return sorted(_refused(tree), key=lambda refusal: refusal[1])


def names_in(text: str) -> frozenset[str]:
    """Return the names that a template takes from what reaches it."""
    from jinja2 import meta

    return frozenset(meta.find_undeclared_variables(_environment().parse(text)))


def places_in(text: str) -> list[int]:
    """Return the places of answers that a template names, as `answers[5]` does, counted from 0."""
    from jinja2 import nodes

    places = []
    for item in _environment().parse(text).find_all(nodes.Getitem):
        place, sign = (item.arg.node, -1) if isinstance(item.arg, nodes.Neg) else (item.arg, 1)
        answers = isinstance(item.node, nodes.Name) and item.node.name == "answers"
        if answers and isinstance(place, nodes.Const) and type(place.value) is int:
            places.append(sign * place.value)
    return places


def _source(
    value: Query | Text | Candidates | Ranking | None,
) -> Text | Candidates | Ranking | None:
    while isinstance(value, Query):
        value = value.before
    return value


def _answers(value: Query | Text | Candidates | Ranking) -> TemplateAnswers:
    source = _source(value)
    if source is None:
        return TemplateAnswers()
    if isinstance(source, Text):
        return TemplateAnswers([TemplateAnswer(source.source, source.text, _value(source))])
    scores: tuple[float | None, ...] = (None,) * len(source.texts)
    if isinstance(source, Ranking):
        scores = source.scores
    names = source.names or tuple(text.source for text in source.texts)
    return TemplateAnswers(
        TemplateAnswer(name, text.text, _value(text), score)
        for name, text, score in zip(names, source.texts, scores, strict=True)
    )


def _value(text: Text) -> str | None:
    """Return what was read out of an answer, else its text, which may be empty."""
    return text.value if text.extracted else text.text.strip()


def _analysis(value: Query | Text | Candidates | Ranking) -> Analysis:
    """Return what a judge wrote about the answers, an empty analysis where none did."""
    source = _source(value)
    facts = source.facts if isinstance(source, Candidates | Ranking) else {}
    analysis: Analysis = facts.get(ANALYSIS, Analysis())
    return analysis


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined

    from composer.sandbox.templates import Environment

    return Environment(StrictUndefined)


@lru_cache(maxsize=256)
def _compiled(text: str) -> jinja2.Template:
    from composer.sandbox.templates import compile_template

    if text.startswith("\n"):
        text = textwrap.dedent(text).strip("\n")
    return compile_template(_environment(), text)


def _refused(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    from jinja2 import nodes

    for node in tree.find_all(nodes.Node):
        for attribute in _reached(node):
            yield f"a template may not use `{attribute}`", node.lineno
    yield from _unknown(tree)


def _reached(node: nodes.Node) -> list[str]:
    """Return the names inside Python that a node reaches for: by a dot, an index or a filter."""
    from jinja2 import nodes

    if isinstance(node, nodes.Getattr):
        return [node.attr] if node.attr.startswith("_") else []
    arguments: list[nodes.Expr] = []
    if isinstance(node, nodes.Getitem):
        arguments = [node.arg]
    elif isinstance(node, nodes.Filter):
        arguments = [*node.args, *(pair.value for pair in node.kwargs)]
    texts = (str(each.value) for each in arguments if isinstance(each, nodes.Const))
    return [part for text in texts for part in text.split(".") if part.startswith("__")]


def _unknown(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    from jinja2 import meta, nodes

    from composer.diagnostics import did_you_mean

    strangers = meta.find_undeclared_variables(tree) - {*VARIABLES, *_environment().globals}
    for stranger in sorted(strangers):
        lines = (node.lineno for node in tree.find_all(nodes.Name) if node.name == stranger)
        advice = did_you_mean(stranger, VARIABLES)
        yield f"unknown variable `{stranger}` in the template: {advice}", next(lines, 1)


def _syntax(message: str) -> str:
    missing = _NO_EXPRESSION.match(message)
    if missing is not None:
        return f"an expression is missing before `{_ENDS.get(missing[1], missing[1])}`"
    for words, sign in _ENDS.items():
        message = message.replace(words, sign)
    sentence = message.replace("'", "`").rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _undefined(message: str) -> str:
    part = _LACKS.search(message)
    if part is None:
        lacks = message.replace("'", "`").removesuffix(" is undefined")
    elif part["place"]:
        lacks = f"element {part['place']} (counted from 0)"
    else:
        lacks = f"the field `{part['name']}`"
    return f"the template uses a value that does not exist: {lacks}"


def _known(value: Query | Text | Candidates | Ranking) -> str:
    names = variables(value)
    fields = [f"`fields.{name}`" for name in names["fields"]]
    return "it may use " + ", ".join([*(f"`{name}`" for name in names), *fields])
