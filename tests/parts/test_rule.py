import pytest
from pydantic import BaseModel, ConfigDict

from composer.parts import Constant, Operation, Rule, Signal, Verdict
from composer.ports import Candidates, Query, Text

QUERY = Query.of("q")
SURE = Operation(">=", (Signal("confidence"), Constant(0.6)))
AGREED = Operation(">", (Signal("agreement"), Constant(0.5)))


def holds(expression, **facts):
    return Rule(expression).holds(None, facts).holds


def test_a_comparison_measures_its_signal():
    rule = Rule(SURE)
    assert rule.holds(Text(QUERY, "a", confidence=0.6)) == Verdict(
        holds=True, facts={"confidence": 0.6}
    )
    assert rule.holds(Text(QUERY, "a", confidence=0.59)).holds is False


def test_what_cannot_be_known_is_neither_true_nor_false():
    assert Rule(SURE).holds(Text(QUERY, "a")) == Verdict(None, {"confidence": None})


def test_candidates_are_measured_too():
    texts = tuple(Text(QUERY, answer) for answer in ("1", "1", "2"))
    verdict = Rule(AGREED).holds(Candidates(QUERY, texts))
    assert verdict.holds is True
    assert verdict.facts == {"agreement": pytest.approx(2 / 3)}


def test_facts_go_before_measuring():
    assert Rule(SURE).holds(Text(QUERY, "a", confidence=0.1), {"confidence": 0.9}).holds is True


@pytest.mark.parametrize(
    ("op", "left", "right", "expected"),
    [
        ("and", True, None, None),
        ("and", None, False, False),
        ("and", None, True, None),
        ("or", None, True, True),
        ("or", False, None, None),
        ("or", False, False, False),
    ],
)
def test_three_valued_logic(op, left, right, expected):
    facts = {"a": left, "b": right}
    assert holds(Operation(op, (Signal("a"), Signal("b"))), **facts) is expected


def test_not_leaves_the_unknown_unknown():
    assert holds(Operation("not", (Signal("a"),)), a=None) is None
    assert holds(Operation("not", (Signal("a"),)), a=False) is True


def test_and_stops_at_the_first_false():
    rule = Rule(Operation("and", (SURE, AGREED)))
    assert rule.holds(Text(QUERY, "a", confidence=0.1)).facts == {"confidence": 0.1}


def test_or_stops_at_the_first_true():
    rule = Rule(Operation("or", (SURE, AGREED)))
    assert set(rule.holds(Text(QUERY, "a", confidence=0.9)).facts) == {"confidence"}


def test_arithmetic():
    total = Operation("+", (Signal("a"), Operation("*", (Constant(2), Signal("b")))))
    assert holds(Operation("==", (total, Constant(7))), a=1, b=3) is True


def test_a_division_by_zero_is_unknown():
    ratio = Operation("/", (Signal("a"), Signal("b")))
    assert holds(Operation(">", (ratio, Constant(1))), a=1, b=0) is None


def test_minus_of_one_operand_negates():
    assert holds(Operation("<", (Operation("-", (Signal("a"),)), Constant(0))), a=1) is True


def test_a_rule_names_its_signals():
    rule = Rule(Operation("or", (SURE, Operation("not", (AGREED,)))))
    assert rule.signals() == {"confidence", "agreement"}


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (Operation("and", (SURE, AGREED)), "confidence >= 0.6 and agreement > 0.5"),
        (
            Operation("and", (Operation("or", (SURE, AGREED)), SURE)),
            "(confidence >= 0.6 or agreement > 0.5) and confidence >= 0.6",
        ),
        (Operation("not", (Operation("or", (SURE, SURE)),)), f"not ({Rule(SURE)} or {Rule(SURE)})"),
        (
            Operation("-", (Constant(1), Operation("-", (Signal("a"), Signal("b"))))),
            "1 - (a - b)",
        ),
        (Operation("-", (Operation("-", (Signal("a"), Signal("b"))), Constant(1))), "a - b - 1"),
        (Operation("*", (Operation("+", (Signal("a"), Constant(1))), Constant(2))), "(a + 1) * 2"),
        (Operation("-", (Operation("+", (Signal("a"), Signal("b"))),)), "-(a + b)"),
        (Operation("==", (Signal("a"), Constant('say "x"'))), 'a == "say \\"x\\""'),
        (Constant(value=True), "true"),
        (Constant(1234567), "1234567"),
    ],
)
def test_a_rule_is_written_with_the_fewest_brackets(expression, text):
    assert str(Rule(expression)) == text


def test_equal_rules_are_one():
    again = Operation(">=", (Signal("confidence"), Constant(0.6)))
    assert len({Rule(SURE), Rule(again)}) == 1


def test_a_number_is_no_condition():
    assert "compare it" in Rule(Signal("confidence")).mistake()
    assert "`confidence`" in Rule(Operation("and", (Signal("confidence"), SURE))).mistake()


def test_a_condition_is_no_number():
    assert "where a value is needed" in Rule(Operation(">", (SURE, Constant(1)))).mistake()


def test_a_text_is_no_number():
    rule = Rule(Operation(">", (Signal("confidence"), Constant("high"))))
    assert rule.mistake() == '`"high"` is a text where a number is needed'
    assert rule.holds(None, {"confidence": 0.5}).holds is None


def test_a_proper_condition_has_no_mistake():
    assert Rule(Operation("or", (SURE, Operation("not", (AGREED,))))).mistake() is None
    assert Rule(Constant(value=True)).mistake() is None


def test_an_unknown_operator_is_refused():
    with pytest.raises(ValueError, match="`xor`"):
        Operation("xor", (SURE, AGREED))


def test_an_option_may_be_a_rule():
    class Options(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        accept: Rule = Rule(SURE)

    assert Options(accept=Rule(AGREED)).accept == Rule(AGREED)
    assert Options().model_dump_json() == '{"accept":"confidence >= 0.6"}'
    assert Options.model_json_schema()["properties"]["accept"]["type"] == "string"
