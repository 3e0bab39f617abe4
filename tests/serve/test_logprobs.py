"""Log-probabilities and echoes of a real server: exact, and those of the ensemble itself."""

import json
import math
from itertools import chain

import pytest
from asgi import call

import composer
from composer.run.result import Failure
from composer.values import Query
from composer.values.details import TokenDetail
from composer.values.options import AnswerOptions

JSON = {"content-type": "application/json"}
PROMPT = "Q: What is 3 + 4?\nA:"
ASKED = [{"role": "user", "content": "What is 3 + 4?"}]


def post(app, path, **body):
    reply = call(app, "POST", path, body, JSON)
    assert reply.status == 200, reply.body
    return reply.json()


@pytest.mark.parametrize("model", ["alone", "fuse", "vote"])
def test_a_chat_tells_the_likeliest_tokens_and_its_end(client, models, model):
    reply = client.chat.completions.create(
        model=model, messages=ASKED, logprobs=True, top_logprobs=3, seed=1
    )
    content = reply.choices[0].logprobs.content
    text = b"".join(bytes(each.bytes) for each in content[:-1]).decode()
    assert (text, content[-1].token) == (reply.choices[0].message.content, "<eos>")
    for each in content:
        values = [other.logprob for other in each.top_logprobs]
        assert len(values) == 3
        assert values == sorted(values, reverse=True)
        assert each.logprob == values[0]  # greedy: exactly the greatest
    options = AnswerOptions(detail=TokenDetail(3), seed=1)
    choices = models.get(model).ensemble("What is 3 + 4?", options=options).text.choices
    assert [each.chosen.logprob for each in choices] == [each.logprob for each in content]


def test_chosen_ids_come_beside_the_likeliest(app):
    options = {"logprobs": 1, "logprob_token_ids": [5, 6], "return_tokens_as_token_ids": True}
    reply = post(app, "/v1/completions", model="fuse", prompt=PROMPT, max_tokens=2, **options)
    for row in reply["choices"][0]["logprobs"]["top_logprobs"]:
        assert {"token_id:5", "token_id:6"} < row.keys()
        assert len(row) == 3


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_a_stream_tells_each_token_once(app, path):
    chat = "chat" in path
    asked = {"messages": ASKED, "top_logprobs": 2} if chat else {"prompt": PROMPT}
    body = {"model": "fuse", "logprobs": True if chat else 2, "max_tokens": 6, **asked}
    whole = post(app, path, **body)["choices"][0]["logprobs"]
    reply = call(app, "POST", path, {**body, "stream": True}, JSON)
    events = [line[6:] for line in reply.body.decode().splitlines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    told = [c["logprobs"] for e in events for c in json.loads(e)["choices"] if c["logprobs"]]
    assert len(told) > 1
    lists = ("content",) if chat else whole.keys()
    assert all([*chain.from_iterable(each[name] for each in told)] == whole[name] for name in lists)


@pytest.mark.parametrize("most", [0, 1])
@pytest.mark.parametrize("model", ["alone", "fuse"])
def test_an_echo_scores_the_prompt_as_lm_eval_reads_it(app, models, model, most):
    served = models.get(model)
    context, rest = "Q: What is 3 + 4?\nA:", " 7 é"
    vocabulary = served.tokenizer.vocabulary
    before, after = vocabulary.encode(context), list(vocabulary.extend(rest.encode()))
    reply = post(
        app,
        "/v1/completions",
        model=model,
        prompt=[before + after],
        max_tokens=most,
        temperature=0,
        logprobs=1,
        echo=True,
        seed=1234,
    )
    choice = reply["choices"][0]
    facts = choice["logprobs"]
    assert len(facts["tokens"]) == len(before + after) + most
    assert (facts["token_logprobs"][0], facts["top_logprobs"][0]) == (None, None)
    scored = slice(len(before), len(before + after))
    score = served.ensemble.start_score(
        served.tokenizer.raw_query(before + after), TokenDetail(1)
    ).result()
    own = [each.chosen.logprob for each in score.choices][len(before) - 1 :]
    assert facts["token_logprobs"][scored] == own
    for logprob, row, each in zip(
        facts["token_logprobs"][scored],
        facts["top_logprobs"][scored],
        score.choices[len(before) - 1 :],
        strict=True,
    ):
        assert (logprob == max(row.values())) == (each.top[0].id == each.chosen.id)
    assert choice["text"].startswith(context + rest)
    assert facts["text_offset"][len(before)] == len(context)
    assert reply["usage"]["prompt_tokens"] == len(reply["ensemble"]["members"]) * len(
        before + after
    )


def test_a_text_is_echoed_without_its_scores_where_nobody_wants_them(app):
    reply = post(app, "/v1/completions", model="vote", prompt="3é", max_tokens=1, echo=True)
    assert reply["choices"][0]["text"].startswith("3é")
    assert reply["choices"][0]["logprobs"] is None


def test_an_echo_streams_its_prompt_first(client):
    options = {"model": "alone", "prompt": [PROMPT], "max_tokens": 3, "echo": True, "logprobs": 1}
    whole = client.completions.create(**options).choices[0]
    chunks = [c.choices[0] for c in client.completions.create(**options, stream=True)]
    assert chunks[0].text == PROMPT
    assert "".join(each.text for each in chunks) == whole.text
    told = [each.logprobs for each in chunks if each.logprobs]
    assert [
        *chain.from_iterable(each.token_logprobs for each in told)
    ] == whole.logprobs.token_logprobs
    assert [*chain.from_iterable(each.text_offset for each in told)] == whole.logprobs.text_offset


def test_an_echo_of_the_prompt_alone_streams_as_well(client):
    options = {"model": "alone", "prompt": ["3é", "4"], "max_tokens": 0, "echo": True, "n": 2}
    whole = client.completions.create(**options, logprobs=1)
    chunks = [*client.completions.create(**options, logprobs=1, stream=True)]
    assert chunks[-1].ensemble["members"] == whole.ensemble["members"]
    for choice in whole.choices:
        told = [c.choices[0] for c in chunks if c.choices[0].index == choice.index]
        assert "".join(each.text for each in told) == choice.text
        assert told[0].logprobs == choice.logprobs
        assert told[-1].finish_reason == choice.finish_reason == "length"


def test_a_recipe_that_no_model_alone_writes_scores_no_prompt(app, models):
    body = {"model": "vote", "prompt": "3", "max_tokens": 0, "echo": True, "logprobs": 1}
    reply = call(app, "POST", "/v1/completions", body, JSON)
    assert (reply.status, reply.error["code"]) == (400, "E302")
    with pytest.raises(Failure):
        models.get("vote").ensemble.score("3")


def test_a_recipe_that_asks_another_question_scores_no_prompt():
    recipe = 'model A = zoo("maths")\nA -> prompt("{{ answer }}") -> A'
    with composer.load(recipe).ready() as ensemble, pytest.raises(Failure, match="another"):
        ensemble.start_score(Query.of("3")).result()


def test_no_number_is_infinite(app):
    options = {"logprobs": 1, "logprob_token_ids": list(range(384))}
    reply = post(app, "/v1/completions", model="fuse", prompt=PROMPT, max_tokens=1, **options)
    (row,) = reply["choices"][0]["logprobs"]["top_logprobs"]
    assert all(math.isfinite(value) for value in row.values())
    assert len(row) == 384
