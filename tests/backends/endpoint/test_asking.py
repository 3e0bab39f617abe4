"""Answers over the wire: those of the model, cut at stops, streamed, several, with their cost."""

import asyncio
import re
from pathlib import Path

import pytest
from scripted_server import events, reply, scripted
from small_server import serving

import composer
from composer import zoo
from composer.backends.endpoint import Endpoint
from composer.backends.endpoint.asking.context_room import room_in
from composer.backends.endpoint.asking.served import ServedModel
from composer.backends.endpoint.transport import retry
from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.specs import Declared
from composer.values import Embed, Generate, ModelError, Processing, Query, Sampling

GOLDEN = Path(__file__).parent / "golden"
URL = re.compile(r"http://[\d.:]+/v1")
FOLDER = zoo.folder("general-1")
QUESTION = Query.of("What is 17 plus 25?")
CHAT = {"chat": True, "completions": True, "logprobs": True, "top": 5, "several": True}
CHAT |= {"usage": True, "stops": 4, "seeds": True}
MESSAGE = {"role": "assistant", "content": "It is 42. Yes"}
SAID = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
ANSWER = {"choices": [SAID], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}


@pytest.fixture(scope="module")
def server():
    with serving(FOLDER) as url:
        yield url


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "FIRST", 0.01)


async def asking(url, abilities=CHAT, on_text=None, seeds=(0,), **options):
    """Return the draws of a model behind a server, or the error."""
    prefix, sampling = options.pop("prefix", ""), options.pop("sampling", {})
    query = options.pop("query", QUESTION)
    declaration = Endpoint(
        model=options.pop("model", "general-1"),
        url=url,
        probe=False,
        abilities=tuple(dict(abilities).items()),
        **{"retries": 1, "price": (2.0, 8.0), **options},
    )
    client = await declaration.open("A")
    how = Sampling(**{"max_tokens": 24, **sampling})
    request = Generate(Declared("A", declaration), query, how, prefix, len(seeds), seeds)
    try:
        return (await client.generate(request, on_text)).draws
    except ModelError as error:
        return error
    finally:
        await client.close()


def asked(*arguments, **options):
    return asyncio.run(asking(*arguments, **options))


async def scripting(*script, **options):
    async with scripted(*script) as server:
        draws = await asking(server.url, **options)
        return draws, [body for _, _, body in server.requests]


def answered(*script, **options):
    """Return what a server with this script is understood to say, and what it was asked."""
    return asyncio.run(scripting(*script, **options))


def chat(finish="stop", logprobs=None, usage=ANSWER["usage"], **message):
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}
    return reply({"choices": [choice], "usage": usage})


@pytest.fixture(scope="module")
def answer_of():
    with Engine() as engine:
        model = Declared("A", Zoo(model="general-1"))
        yield lambda prefix="", **how: engine.generate(
            Generate(model, QUESTION, Sampling(**{"max_tokens": 24, **how}), prefix)
        ).result()


def test_a_chat_gives_what_the_model_writes_alone_with_its_confidence_and_cost(server, answer_of):
    (draw,) = asked(server)
    alone = answer_of()
    assert (draw.text, draw.tokens, draw.finish) == (alone.text, alone.tokens, alone.finish)
    assert draw.logprobs == pytest.approx(alone.logprobs, abs=1e-4)
    assert draw.confidence == pytest.approx(alone.confidence, abs=1e-4)
    usage, expected = draw.usage["A"], alone.usage["A"]
    assert usage.prompt_tokens == expected.prompt_tokens
    assert usage.completion_tokens == expected.completion_tokens
    assert usage.cost == (usage.prompt_tokens * 2 + usage.completion_tokens * 8) / 1e6


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_a_stream_shows_the_same_text_as_it_comes(server, api, answer_of):
    pieces = []
    tokenizer = str(FOLDER) if api == "completions" else None
    draws = asked(server, on_text=pieces.append, api=api, tokenizer=tokenizer)
    alone = answer_of()
    assert "".join(pieces) == draws[0].text == alone.text
    assert len(pieces) > 1
    assert draws[0].usage["A"].completion_tokens == alone.usage["A"].completion_tokens


def test_completions_with_the_tokenizer_go_on_from_a_partial_answer(server, answer_of):
    alone = answer_of()
    beginning = alone.text[:2]
    for gives in ({"prompt_ids": True}, {"prompt_ids": False}, {"continues": True}):
        tokenizer = None if "continues" in gives else str(FOLDER)
        (draw,) = asked(server, CHAT | gives, prefix=beginning, tokenizer=tokenizer)
        assert beginning + draw.text == alone.text


def test_a_partial_answer_that_cannot_be_sent_is_an_error():
    error = asked("http://127.0.0.1:9/v1", prefix="It")
    assert (error.code, "cannot go on from a partial answer" in error.message) == ("E302", True)


def test_several_draws_are_one_request_whose_prompt_is_paid_once(server):
    draws = asked(server, seeds=(5, 6, 7), sampling={"temperature": 1.5})
    assert len({draw.text for draw in draws}) > 1
    assert [draw.usage["A"].calls for draw in draws] == [1, 1, 1]
    assert [draw.usage["A"].prompt_tokens > 0 for draw in draws] == [True, False, False]


def test_a_seed_draws_the_same_answer_again_by_chat_or_by_completions(server):
    how = {"temperature": 1.9, "max_tokens": 8}
    seed = (1 << 61) + 12345
    first, again = (asked(server, seeds=(seed,), sampling=how)[0].tokens for _ in range(2))
    assert first == again
    assert asked(server, seeds=(seed + 1,), sampling=how)[0].tokens != first


def test_where_no_several_answers_come_at_once_each_draw_is_a_request():
    script = [chat(content="a"), chat(content="b")]
    gives = CHAT | {"several": False}
    draws, bodies = answered(
        *script, abilities=gives, seeds=(1 << 40, 3), sampling={"temperature": 1}
    )
    assert sorted(draw.text for draw in draws) == ["a", "b"]
    assert sorted(body["seed"] for body in bodies) == [0, 3]
    assert "n" not in bodies[0]


def test_a_server_that_refuses_seeds_is_sent_none():
    gives = CHAT | {"seeds": False}
    _, (body,) = answered(chat(content="a"), abilities=gives, sampling={"temperature": 1})
    assert "seed" not in body


def test_a_member_reads_a_prompt_of_its_own():
    async def ask():
        async with scripted(chat(content="42"), chat(content="42")) as server:
            recipe = composer.Recipe.load(
                f'model A = endpoint("m", url = "{server.url}", probe = false)\n'
                '[A, prompt("""In words: {{ query }}""") -> A] -> vote()'
            )
            async with recipe.ready() as ensemble:
                answer = (await ensemble.ask("6 * 7?")).answer
            return answer, sorted(body["messages"][0]["content"] for *_, body in server.requests)

    assert asyncio.run(ask()) == ("42", ["6 * 7?", "In words: 6 * 7?"])


def test_greedy_draws_are_asked_for_once():
    draws, bodies = answered(chat(content="a"), seeds=(0, 0, 0))
    assert [draw.text for draw in draws] == ["a"] * 3
    assert sum(draw.usage["A"].cost for draw in draws) == draws[0].usage["A"].cost
    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("stops", "keep", "text"),
    [
        ((".",), False, "It is 42"),
        ((".",), True, "It is 42."),
        (("x", "y", "z", "w", " is"), False, "It"),
    ],
)
def test_an_answer_is_cut_at_stops_that_the_server_does_not_heed(stops, keep, text):
    logprobs = {
        "content": [{"token": t, "logprob": -0.5} for t in ("It", " is", " 42", ".", " Yes")]
    }
    sampling = {"stop": stops, "keep_stop": keep}
    (draw,), (body,) = answered(chat(content="It is 42. Yes", logprobs=logprobs), sampling=sampling)
    assert (draw.text, draw.finish) == (text, "stop")
    assert "".join(draw.tokens) == text
    assert len(body.get("stop", ())) == (0 if keep else min(len(stops), 4))


def test_a_stop_inside_of_a_stream_is_never_shown():
    pieces = []
    deltas = [{"delta": {"content": text}, "index": 0} for text in ("It is", " 4", "2.", " Yes")]
    script = events(
        *({"choices": [each]} for each in deltas),
        {"choices": [{"delta": {}, "index": 0, "finish_reason": "length"}]},
        {"choices": [], "usage": ANSWER["usage"]},
    )
    (draw,), _ = answered(script, on_text=pieces.append, sampling={"stop": ("42.",)})
    assert "".join(pieces) == draw.text == "It is "
    assert (draw.finish, draw.usage["A"].completion_tokens) == ("stop", 5)


def test_an_option_that_the_server_does_not_heed_is_an_error_and_is_not_left_out():
    for name, value in (("top_k", 5), ("min_p", 0.1)):
        error = asked("http://127.0.0.1:9/v1", sampling={name: value})
        assert (error.code, name in error.message) == ("E407", True)
    for name, value in (
        ("repetition_penalty", 1.2),
        ("presence_penalty", 0.5),
        ("logit_bias", ((5, 1.0),)),
        ("min_tokens", 3),
    ):
        processing = Processing(**{name: value})
        error = asked("http://127.0.0.1:9/v1", sampling={"processing": processing})
        assert (error.code, name in error.message) == ("E407", True)


def test_a_servers_own_defaults_are_set_aside_where_it_knows_the_options():
    _, (plain,) = answered(chat(content="a"))
    assert set(plain) == {
        *("model", "messages", "temperature", "top_p", "max_tokens", "logprobs", "top_logprobs")
    }
    llama = CHAT | {"top_k": True, "min_p": True, "repeat_penalty": True}
    _, (body,) = answered(chat(content="a"), abilities=llama)
    assert (body["top_k"], body["min_p"], body["repeat_penalty"]) == (0, 0.0, 1.0)
    vllm = CHAT | {"top_k": True, "repetition_penalty": True}
    processing = Processing(repetition_penalty=1.3)
    _, (body,) = answered(chat(content="a"), abilities=vllm, sampling={"processing": processing})
    assert (body["top_k"], body["repetition_penalty"]) == (-1, 1.3)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("http://localhost:8000/v1", "max_tokens"),
    ],
)
def test_openais_own_models_are_told_a_limit_by_their_word(url, word):
    options = Endpoint(model="m", url=url, probe=False)
    served = ServedModel("A", options, options.abilities_now, None)
    assert served.most(7) == {word: 7}


NEWER = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."


def test_a_server_that_wants_the_newer_word_is_asked_with_it():
    refusal = reply({"error": {"message": NEWER}}, 400)
    (draw,), bodies = answered(refusal, chat(content="42"))
    limits = [{name for name in body if name.startswith("max")} for body in bodies]
    assert (draw.text, limits) == ("42", [{"max_tokens"}, {"max_completion_tokens"}])
    error, bodies = answered(refusal, refusal, chat(content="42"))
    assert (error.code, len(bodies)) == ("E701", 2)


def test_thoughts_and_refusals_are_kept_apart_from_the_text():
    (draw,), _ = answered(chat(content="42", reasoning_content="17 + 25"))
    assert (draw.text, dict(draw.facts)) == ("42", {"thinking": "17 + 25"})
    (draw,), _ = answered(chat(content=None, refusal="I cannot say that."))
    assert (draw.text, dict(draw.facts)) == (draw.facts["refusal"], {"refusal": draw.text})


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": None, "completion_tokens": None}])
def test_a_reply_without_usage_has_an_unknown_cost_and_not_none(usage):
    (draw,), _ = answered(chat(content="a", usage=usage))
    assert draw.usage["A"].unpriced == 1
    assert draw.usage["A"].calls == 1


def embedded(*script):
    async def embed():
        async with scripted(*script) as server:
            abilities = (("embeddings", True),)
            declaration = Endpoint(model="m", url=server.url, probe=False, abilities=abilities)
            client = await declaration.open("A")
            try:
                return await client.embed(Embed(Declared("A", declaration), ("a", "b")))
            finally:
                await client.close()

    return asyncio.run(embed())


def vectors(*entries):
    return reply({"data": entries, "usage": {"prompt_tokens": 2, "total_tokens": 2}})


def test_texts_become_vectors_in_their_order_whatever_the_order_of_the_reply():
    one, two = ({"index": n, "embedding": [n, 0.5]} for n in range(2))
    short = {"index": 1, "embedding": [1]}
    given = embedded(vectors(one), vectors(one, short), vectors(two, one))
    assert given.vectors == ((0.0, 0.5), (1.0, 0.5))
    assert given.usage["A"].prompt_tokens == 2


BAD = {
    "no choices": {"usage": {}},
    "empty choices": {"choices": []},
    "choices are no list": {"choices": {"0": SAID}},
    "no finish": {"choices": [{**SAID, "finish_reason": None}]},
    "finish is a number": {"choices": [{**SAID, "finish_reason": 1}]},
    "broken off": {"choices": [{**SAID, "finish_reason": "error"}]},
    "message is a text": {"choices": [{**SAID, "message": "42"}]},
    "completion without text": {"choices": [{"text": None, "finish_reason": "stop"}]},
    "no text": {"choices": [{**SAID, "message": {"role": "assistant"}}]},
    "text is a number": {"choices": [{**SAID, "message": {"content": 42}}]},
    "answer is a text": {"choices": ["42"]},
    "two answers": {"choices": [SAID, {**SAID, "index": 1}]},
    "tokens are negative": ANSWER | {"usage": {"prompt_tokens": -1, "completion_tokens": 2}},
    "tokens are a text": ANSWER | {"usage": {"prompt_tokens": "9", "completion_tokens": 2}},
    "usage is a number": ANSWER | {"usage": 3},
    "NaN": {
        "choices": [SAID | {"logprobs": {"content": [{"token": "a", "logprob": float("nan")}]}}]
    },
    "above 0": {"choices": [SAID | {"logprobs": {"content": [{"token": "a", "logprob": 2}]}}]},
    "lengths": {
        "choices": [
            {
                "text": "a",
                "finish_reason": "stop",
                "logprobs": {"tokens": ["a"], "token_logprobs": [-1, -2]},
            }
        ]
    },
    "bytes": {
        "choices": [
            SAID | {"logprobs": {"content": [{"token": "a", "logprob": -1, "bytes": [300]}]}}
        ]
    },
}


async def each_of(scripts, **options):
    """Answer the question by each script with one client, and return the draws or the errors."""
    async with scripted() as server:
        declaration = Endpoint(model="m", url=server.url, probe=False, **options)
        client = await declaration.open("A")
        request = Generate(Declared("A", declaration), QUESTION, Sampling(), seeds=(0,))
        results = []
        for script in scripts:
            server.script = list(script)
            try:
                results.append((await client.generate(request)).draws[0])
            except ModelError as error:
                results.append(error)
        await client.close()
        return results, server.requests


def test_a_reply_that_is_no_answer_is_asked_for_again():
    scripts = [(reply(body), chat(content="a")) for body in BAD.values()]
    draws, requests = asyncio.run(each_of(scripts, retries=1))
    assert [draw.text for draw in draws] == ["a"] * len(BAD)
    assert len(requests) == 2 * len(BAD)


def test_every_bad_reply_says_what_came(golden):
    errors, _ = asyncio.run(each_of([[reply(body)] for body in BAD.values()], retries=0))
    named = zip(BAD, errors, strict=True)
    lines = (f"{name}: {error.code} {URL.sub('URL', error.message)}" for name, error in named)
    golden(GOLDEN / "bad_replies.txt", "\n".join(lines))


VLLM = """This model's maximum context length is 512 tokens. However, you requested 512 output
tokens and your prompt contains 16 input tokens."""
OPENAI = """This model's maximum context length is 4096 tokens. However, you requested 5000
tokens (904 in the messages, 4096 in the completion)."""
SGLANG = """Requested token count exceeds the model's maximum context length of 2048 tokens. You
requested a total of 2600 tokens: 600 tokens from the input messages and 2000 for the rest."""
OTHER = "The input is longer than the model's context length"


@pytest.mark.parametrize(
    ("words", "room"), [(VLLM, 496), (OPENAI, 3192), (SGLANG, 1448), (OTHER, None)]
)
def test_a_refusal_tells_how_much_room_the_context_has(words, room):
    assert room_in(words) == room


def test_an_answer_ends_where_the_context_ends_as_in_this_process(server):
    pieces = []
    for on_text in (None, pieces.append):
        (draw,) = asked(server, on_text=on_text, sampling={"max_tokens": 512})
        assert (draw.text, draw.finish) == (" 42", "stop")
    error = asked(server, sampling={"max_tokens": 1}, query=Query.of("word " * 600))
    assert error.code == "E703"


def test_an_answer_may_be_empty():
    (draw,), _ = answered(chat("length", content=None))
    assert (draw.text, draw.finish) == ("", "length")


@pytest.mark.parametrize(
    ("finish", "words"),
    [("content_filter", "content filter"), ("tool_calls", "call of a tool"), ("odd", "`odd`")],
)
def test_an_answer_that_ended_otherwise_is_an_error_and_not_asked_for_again(finish, words):
    error, bodies = answered(chat(finish, content="It"))
    assert (error.code, words in error.message, len(bodies)) == ("E723", True, 1)
