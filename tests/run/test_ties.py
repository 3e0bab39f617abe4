"""A vote that chance settled is told as a tie."""

from composer.run.trace_text import trace_lines


def told(result):
    return "\n".join(trace_lines(result.trace.as_dict()))


def test_a_tie_is_noted_with_what_settled_it(ready):
    result = ready("[A, B] -> vote()")("Why?")
    (vote,) = (event for event in result.trace.events if event.op == "vote")
    assert (vote.notes["tie"], vote.notes["ties"]) == (["a", "b"], "seeded")
    assert "tie between a, b, broken by `seeded`" in told(result)


def test_a_vote_that_is_won_tells_no_tie(ready):
    result = ready("[A, A, B] -> vote()")("Why?")
    assert "tie" not in told(result)
