"""The client of OpenAI, unmodified: answers, streams, log-probabilities, and errors by class."""

import asyncio
import json
import urllib.request

import openai
import pytest
from serve_process import ROOT, ServeProcess

import composer

pytestmark = pytest.mark.slow

QUESTION = "What is 17 plus 25?"
MESSAGES = [{"role": "user", "content": QUESTION}]
PROMPT = f"Q: {QUESTION}\nA:"
TOOL = {"type": "function", "function": {"name": "add"}}


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as opened:
        yield opened


@pytest.fixture(scope="module")
def local():
    with composer.load('use "zoo.ens" (A, B, C)\ntoken_fuse(A, B, C)').ready() as ensemble:
        yield ensemble


def text_of(reply):
    return reply.choices[0].message.content


def test_models_are_listed(client):
    names = {model.id for model in client.models.list()}
    assert names == {"fused", "mission", "quickstart", "unite"}
    assert client.models.retrieve("fused").id == "fused"


@pytest.mark.parametrize("model", ["fused", "mission", "quickstart", "unite"])
def test_a_stream_is_the_whole_answer(client, model):
    whole = client.chat.completions.create(model=model, messages=MESSAGES)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(client.chat.completions.create(model=model, messages=MESSAGES, **options))
    pieces = [each.choices[0].delta.content or "" for each in chunks if each.choices]
    assert "".join(pieces) == text_of(whole)
    assert whole.choices[0].finish_reason == "stop"
    assert text_of(whole).strip() == ("32" if model == "unite" else "42")  # unlike vocabularies
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens > 0
    assert {name for name, usage in whole.ensemble["members"].items() if usage["calls"]}


def test_helpers_for_streams_gather_the_answer(client):
    with client.chat.completions.stream(model="fused", messages=MESSAGES) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"content.delta", "content.done"} <= kinds
    assert text_of(final).strip() == "42"


def test_log_probabilities_are_those_of_the_ensemble(client, local):
    options = {"logprobs": True, "top_logprobs": 5}
    reply = client.chat.completions.create(model="fused", messages=MESSAGES, **options)
    tokens = reply.choices[0].logprobs.content
    written = [token for token in tokens if token.token != "<eos>"]
    assert b"".join(bytes(token.bytes) for token in written).decode() == text_of(reply)
    assert all(len(token.top_logprobs) == 5 for token in tokens)
    assert all(
        token.logprob == max(each.logprob for each in token.top_logprobs) for token in tokens
    )
    score = local.score(text_of(reply), QUESTION)
    assert [token.logprob for token in written] == pytest.approx(
        score.logprobs[: len(written)], abs=1e-4
    )


def test_an_echo_scores_the_prompt(client, local):
    reply = client.completions.create(
        model="fused", prompt=f"{PROMPT} 42", max_tokens=1, echo=True, logprobs=1, temperature=0
    )
    told = reply.choices[0].logprobs
    assert told.token_logprobs[0] is None
    assert "".join(told.tokens).startswith(f"{PROMPT} 42")
    answer = local.score(" 42", QUESTION)
    begin = next(at for at, offset in enumerate(told.text_offset) if offset >= len(PROMPT))
    length = len(f"{PROMPT} 42")
    end = sum(offset < length for offset in told.text_offset)
    assert sum(told.token_logprobs[begin:end]) == pytest.approx(answer.total, abs=1e-3)


def test_several_answers_differ_and_a_seed_repeats_them(client):
    options = {"n": 3, "temperature": 1.5, "seed": 7}
    first, second = (
        client.chat.completions.create(model="fused", messages=MESSAGES, **options)
        for _ in range(2)
    )
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in second.choices]
    assert [choice.index for choice in first.choices] == [0, 1, 2]


def test_prompts_are_texts_lists_and_token_ids(client, server):
    body = json.dumps({"model": "fused", "prompt": PROMPT}).encode()
    request = urllib.request.Request(
        f"{server}/tokenize", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:
        ids = json.load(reply)["tokens"]
    texts = [
        choice.text
        for prompt in (PROMPT, [PROMPT, PROMPT], ids, [ids, ids])
        for choice in client.completions.create(model="fused", prompt=prompt).choices
    ]
    assert len(texts) == 6
    assert set(texts) == {" 42"}


def test_a_stop_and_a_length_end_an_answer(client):
    ended = client.completions.create(model="fused", prompt=PROMPT, stop="2")
    assert (ended.choices[0].text, ended.choices[0].finish_reason) == (" 4", "stop")
    cut = client.completions.create(model="fused", prompt=PROMPT, max_tokens=1)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage.completion_tokens == 3  # one of each member


def test_many_ask_at_once(server):
    async def ask():
        url = f"{server}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            questions = [f"What is {a} plus {b}?" for a in range(10, 14) for b in range(20, 24)]
            return await asyncio.gather(*(_streamed(client, each) for each in questions))

    answers = asyncio.run(ask())
    expected = [str(a + b) for a in range(10, 14) for b in range(20, 24)]
    right = sum(answer == each for answer, each in zip(answers, expected, strict=True))
    assert right >= 14


async def _streamed(client, question):
    messages = [{"role": "user", "content": question}]
    stream = await client.chat.completions.create(model="fused", messages=messages, stream=True)
    return "".join([each.choices[0].delta.content or "" async for each in stream]).strip()


def test_errors_are_of_their_classes(client):
    ask = client.chat.completions.create
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(model="mision", messages=MESSAGES)
    assert unknown.value.code
    assert "mission" in unknown.value.message
    with pytest.raises(openai.BadRequestError) as tools:
        ask(
            model="fused",
            messages=MESSAGES,
            tools=[{"type": "function", "function": {"name": "f"}}],
        )
    assert tools.value.param == "tools"
    with pytest.raises(openai.BadRequestError):
        ask(model="fused", messages=MESSAGES, extra_body={"temperatur": 1})
    with pytest.raises(openai.BadRequestError):
        ask(model="fused", messages=[{"role": "user", "content": "9 " * 2000}])
    with pytest.raises(openai.BadRequestError):
        ask(model="fused", messages=MESSAGES, stop=["x"] * 10_000)
    with pytest.raises(openai.APIStatusError) as large:
        ask(model="fused", messages=[{"role": "user", "content": "9" * 100_000_000}])
    assert large.value.status_code == 413


def test_a_key_is_demanded():
    with ServeProcess("recipes/quickstart.ens", folder=ROOT, COMPOSE_API_KEY="right") as process:
        for key, error in (("wrong", openai.AuthenticationError), ("right", None)):
            url = f"{process.address}/v1"
            client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
            if error is None:
                assert client.models.list().data
            else:
                with pytest.raises(error):
                    client.models.list()
            client.close()
