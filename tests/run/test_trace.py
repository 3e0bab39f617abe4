"""What the trace tells: each step, what it asked of whom, what it noted, and why."""

import json


def steps(result):
    """Return the traced steps by op."""
    return {event.op: event for event in result.trace.events}


def test_every_step_that_ran_is_told_and_no_other(ready):
    result = ready("A -> cascade([B, C] -> vote())")("Why?")
    assert sorted(steps(result)) == ["cascade", "generate", "model"]


def test_what_was_asked_is_told_with_its_answer(ready):
    result = ready('prompt("""<{{ query }}>""") -> A')("Why?")
    (asked,) = steps(result)["generate"].asked
    assert (asked.model, asked.text, asked.tokens) == ("A", "a", 1)
    assert asked.prompt == [("user", "<Why?>")]


def test_a_cascade_tells_why_it_asked_on(ready):
    result = ready("cascade(B, C, A)")("?")
    first, second = steps(result)["cascade"].notes["stages"]
    assert (first["by"], first["accepted"], first["next"]) == ("B", False, "C")
    assert first["signals"] == {"confidence": 0.4}
    assert first["rule"] == "confidence >= 0.6"
    assert (second["by"], second["accepted"], second["next"]) == ("C", True, None)


def test_a_cascade_tells_when_its_rule_cannot_be_known(ready):
    (stage,) = steps(ready("say -> cascade(A)")("?"))["cascade"].notes["stages"]
    assert (stage["accepted"], stage["next"]) == (None, "A")


def test_a_vote_tells_its_tally_and_winner(ready):
    notes = steps(ready("[A, B, A, A] -> vote()")("?"))["vote"].notes
    assert notes == {"tally": {"a": 0.75, "b": 0.25}, "winner": "A"}


def test_a_route_tells_its_weights_and_why(ready):
    result = ready("route(by = length()) -> [A, B]")("Why?")
    notes = steps(result)["route"].notes
    assert notes["weights"] == {"A": 1.0, "B": 0.0}
    assert notes["because"] == "the prompt has 4 characters"
    assert result.decision == {"A": 1.0, "B": 0.0}
    assert steps(result)["choose"].notes == {"chosen": "A"}


def test_a_ranking_tells_its_scores_best_first(ready):
    notes = steps(ready("[B, A, C] -> rank() -> best()")("?"))["rank"].notes
    assert list(notes["scores"]) == ["A", "C", "B"]
    assert list(notes["scores"].values()) == sorted(notes["scores"].values(), reverse=True)


def test_members_are_counted_with_tokens_and_cost(ready):
    models = 'model A = fake(says = "one two", price = [1, 10])\n'
    result = ready("[A, A(top_k = 1)] -> vote()", models=models)("three words here")
    usage = result.members["A"]
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == (2, 6, 4)
    assert result.cost == usage.cost == (6 * 1 + 4 * 10) / 1e6


def test_members_go_by_the_names_that_they_were_declared_with(ready):
    result = ready("def f(x, y) = [x, y] -> vote()\nf(A, B)")("?")
    assert sorted(result.members) == ["A", "B"]


def test_a_step_that_failed_says_so(ready):
    trace = ready("broken | A")("?").trace
    failed = [event for event in trace.events if event.error]
    assert [event.op for event in failed] == ["generate"]
    assert "failed" in failed[0].error


def test_a_trace_is_plain_json(ready):
    result = ready("[A, B] -> rank() -> best() -> cascade(C)")("Why?")
    told = json.loads(json.dumps(result.trace.as_dict()))
    assert (told["id"], told["query"]) == ("0", "Why?")
    assert [step["start"] for step in told["steps"]] == sorted(s["start"] for s in told["steps"])
    assert {"step", "op", "start", "seconds", "asked", "notes", "gave", "error"} <= set(
        told["steps"][0]
    )


def test_a_trace_is_told_in_words(ready):
    text = "\n".join(ready("B -> cascade(A)")("?").trace.lines())
    assert "asked B: 'b'  (1 token)" in text
    assert "confidence >= 0.6 does not hold (confidence = 0.400), so A is asked" in text


def test_a_result_is_what_run_prints(ready):
    told = ready("route(by = uniform()) -> [A, B]", plain=True)(
        {"query": "Why?", "id": 7}
    ).as_dict()
    assert list(told) == [
        "id",
        "query",
        "answer",
        "confidence",
        "decision",
        "members",
        "seconds",
        "error",
    ]
    assert told["members"]["A"].keys() == {"calls", "prompt_tokens", "completion_tokens", "cost"}
    assert (told["id"], told["answer"], told["confidence"]) == ("7", "a", 0.9)
    assert told["decision"] == {"A": 1.0, "B": 0.0}
