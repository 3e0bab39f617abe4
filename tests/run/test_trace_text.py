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
