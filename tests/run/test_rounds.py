"""Rounds of drafts and debates: who is asked how often, who sees what, and who may fail."""

import asyncio

import pytest
from scripted_server import reply, scripted

from composer.diagnostics import Mistakes
from composer.recipe import Recipe
from composer.run import Failure
from composer.steps.rounds import largest_remainder
from composer.values.options import AnswerOptions

MODELS = """
model A = fake(says = "alpha")
model B = fake(says = "beta")
model many = fake(among = ["one", "two", "three", "four"])
model follower = fake(says = "beta", knows = [["alpha", "alpha"]])
model echo = fake(style = echo)
model broken = fake(fails = true)
"""
SHOWN = '"""{% for a in answers %}{{ a }};{% endfor %}"""'


@pytest.fixture
def answer(ready):
    return lambda text, query="Why?", **how: ready(text, models=MODELS)(query, **how)


@pytest.fixture
def mistakes(load):
    def find(text):
        with pytest.raises(Mistakes) as caught:
            load(text, models=MODELS).check()
        return [(each.code, each.message) for each in caught.value.diagnostics]

    return find


def event(result, op):
    return next(each for each in result.trace.events if each.op == op)


def asked(result, op):
    return [call.model for call in event(result, op).asked]


@pytest.mark.parametrize(
    ("count", "weights", "seats"),
    [
        (4, (1, 1), [0, 0, 1, 1]),
        (3, (1, 1), [0, 0, 1]),
        (10, (0.7, 0.2, 0.1), [0] * 7 + [1, 1, 2]),
        (3, (1, 1, 1), [0, 1, 2]),
        (2, (0, 1, 1), [1, 2]),
        (7, (41, 33, 26), [0, 0, 0, 1, 1, 2, 2]),
        (1, (0.5, 0.5), [0]),
    ],
)
def test_seats_by_largest_remainder(count, weights, seats):
    assert largest_remainder(count, weights) == seats


@pytest.mark.parametrize(
    ("options", "members"),
    [
        ("", ["A", "A", "B", "A", "B", "A"]),
        ("weights = [1, 3]", ["A", "B", "B", "A", "B", "A"]),
        ('share = "round_robin"', ["A", "B", "A", "B", "A", "A"]),
        ('share = "first_only"', ["A"] * 6),
    ],
)
def test_drafts_are_shared_among_the_models(answer, options, members):
    result = answer(f"rounds(A, B, schedule = [3, 2], {options})")
    assert asked(result, "rounds") == members
    assert event(result, "rounds").notes["calls"] == 6


def test_a_round_sees_the_last_one_in_an_order_that_is_in_the_trace(answer):
    def order(question):
        text = f"rounds(echo, A, B, schedule = [3], weights = [0, 2, 1], template = {SHOWN})"
        result = answer(text, question)
        names = event(result, "rounds").notes["orders"]["round 1"]
        texts = {"A": "alpha", "A#2": "alpha", "B": "beta"}
        assert result.answer == "".join(f"{texts[name]};" for name in names)
        return tuple(names)

    assert len({order(f"{at}?") for at in range(6)}) > 1


def test_drafts_differ_and_are_the_same_with_one_seed(answer):
    text = f"rounds(echo, many, schedule = [8], weights = [0, 1], template = {SHOWN})"
    first = answer(text).answer
    assert len(set(first.split(";"))) > 2
    assert answer(text).answer == first


def test_only_the_end_of_a_draft_is_kept(answer):
    text = f"rounds(echo, schedule = [1], template = {SHOWN}, keep = 2)"
    assert answer(text, "one two three four").answer == "three four;"


def test_a_failed_draft_is_left_out(answer):
    text = f"rounds(echo, A, broken, schedule = [2], weights = [0, 1, 1], template = {SHOWN})"
    result = answer(text)
    assert result.answer == "alpha;"
    assert [each.branch for each in result.failed] == ["broken in round 1"]


def test_after_a_failed_round_the_one_before_is_shown(answer):
    text = f'rounds(echo, broken, schedule = [1, 1], share = "round_robin", template = {SHOWN})'
    result = answer(text)
    assert result.answer == "Why?;"
    assert [each.branch for each in result.failed] == ["broken in round 2"]


def test_a_failed_writer_leaves_a_whole_draft(answer):
    text = "rounds(broken, echo, schedule = [1], weights = [0, 1], keep = 1)"
    assert answer(text, "one two three").answer == "one two three"
    result = answer("rounds(broken, A, schedule = [2], weights = [0, 1])")
    assert result.answer == "alpha"
    assert [each.branch for each in result.failed] == ["broken"]


def test_without_any_draft_there_is_no_answer(answer):
    with pytest.raises(Failure) as caught:
        answer("rounds(broken, schedule = [2, 2])")
    assert caught.value.code == "E716"


def test_only_the_answer_is_streamed_and_has_the_options_of_a_query(ready):
    ensemble = ready(
        f"rounds(echo, A, schedule = [2], weights = [0, 1], template = {SHOWN})", models=MODELS
    )
    assert ensemble.streams
    assert "".join(ensemble.stream("Why?")) == "alpha;alpha;"
    result = ensemble("Why?", options=AnswerOptions(max_tokens=1))
    assert (result.answer, event(result, "rounds").asked[0].text) == ("alpha;alpha;", "alpha")


@pytest.mark.parametrize("calls", [3, 5])
def test_calls_that_are_put_again_count_too(tmp_path, calls):
    async def run():
        async with scripted(*[reply({}, 503, retry_after_ms="1")] * 20) as server:
            path = tmp_path / "r.ens"
            model = f'model E = endpoint("m", url = "{server.url}", probe = false, retries = 9)'
            text = f"rounds(W, E, schedule = [2], weights = [0, 1], calls = {calls})"
            path.write_text(f'{model}\nmodel W = fake(says = "w")\n{text}\n')
            async with Recipe.load(path).ready(cache=False) as ensemble:
                with pytest.raises(Failure) as caught:
                    await ensemble.ask("Why?")
            return len(server.requests), caught.value

    requests, failure = asyncio.run(run())
    assert requests == calls - 1
    assert "[E725] the limit of" in str(failure)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("rounds(A, schedule = [4, 2], calls = 6)", "E403", "this schedule makes 7"),
        ("rounds(A, schedule = [])", "E401", "schedule"),
        ("rounds(A, schedule = [0])", "E402", "schedule"),
        ("rounds(A, B, weights = [1])", "E403", "1 weight for 2 models"),
        ("rounds(A, B, weights = [0, 0])", "E402", "all `weights` are zero"),
        ('rounds(A, B, share = "weighted")', "E403", "need each other"),
        ("rounds(schedule = [2])", "E206", "needs models"),
        ("debate(A) -> vote()", "E206", "two models or more"),
        ('debate(A, B, roles = ["critic"]) -> vote()', "E403", "1 role for 2 models"),
        ('debate(A, B, roles = ["critic", "proponnet"]) -> vote()', "E402", "unknown role"),
        ("debate(A, B, calls = 1) -> vote()", "E403", "1 call for 2 models"),
    ],
)
def test_what_cannot_be(mistakes, text, code, words):
    (found, message) = mistakes(text)[0]
    assert found == code
    assert words in message


REPLY = '"""{% for a in answers[:-1] %}{{ a }} {% endfor %}mine: {{ answer }}"""'


def test_a_debate_ends_when_all_agree_and_the_trace_has_who_changed(answer):
    result = answer(f"debate(A, follower, rounds = 4, template = {REPLY}) -> vote(ties = first())")
    notes = event(result, "debate").notes
    assert (result.answer, notes["rounds"], notes["agreed"]) == ("alpha", 2, True)
    assert notes["changed"] == {"round 2": ["follower"]}
    assert asked(result, "debate") == ["A", "follower"] * 2


def test_those_who_agree_from_the_beginning_answer_once(answer):
    result = answer("debate(A, A, rounds = 4) -> vote()")
    assert (event(result, "debate").notes["rounds"], result.answer) == (1, "alpha")
    assert list(event(result, "vote").notes["tally"]) == ["alpha"]


def test_who_never_agrees_stops_at_the_last_round(answer):
    result = answer(f"debate(A, B, rounds = 3, template = {REPLY}) -> vote(ties = first())")
    notes = event(result, "debate").notes
    assert (notes["rounds"], notes["agreed"], notes["calls"]) == (3, False, 6)
    assert notes["changed"] == {"round 2": [], "round 3": []}


def test_each_sees_the_others_and_its_own_answer(answer):
    result = answer(f"debate(A, B, rounds = 2, template = {REPLY}) -> vote(ties = first())")
    prompts = [call.prompt[-1][1] for call in event(result, "debate").asked]
    assert prompts == ["Why?", "Why?", "beta mine: alpha", "alpha mine: beta"]


def test_in_turns_the_second_speaker_has_heard_the_first(answer):
    text = f"debate(A, follower, rounds = 3, turns = true, template = {REPLY}) -> vote()"
    result = answer(text)
    assert event(result, "debate").notes["rounds"] == 1
    assert [c.prompt[-1][1] for c in event(result, "debate").asked] == ["Why?", "alpha mine: "]


def test_roles_are_what_the_system_says(answer):
    result = answer('debate(A, A, roles = ["critic", "You are a poet."]) -> vote()')
    systems = [call.prompt[0] for call in event(result, "debate").asked]
    assert systems[0][1].startswith("You look for mistakes")
    assert systems[1] == ("system", "You are a poet.")


def test_values_are_compared_where_a_reader_is_given(ready):
    models = 'model C = fake(says = "It is 7.")\nmodel D = fake(says = "7.0 apples")\n'
    text = "debate(C, D, by = numeric(), read = number()) -> vote(by = numeric())"
    result = ready(text, models=models)("Why?")
    assert event(result, "debate").notes["rounds"] == 1


def test_who_fails_at_first_is_missing_and_later_keeps_its_answer(answer):
    result = answer(f"debate(A, B, broken, rounds = 2, template = {REPLY}) -> vote(ties = first())")
    assert result.answer == "alpha"
    assert {each.branch for each in result.failed} == {"broken"}
    with pytest.raises(Failure) as caught:
        answer("debate(A, broken, broken) -> vote()")
    assert caught.value.code == "E716"


def test_a_limit_of_calls_ends_a_debate_with_what_was_said(answer):
    text = f"debate(A, B, rounds = 3, calls = 3, template = {REPLY}) -> vote(ties = first())"
    result = answer(text)
    assert event(result, "debate").notes["calls"] == 3
    assert result.answer == "alpha"
    assert any("E725" in each.error for each in result.failed)


def test_a_synthesis_in_windows(answer):
    text = f"[A, B, C, D, A] -> regenerate(echo, {SHOWN}, window = 3)"
    result = answer(text.replace("C", "A").replace("D", "B"))
    assert result.answer == "alpha;beta;alpha;;beta;alpha;"
    assert asked(result, "regenerate") == ["echo", "echo"]


def test_a_system_message_may_show_the_answers(answer):
    text = '[A, B] -> prompt(plain, system = """{{ answers }}""") -> A'
    result = answer(text)
    call = result.trace.events[-1].asked[0]
    assert call.prompt == [("system", "1. alpha\n2. beta"), ("user", "Why?")]
