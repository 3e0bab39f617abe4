"""Next-token distributions over the wire are those of the model, by ids, by texts, in batches."""

import asyncio

import pytest
import torch
from scripted_server import reply, scripted
from small_server import serving
from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE
from transformers import AutoModelForCausalLM

from composer import zoo
from composer.backends.endpoint import Endpoint
from composer.specs import Declared
from composer.values import ModelError, NextTokens

FOLDER = zoo.folder("general-1")
PROMPTS = ((1, 7, 30, 12), (1, 40), (1, 9, 9, 11, 60, 61))
WHOLE = (("completions", True), ("top", 20), ("chosen", 128), ("ids", True), ("usage", True))
BY_IDS = (*WHOLE, ("prompt_ids", True), ("prompts", 2))


@pytest.fixture(scope="module")
def server():
    with serving(FOLDER, chosen=16) as url:
        yield url


@pytest.fixture(scope="module")
def truth():
    module = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()

    @torch.no_grad()
    def logprobs(ids):
        return module(torch.tensor([ids])).logits[0, -1].log_softmax(-1)

    return logprobs


def asked(url, abilities=BY_IDS, prompts=PROMPTS, tokenizer=None, model="general-1", **request):
    declaration = Endpoint(
        model=model, url=url, abilities=abilities, probe=False, tokenizer=tokenizer, api="auto"
    )

    async def ask():
        client = await declaration.open("A")
        try:
            return await client.next_tokens(
                NextTokens(Declared("A", declaration), prompts, **request)
            )
        finally:
            await client.close()

    return asyncio.run(ask())


def same(distribution, expected):
    return all(
        abs(value - expected[token].item()) < 1e-4 for token, value in distribution.logprobs.items()
    )


def test_prompts_of_ids_are_asked_several_at_once_and_their_likeliest_tokens_come(server, truth):
    answer = asked(server, top=5)
    assert [len(row) for row in answer.rows] == [1, 1, 1]
    for prompt, (distribution,) in zip(PROMPTS, answer.rows, strict=True):
        expected = truth(prompt)
        assert set(distribution.logprobs) == set(expected.topk(5).indices.tolist())
        assert same(distribution, expected)
        assert distribution.written == expected.argmax().item()
    usage = answer.usage["A"]
    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == (2, 12, 3)


def test_chosen_ids_beyond_the_limit_of_a_server_come_by_several_requests(server, truth):
    ids = tuple(range(3, 43))
    abilities = (*BY_IDS, ("chosen", 16))
    answer = asked(server, abilities, PROMPTS[:1], top=3, ids=ids)
    [(distribution,)] = answer.rows
    assert set(ids) <= distribution.logprobs.keys()
    assert set(truth(PROMPTS[0]).topk(3).indices.tolist()) <= distribution.logprobs.keys()
    assert same(distribution, truth(PROMPTS[0]))
    assert answer.usage["A"].calls == 4


def test_a_model_that_goes_on_greedily_gives_a_distribution_at_each_token(server, truth):
    (row,) = asked(server, prompts=PROMPTS[:1], top=4, ahead=3).rows
    ids = list(PROMPTS[0])
    for distribution in row:
        assert same(distribution, truth(ids))
        assert distribution.written == truth(ids).argmax().item()
        ids.append(distribution.written)


def test_a_server_that_mixes_up_two_kinds_of_requests_is_asked_one_by_one(truth):
    """As vLLM does: likeliest tokens are lost in a step that is asked for chosen ones too."""
    with serving(FOLDER, lacks="separation", step_ms=30) as url:
        declaration = Endpoint(model="general-1", url=url, abilities=BY_IDS, probe=False)

        async def ask():
            client = await declaration.open("A")
            model = Declared("A", declaration)
            try:
                return await asyncio.gather(
                    *(
                        client.next_tokens(NextTokens(model, (prompt,), **wanted))
                        for prompt in PROMPTS
                        for wanted in ({"top": 5}, {"ids": (70, 71)})
                    )
                )
            finally:
                await client.close()

        answers = asyncio.run(ask())
    for prompt, likeliest, chosen in zip(PROMPTS, answers[::2], answers[1::2], strict=True):
        expected = truth(prompt)
        [(distribution,)] = likeliest.rows
        assert set(distribution.logprobs) == set(expected.topk(5).indices.tolist())
        assert same(distribution, expected)
        [(distribution,)] = chosen.rows
        assert {70, 71} <= distribution.logprobs.keys()
        assert same(distribution, expected)


def test_a_server_that_names_tokens_by_their_texts_is_understood_by_the_tokenizer(truth):
    text_only = (("completions", True), ("top", 20))
    with serving(FOLDER, lacks="ids prompt_ids batch chosen_ids") as url:
        writer_prompts = ((1, 7, 30, 12),)
        try:
            answer = asked(url, text_only, writer_prompts, str(FOLDER), top=20)
        except ModelError as error:
            pytest.fail(error.message)
    [(distribution,)] = answer.rows
    assert same(distribution, truth(writer_prompts[0]))


async def told(row, wanted, tokenizer):
    """Return what a server is understood to say with a row of likeliest tokens."""
    logprobs = {"tokens": ["a"], "token_logprobs": [-0.1], "top_logprobs": [row]}
    choice = {"index": 0, "text": "a", "finish_reason": "length", "logprobs": logprobs}
    async with scripted(reply({"choices": [choice]})) as server:
        abilities = (("completions", True), ("top", 9), ("prompt_ids", True))
        declaration = Endpoint(
            model="m", url=server.url, abilities=abilities, probe=False, tokenizer=tokenizer
        )
        client = await declaration.open("A")
        request = NextTokens(Declared("A", declaration), ((5,),), top=wanted)
        answer = await client.next_tokens(request)
        await client.close()
        return answer.rows[0][0].logprobs


def test_a_text_that_two_tokens_have_tells_nothing_where_values_were_lost(tmp_path):
    tokenizer = Tokenizer(
        BPE({"<unk>": 0, "a": 1, ".": 2, "<0x2E>": 3, "b": 4}, [], byte_fallback=True)
    )
    tokenizer.decoder = decoders.ByteFallback()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    row = {"a": -0.1, ".": -7.0, "b": -9.0}
    whole = asyncio.run(told(row, 3, str(tmp_path)))
    assert whole == {1: -0.1, 2: -7.0, 4: -9.0}
    fewer = asyncio.run(told(row, 4, str(tmp_path)))
    assert fewer == {1: -0.1, 4: -9.0}


def test_where_a_server_shows_no_end_a_bias_brings_the_distribution_out(tmp_path):
    def answered(tokens, row, finish):
        logprobs = {"tokens": tokens, "token_logprobs": [-2.0] * len(tokens), "top_logprobs": row}
        return reply(
            {
                "choices": [
                    {"index": 0, "text": "", "finish_reason": finish, "logprobs": logprobs}
                ],
                "usage": {"prompt_tokens": 4, "completion_tokens": 1},
            }
        )

    async def ask():
        script = (answered([], [], "stop"), answered(["7"], [{"7": -2.0, "8": -3.0}], "length"))
        async with scripted(*script) as server:
            declaration = Endpoint(
                model="m",
                url=server.url,
                abilities=(("completions", True), ("top", 9), ("prompt_ids", True)),
                probe=False,
                tokenizer=str(FOLDER),
            )
            client = await declaration.open("A")
            request = NextTokens(Declared("A", declaration), PROMPTS[:1], top=2)
            answer = await client.next_tokens(request)
            await client.close()
            return answer, [body for _, _, body in server.requests]

    answer, bodies = asyncio.run(ask())
    [(distribution,)] = answer.rows
    assert sorted(distribution.logprobs.values()) == [-3.0, -2.0]
    assert distribution.written == 1
    assert bodies[1]["logit_bias"] == {"1": -100}
    assert answer.usage["A"].calls == 2


@pytest.mark.parametrize(
    ("abilities", "top"),
    [
        ((("ids", True), ("top", 294)), 294),
        ((("top", 294),), 64),
        ((("top", 5),), 5),
        ((("ids", True), ("chosen", 128), ("top", 294)), 20),
    ],
)
def test_a_fuse_asks_for_no_more_tokens_than_texts_tell_apart(abilities, top):
    declaration = Endpoint(
        model="m",
        url="http://127.0.0.1:1/v1",
        abilities=(("completions", True), *abilities),
        probe=False,
        tokenizer=str(FOLDER),
    )
    assert declaration.token_access.top == top
