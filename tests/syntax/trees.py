"""Random expressions, as the parser can give them."""

from hypothesis import strategies as st

from composer.syntax import (
    Argument,
    Binary,
    Boolean,
    Branch,
    Branches,
    Call,
    Chain,
    Fallback,
    Name,
    Null,
    Number,
    String,
    Unary,
)
from composer.syntax.lexemes import STATEMENTS, WORDS

RESERVED = {*STATEMENTS.values(), *(word.lower() for word in WORDS)}
OPERATORS = ["or", "and", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/"]

letters = st.characters(exclude_categories=["Cs"])
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in RESERVED
)
booleans = [st.just(value) for value in (False, True)]
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
templates = st.text(st.sampled_from('ab "\\\n{}#')).filter(lambda text: not text.endswith("\\"))
leaves = st.one_of(
    st.builds(Name, names, st.none()),
    st.builds(Number, numbers, st.none()),
    st.builds(String, st.text(letters), booleans[0], st.none()),
    st.builds(String, templates, booleans[1], st.none()),
    st.builds(Boolean, st.booleans(), st.none()),
    st.builds(Null, st.none()),
)


def larger(inner):
    def several(least):
        return st.lists(inner, min_size=least, max_size=4).map(tuple)

    maybe = st.none() | names
    arguments = st.lists(st.builds(Argument, maybe, inner, st.none(), st.none()), max_size=4)
    branches = st.lists(st.builds(Branch, maybe, inner, st.none()), max_size=4)
    negative = inner.filter(lambda node: not isinstance(node, Number))
    return st.one_of(
        st.builds(Chain, several(2), st.none()),
        st.builds(Fallback, several(2), st.none()),
        st.builds(Call, names, arguments.map(tuple), st.none(), st.none()),
        st.builds(Branches, branches.map(tuple), st.none()),
        st.builds(Binary, st.sampled_from(OPERATORS), inner, inner, st.none()),
        st.builds(Unary, st.just("not"), inner, st.none()),
        st.builds(Unary, st.just("-"), negative, st.none()),
    )


expressions = st.recursive(leaves, larger, max_leaves=20)
