import pytest

from composer.diagnostics import Mistakes
from composer.syntax import (
    Argument,
    Binary,
    Boolean,
    Branches,
    Call,
    Chain,
    Fallback,
    Name,
    Null,
    Number,
    Unary,
    parse_expression,
)


def grouped(node):
    """Write an expression with a bracket around every operation."""
    match node:
        case Name():
            return node.id
        case Number():
            return repr(node.value)
        case Chain():
            return "(" + " -> ".join(map(grouped, node.stages)) + ")"
        case Fallback():
            return "(" + " | ".join(map(grouped, node.choices)) + ")"
        case Binary():
            return f"({grouped(node.left)} {node.op} {grouped(node.right)})"
        case Unary():
            return f"({node.op} {grouped(node.operand)})"
        case _:
            raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a -> b -> c", "(a -> b -> c)"),
        ("a | b | c", "(a | b | c)"),
        ("a -> b | c -> d", "(a -> (b | c) -> d)"),
        ("(a -> b) -> c", "((a -> b) -> c)"),
        ("a | b or c", "(a | (b or c))"),
        ("a or b and c", "(a or (b and c))"),
        ("a or b or c", "((a or b) or c)"),
        ("not a and b", "((not a) and b)"),
        ("not not a", "(not (not a))"),
        ("not a == b", "(not (a == b))"),
        ("a < b + c", "(a < (b + c))"),
        ("(a < b) < c", "((a < b) < c)"),
        ("a < b and c >= d", "((a < b) and (c >= d))"),
        ("a - b - c", "((a - b) - c)"),
        ("a - (b - c)", "(a - (b - c))"),
        ("a + b * c / d", "(a + ((b * c) / d))"),
        ("-a * b", "((- a) * b)"),
        ("- -a", "(- (- a))"),
        ("a - -b", "(a - (- b))"),
        ("a<-b", "(a < (- b))"),
        ("a--b", "(a - (- b))"),
        ("base + 0.8 * (expert - novice)", "(base + (0.8 * (expert - novice)))"),
    ],
)
def test_operators_bind_as_the_language_says(text, meant):
    assert grouped(parse_expression(text)) == meant


@pytest.mark.parametrize("sign", ["==", "!=", "<", "<=", ">", ">="])
def test_every_comparison_is_read(sign):
    assert parse_expression(f"a{sign}b").op == sign


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("12", 12),
        ("1_000", 1000),
        ("0.6", 0.6),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e-3", 0.001),
        ("2E+4", 20000.0),
        ("-3", -3),
        ("- 3.5", -3.5),
        ("-(3)", -3),
        ("--3", 3),
    ],
)
def test_numbers_keep_their_kind(text, value):
    number = parse_expression(text)
    assert number.value == value
    assert type(number.value) is type(value)


def test_a_negative_number_covers_its_sign():
    assert parse_expression("- 3").place.text == "- 3"


def test_the_three_words_that_are_values():
    assert parse_expression("true") == Boolean(value=True, place=None)
    assert parse_expression("false") == Boolean(value=False, place=None)
    assert parse_expression("none") == Null(None)


def test_a_call_has_positions_and_names():
    call = parse_expression("f(x, key = a -> b, 3)")
    assert isinstance(call, Call)
    assert [argument.name for argument in call.arguments] == [None, "key", None]
    assert call.function_place.text == "f"
    assert call.arguments[1].place.text == "key = a -> b"
    assert call.arguments[1].name_place.text == "key"
    assert call.arguments[0].name_place.text == "x"


def test_a_call_can_be_empty_and_can_end_with_a_comma():
    assert parse_expression("f()").arguments == ()
    assert len(parse_expression("f(a, b,)").arguments) == 2


def test_a_comparison_in_a_call_is_no_name():
    assert parse_expression("f(a == b)").arguments[0] == Argument(
        None, parse_expression("a == b"), None, None
    )


def test_a_bank_has_branches_with_and_without_names():
    bank = parse_expression("[A, big: B -> C, A]")
    assert isinstance(bank, Branches)
    assert [branch.name for branch in bank.branches] == [None, "big", None]
    assert bank.branches[1].place.text == "big: B -> C"


def test_a_bank_can_be_empty_and_can_end_with_a_comma():
    assert parse_expression("[]").branches == ()
    assert len(parse_expression("[a, b,]").branches) == 2


def test_brackets_count_for_places_only():
    assert parse_expression("((a))") == parse_expression("a")
    assert parse_expression("(a + b) * (c)").place.text == "(a + b) * (c)"
    assert parse_expression("(a -> b) -> c").place.text == "(a -> b) -> c"


def test_an_expression_of_the_command_line_has_its_own_source():
    with pytest.raises(Mistakes, match="--set:1:5"):
        parse_expression("a + @")
    with pytest.raises(Mistakes, match=r"doubt:1:3"):
        parse_expression("0 @", name="doubt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an expression is missing"),
        ("# nothing", "an expression is missing"),
        ("let x = 3", "this is a statement, not an expression"),
        ("a\nb", "this is more than one expression"),
    ],
)
def test_a_value_has_to_be_one_expression(text, said):
    with pytest.raises(Mistakes, match=said):
        parse_expression(text)
