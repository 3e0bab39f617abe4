import asyncio
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict

from composer.methods import Confidence, Constant, Operation, Rule, Signal, Verdict, find_part
from composer.values import Candidates, Query, Text

QUERY = Query.of("q")
SURE = Operation(">=", (Confidence(), Constant(0.6)))
AGREED = Operation(">", (find_part("signal", "agreement")(), Constant(0.5)))


class Told(Signal):
    """A signal that is looked up in what is known, and remembers that it was."""

    async def value(self, answer, ask):
        del answer
        ask.setdefault("asked", []).append(self.name)
        return ask[self.name]


class A(Told):
    name: ClassVar[str] = "a"


class B(Told):
    name: ClassVar[str] = "b"


def judge(expression, answer, **facts):
    return asyncio.run(Rule(expression).holds(answer, facts))


def holds(expression, **facts):
    return judge(expression, Text(QUERY, ""), **facts).holds


def test_a_comparison_measures_its_signal():
    assert judge(SURE, Text(QUERY, "a", confidence=0.6)) == Verdict(
        holds=True, facts={"confidence": 0.6}
    )
    assert judge(SURE, Text(QUERY, "a", confidence=0.59)).holds is False


def test_what_cannot_be_known_is_neither_true_nor_false():
    assert judge(SURE, Text(QUERY, "a")) == Verdict(None, {"confidence": None})


def test_candidates_are_measured_too():
    texts = tuple(Text(QUERY, answer) for answer in ("1", "1", "2"))
    verdict = judge(AGREED, Candidates(QUERY, texts))
    assert verdict.holds is True
    assert verdict.facts == {"agreement": pytest.approx(2 / 3)}


def test_a_signal_is_asked_once_however_often_it_is_named():
    facts = {"a": 0.5, "asked": []}
    twice = Operation(
        "and", (Operation(">", (A(), Constant(0))), Operation("<", (A(), Constant(1))))
    )
    assert holds(twice, **facts) is True
    assert facts["asked"] == ["a"]


def test_nobody_is_asked_after_the_first_term_that_decides():
    facts = {"a": 0.5, "b": 0.5, "asked": []}
    first, second = Operation(">", (A(), Constant(0))), Operation(">", (B(), Constant(0)))
    assert holds(Operation("or", (first, second)), **facts) is True
    assert holds(Operation("and", (Operation("not", (first,)), second)), **facts) is False
    assert facts["asked"] == ["a", "a"]


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
    assert holds(Operation(op, (A(), B())), **facts) is expected


def test_not_leaves_the_unknown_unknown():
    assert holds(Operation("not", (A(),)), a=None) is None
    assert holds(Operation("not", (A(),)), a=False) is True


def test_and_stops_at_the_first_false():
    rule = Operation("and", (SURE, AGREED))
    assert judge(rule, Text(QUERY, "a", confidence=0.1)).facts == {"confidence": 0.1}


def test_or_stops_at_the_first_true():
    rule = Operation("or", (SURE, AGREED))
    assert set(judge(rule, Text(QUERY, "a", confidence=0.9)).facts) == {"confidence"}


def test_arithmetic():
    total = Operation("+", (A(), Operation("*", (Constant(2), B()))))
    assert holds(Operation("==", (total, Constant(7))), a=1, b=3) is True


def test_a_division_by_zero_is_unknown():
    ratio = Operation("/", (A(), B()))
    assert holds(Operation(">", (ratio, Constant(1))), a=1, b=0) is None


def test_minus_of_one_operand_negates():
    assert holds(Operation("<", (Operation("-", (A(),)), Constant(0))), a=1) is True


def test_a_rule_names_its_signals():
    rule = Rule(Operation("or", (SURE, Operation("not", (AGREED,)))))
    assert {each.name for each in rule.signals()} == {"confidence", "agreement"}


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
            Operation("-", (Constant(1), Operation("-", (A(), B())))),
            "1 - (a - b)",
        ),
        (Operation("-", (Operation("-", (A(), B())), Constant(1))), "a - b - 1"),
        (Operation("*", (Operation("+", (A(), Constant(1))), Constant(2))), "(a + 1) * 2"),
        (Operation("-", (Operation("+", (A(), B())),)), "-(a + b)"),
        (Operation("==", (A(), Constant('say "x"'))), 'a == "say \\"x\\""'),
        (Constant(value=True), "true"),
        (Constant(1234567), "1234567"),
    ],
)
def test_a_rule_is_written_with_the_fewest_brackets(expression, text):
    assert str(Rule(expression)) == text


def test_equal_rules_are_one():
    again = Operation(">=", (Confidence(), Constant(0.6)))
    assert len({Rule(SURE), Rule(again)}) == 1


def test_a_number_is_no_condition():
    assert "compare it" in Rule(Confidence()).mistake()
    assert "`confidence`" in Rule(Operation("and", (Confidence(), SURE))).mistake()


def test_a_condition_is_no_number():
    assert "but a value is needed here" in Rule(Operation(">", (SURE, Constant(1)))).mistake()


def test_a_text_is_no_number():
    rule = Rule(Operation(">", (Confidence(), Constant("high"))))
    assert rule.mistake() == '`"high"` is a text, but a number is needed here'
    assert judge(rule.expression, Text(QUERY, "", confidence=0.5)).holds is None


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
