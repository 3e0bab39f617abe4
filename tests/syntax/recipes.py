"""Random files, as the parser can give them, and comments put into their text at random."""

import importlib.util
from itertools import zip_longest
from pathlib import Path
from textwrap import dedent

from hypothesis import strategies as st

from composer.diagnostics import Source
from composer.syntax import (
    Answer,
    Call,
    Def,
    Default,
    Example,
    File,
    Imported,
    Let,
    Model,
    Param,
    Parameter,
    String,
    Type,
    Use,
)
from composer.syntax.building import TYPES
from composer.syntax.grammar import lark
from composer.syntax.lexemes import CLOSES, CONTINUES, GOES_ON, OPENS, lexemes

_spec = importlib.util.spec_from_file_location("trees", Path(__file__).with_name("trees.py"))
trees = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(trees)

N = st.none()
expressions, names = trees.expressions, trees.names
texts = st.text(trees.letters, max_size=20)
calls = st.builds(
    Call,
    names,
    st.lists(st.builds(trees.Argument, N | names, expressions, N, N), max_size=3).map(tuple),
    N,
    N,
)
single = st.builds(Type, st.sampled_from([each for each in TYPES if each != "list"]), N, N)
types = st.recursive(single, lambda inner: st.builds(Type, st.just("list"), inner, N), max_leaves=3)
imported = st.builds(Imported, names, N | names, N)
parameters = st.lists(st.builds(Parameter, names, N | expressions, N), max_size=3).map(tuple)
statements = st.one_of(
    st.builds(Use, texts, st.lists(imported, min_size=1, max_size=3).map(tuple), N, N, N),
    st.builds(Use, texts, st.just(()), names, N, N),
    st.builds(Model, names, calls, N, N),
    st.builds(Param, names, types, N | expressions, N, N),
    st.builds(Let, names, expressions, N, N),
    st.builds(Def, names, parameters, expressions, N, N),
    st.builds(Default, calls, N),
    st.builds(Example, texts, N),
    st.builds(Answer, expressions, N),
)
EMPTY = Source("r.ens", "")


def parts(node):
    """Give a node and all that it is made of."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        for name in getattr(current, "__slots__", ()):
            value = getattr(current, name)
            stack += value if isinstance(value, tuple) else [value]


def writable(node):
    """Whether each template in a node can be written in triple quotes as the same text."""
    found = [each.value for each in parts(node) if isinstance(each, String) and each.template]
    return not any(text.startswith("\n") and dedent(text) != text for text in found)


kept = statements.filter(writable)
files = st.lists(kept, max_size=5).map(lambda made: File(EMPTY, tuple(made)))


@st.composite
def commented(draw, text):
    """Put comments and line breaks between the lexemes of an `.ens` text."""
    found = list(lexemes(lark(), Source("r.ens", text)))
    written, texts, end, open_ = [], [], 0, 0
    for lexeme, following in zip_longest(found, found[1:]):
        written.append(text[end : lexeme.place.end])
        end = lexeme.place.end
        open_ += (lexeme.type in OPENS) - (lexeme.type in CLOSES)
        goes_on = open_ > 0 or lexeme.type in {"NEWLINE", *CONTINUES}
        if lexeme.type == "COLON" and following and following.type == "MODEL":
            continue
        ends = following is None or following.type in {"NEWLINE", *GOES_ON}
        if (goes_on or ends) and draw(st.integers(0, 3)) == 0:
            for _ in range(draw(st.integers(1, 2))):
                texts.append(f"# {len(texts)}")
                written += ["\n" * draw(st.integers(0, 2)), " ", texts[-1]]
                written += ["\n" * draw(st.integers(1, 3))]
    return "".join(written), texts


@st.composite
def commented_lines(draw, text):
    """Put comments before and behind the lines of a YAML text that has no blocks of text."""
    written, texts = [], []
    for line in text.splitlines():
        for own in (True, False):
            if draw(st.integers(0, 3)) == 0:
                texts.append(f"# {len(texts)}")
                indent = " " * draw(st.sampled_from([0, 2, 4, 8]))
                if own:
                    written.append(indent + texts[-1])
                else:
                    line += f" {indent}{texts[-1]}"  # noqa: PLW2901 - the line with its comment
        written += [line, *[""] * draw(st.integers(0, 1))]
    return "\n".join([*written, ""]), texts
