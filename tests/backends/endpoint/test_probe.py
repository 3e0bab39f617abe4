"""The probe reads replies of all shapes, and tells a refusal from an outage."""

import asyncio
from dataclasses import asdict
from itertools import count

import pytest
from scripted_server import RESET, reply, scripted

from composer.backends.endpoint import Endpoint
from composer.backends.endpoint.abilities import Abilities
from composer.backends.endpoint.faults import AttemptError, EndpointError
from composer.backends.endpoint.probing.exploration import explore
from composer.backends.endpoint.probing.kept_abilities import findings_of
from composer.backends.endpoint.probing.probe import NoAnswerError, probe
from composer.backends.endpoint.probing.replies import choices, is_counted, likely, scores, text_of
from composer.backends.endpoint.probing.requests import Prober, largest
from composer.backends.endpoint.transport import retry

URL = "http://a/v1"


@pytest.fixture(autouse=True)
def _fast(monkeypatch, tmp_path):
    monkeypatch.setattr(retry, "FIRST", 0.001)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


class Replies:
    """Gives what a function of path and body returns, or raises it."""

    def __init__(self, answer):
        self.answer = answer

    async def once(self, path, body=None, *, tokens=0):
        assert tokens >= 0
        given_reply = self.answer(path, body or {})
        if isinstance(given_reply, Exception):
            raise given_reply
        return given_reply


def asked(answer):
    return asyncio.run(probe(Replies(answer), "m", address=URL))


OLD = {
    "index": 0,
    "text": " a b",
    "logprobs": {
        "tokens": [" a", " b"],
        "token_logprobs": [None, -0.5],
        "top_logprobs": [None, {" b": -0.5, " c": -1.0}],
    },
}
NEW = {  # as llama.cpp answers completions, and everybody chats
    "index": 0,
    "message": {"role": "assistant", "content": " b"},
    "logprobs": {
        "content": [
            {
                "id": 7,
                "token": " b",
                "logprob": -0.5,
                "top_logprobs": [
                    {"id": 7, "token": " b", "logprob": -0.5},
                    {"id": 9, "token": " b", "logprob": -1.0},
                ],
            }
        ]
    },
}


def test_both_forms_of_log_probabilities_are_read():
    assert (text_of(OLD), scores(OLD)) == (" a b", [None, -0.5])
    assert likely(OLD) == [{" b": -0.5, " c": -1.0}]
    assert (text_of(NEW), scores(NEW)) == (" b", [-0.5])
    assert likely(NEW) == [{"token_id:7": -0.5, "token_id:9": -1.0}]


@pytest.mark.parametrize(
    ("indices", "order"), [([1, 0], ["1", "0"]), ([0, 0], []), ([5], ["5"]), ([0, 2], [])]
)
def test_choices_are_those_of_an_order_without_gaps(indices, order):
    answers = [{"index": index, "text": str(index)} for index in indices]
    texts = [text_of(each) for each in choices({"choices": answers})]
    assert texts == sorted(order)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 8}, True),
        ({"prompt_tokens": 3, "completion_tokens": 9}, False),
        ({"prompt_tokens": 0, "completion_tokens": 0}, False),
        ({"prompt_tokens": True, "completion_tokens": 1}, False),
        (None, False),
    ],
)
def test_usage_counts_if_it_can_be_true(usage, counted):
    assert is_counted({"usage": usage}, 8) is counted


def test_the_largest_amount_that_is_not_refused_is_found_in_few_tries():
    rungs = (1024, 512, 256, 128, 100, 64, 50, 32, 20, 16, 10, 5, 2, 1)
    for limit in (2000, 300, 128, 20, 5, 1, 0):
        tries = []

        async def amount_of(amount, limit=limit, tries=tries):
            tries.append(amount)
            return amount if amount <= limit else 0

        best = max((rung for rung in rungs if rung <= limit), default=0)
        assert asyncio.run(largest(rungs, amount_of)) == best
        assert len(tries) <= 5


BAD = (None, -1, "x", [], {})


def damaged(value):
    """Yield a reply with each of its parts replaced by each bad value."""
    yield from BAD
    parts = value.items() if isinstance(value, dict) else ()
    parts = enumerate(value) if isinstance(value, list) else parts
    for at, part in parts:
        for worse in damaged(part):
            whole = value.copy()
            whole[at] = worse
            yield whole


@pytest.mark.parametrize("choice", [OLD, NEW], ids=["old", "new"])
def test_no_reply_breaks_the_probe(choice):
    for worse in damaged(choice):
        reply_ = {"choices": [worse], "data": worse, "usage": worse, "tokens": worse}
        try:
            report = asked(lambda *_, given=reply_: given)
        except NoAnswerError:
            continue
        assert report.abilities.chat


NOTHING = asdict(Abilities(chat=True, completions=True))


def given(answer):
    """Return what the probe finds, and the abilities of which it says that they are unknown."""
    report = asked(answer)
    return asdict(report.abilities), set(report.unknown)


def test_a_server_that_says_yes_to_all_and_gives_nothing_is_found_out():
    """It answers each request with one and the same text, and status 200."""
    answer = {"index": 0, "message": {"content": "One, two"}, "text": "One, two"}
    found, unknown = given(lambda *_: {"choices": [answer]})
    assert found == NOTHING
    assert unknown == {"seeds", "top_k", "min_p", "prompts", "prompt_ids"}


def test_a_server_whose_answers_come_as_they_like_proves_nothing():
    turns = count()

    def answer(*_):
        text = f"One, {next(turns)}"
        return {"choices": [{"index": 0, "message": {"content": text}, "text": text}]}

    found, unknown = given(answer)
    assert found == NOTHING
    assert {"logit_bias", "penalties", "repetition_penalty", "continues"} <= unknown


def test_a_reasoning_model_is_asked_in_its_own_words():
    def answer(path, body):
        if path != "/chat/completions":
            return AttemptError("404", status=404)
        if "max_tokens" in body:
            return AttemptError("400: Use 'max_completion_tokens' instead.", status=400)
        if not body["temperature"]:
            return AttemptError("400: 'temperature' does not support 0.", status=400)
        return {"choices": [{"index": 0, "message": {"content": "one"}, "finish_reason": "stop"}]}

    assert asked(answer).abilities.chat


@pytest.mark.parametrize(("status", "requests"), [(400, 1), (404, 1), (422, 1), (501, 1), (500, 2)])
def test_a_refusal_is_no_outage(status, requests):
    """A status of 500 may be either, so it is believed when it comes again."""
    prober = Prober(Replies(lambda *_: AttemptError("no", status=status)), "m")
    assert asyncio.run(prober.complete("x", n=2)) is None
    assert prober.requests == requests


@pytest.mark.parametrize(("status", "requests"), [(429, 8), (503, 3), (None, 3)])
def test_an_outage_is_raised_after_some_tries(status, requests):
    prober = Prober(Replies(lambda *_: AttemptError("later", status=status)), "m")
    with pytest.raises(AttemptError):
        asyncio.run(prober.complete("x"))
    assert prober.requests == requests


def test_of_a_server_that_fails_in_between_nothing_is_kept():
    async def ask():
        body = {"choices": [{"index": 0, "text": "One, two", "message": {"content": "One"}}]}
        async with scripted(*[reply(body)] * 9, *[RESET] * 99) as server:
            endpoint = Endpoint(model="m", url=server.url, concurrency=1)
            return endpoint, (await explore(endpoint, "A"))[server.url]

    endpoint, error = asyncio.run(ask())
    assert isinstance(error, EndpointError)
    assert error.transient
    assert not findings_of(endpoint).records


@pytest.mark.parametrize(
    ("status", "text", "passes"),
    [(402, "Payment required", True), (401, "Bad key", False), (503, "Loading", True)],
)
def test_only_what_another_recipe_mends_is_a_mistake(status, text, passes):
    """An account that is empty may be filled; a wrong key stays wrong."""

    async def ask():
        async with scripted(*[reply({"error": {"message": text}}, status)] * 99) as server:
            return (await explore(Endpoint(model="m", url=server.url), "A"))[server.url]

    error = asyncio.run(ask())
    assert error.transient is passes
    assert text in error.message
