"""Notes as lines of a trace."""

from composer.run.trace_text import step_lines


def test_each_turn_of_a_conversation_is_a_line():
    turns = [
        {"asked": "A", "role": "worker", "what": "2 + 2?\n", "said": " 4"},
        {"asked": "B", "what": "x" * 100, "said": "so"},
        {"why": "Nobody is called Z"},
    ]
    step = {"asked": [], "notes": {"turns": turns}, "error": None}
    assert list(step_lines(step)) == [
        (0, "turn 1: A as worker '2 + 2?' → '4'"),
        (0, f"turn 2: B '{'x' * 35} [...] {'x' * 18}' → 'so'"),
        (0, "turn 3: nobody is asked: Nobody is called Z"),
    ]


def test_a_number_of_turns_is_a_note_as_any_other():
    step = {"asked": [], "notes": {"turns": 3}, "error": None}
    assert list(step_lines(step)) == [(0, "turns: 3")]


def _span(text, weights, *, whole=False):
    candidates = {"A": text, "B": text}
    weighed = {"weights": weights} if weights else {}
    return {"text": text, "winner": "A", "candidates": candidates, "whole": whole, **weighed}


def _lines_of_spans(*spans):
    call = {"what": "asked", "model": "both", "text": "a b", "tokens": 2, "spans": spans}
    step = {"asked": [call], "notes": {}, "error": None}
    return [line for depth, line in step_lines(step) if depth == 1]


def test_weights_that_change_from_span_to_span_are_shown():
    first, second = {"A": 0.5, "B": 0.5}, {"A": 1.0}
    whole = _span("b", None, whole=True)
    assert _lines_of_spans(_span("a", first), _span(" b", second), whole) == [
        "span 'a' by A, all agreed  (weights: A 0.500, B 0.500)",
        "span ' b' by A, all agreed  (weights: A 1.000)",
        "whole answer 'b' by A, all agreed",
    ]


def test_weights_that_stay_are_not_repeated_with_each_span():
    same = {"A": 0.5, "B": 0.5}
    kept = ["span 'a' by A, all agreed", "span 'a' by A, all agreed"]
    assert _lines_of_spans(_span("a", same), _span("a", same)) == kept
    assert _lines_of_spans(_span("a", None), _span("a", None)) == kept
