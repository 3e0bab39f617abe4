"""`compose run` answers batch files as a server answers their requests."""

import json
from pathlib import Path

import openai.types
import pytest
from openai.types.responses import Response

from composer.cli import main

FUSED = 'use "zoo.ens" (general, general_2)\ntoken_fuse(general, general_2)\n'
QUESTION = "What is 17 plus 25?"
CHAT = {"messages": [{"role": "user", "content": QUESTION}]}


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Answer requests; give the exit status, the lines of the output by id, and what is said."""
    monkeypatch.chdir(tmp_path)

    def call(*requests, recipe=FUSED, more=()):
        Path("r.ens").write_text(recipe)
        Path("b.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in requests))
        with pytest.raises(SystemExit) as caught:
            main(["run", "r.ens", "--input", "b.jsonl", "--output", "a.jsonl", *more])
        lines = Path("a.jsonl").read_text().splitlines() if Path("a.jsonl").exists() else []
        rows = {row["custom_id"]: row for row in map(json.loads, lines)}
        return caught.value.code, rows, capfd.readouterr().err

    return call


def request(name, body, url="/v1/chat/completions"):
    return {"custom_id": name, "method": "POST", "url": url, "body": {"model": "gpt", **body}}


def test_requests_of_three_addresses_get_replies_in_their_forms(run):
    code, rows, err = run(
        request("chat", CHAT | {"logprobs": True, "top_logprobs": 2, "max_completion_tokens": 8}),
        request(
            "two", {"prompt": [f"Q: {QUESTION}\nA:", [1, 2]], "max_tokens": 1}, "/v1/completions"
        ),
        request("response", {"input": QUESTION, "instructions": None}, "/v1/responses"),
    )
    assert (code, "W508" in err) == (0, False)
    replies = {name: row["response"]["body"] for name, row in rows.items()}
    chat = openai.types.chat.ChatCompletion.model_validate(replies["chat"])
    assert chat.choices[0].message.content.strip() == "42"
    assert len(chat.choices[0].logprobs.content[0].top_logprobs) == 2
    two = openai.types.Completion.model_validate(replies["two"])
    assert [each.finish_reason for each in two.choices] == ["length", "length"]
    assert Response.model_validate(replies["response"]).output_text.strip() == "42"
    assert all(row["response"]["status_code"] == 200 for row in rows.values())
    assert "E706" in run(request("chat", CHAT))[2]  # it asks something else now


@pytest.mark.parametrize("field", ["n", "messages", "max_tokens"])
def test_a_field_of_chats_is_refused_for_responses(run, field):
    body = {"input": QUESTION, field: 2}
    code, _, err = run(request("one", body, "/v1/responses"))
    assert (code, f"have no field `{field}`" in err) == (1, True)


def test_options_of_a_line_hold_for_that_line(run):
    _, rows, _ = run(
        request("greedy", CHAT),
        request("short", CHAT | {"max_tokens": 1}),
        request("drawn", CHAT | {"n": 3, "temperature": 2.0, "seed": 5}),
    )
    answers = {
        name: [each["message"]["content"] for each in row["response"]["body"]["choices"]]
        for name, row in rows.items()
    }
    assert answers["greedy"] == [" 42"]
    assert answers["short"] == [" "]
    assert len(set(answers["drawn"])) > 1
    told = rows["drawn"]["response"]["body"]["ensemble"]["answers"]
    assert [each["seed"] for each in told] == [5, 6, 7]


def test_equal_requests_are_drawn_by_their_ids_and_by_a_seed_alike(run):
    hot = CHAT | {"temperature": 2.0}
    numbers = range(4)
    plain = [request(f"plain{at}", hot) for at in numbers]
    seeded = [request(f"seeded{at}", hot | {"seed": 3}) for at in numbers]
    _, rows, _ = run(*plain, *seeded)
    texts = {name: row["response"]["body"]["choices"][0]["message"] for name, row in rows.items()}
    assert len({texts[f"plain{at}"]["content"] for at in numbers}) > 1
    assert len({texts[f"seeded{at}"]["content"] for at in numbers}) == 1


def test_an_id_may_not_be_that_of_a_further_answer(run):
    code, rows, err = run(request("1", CHAT | {"n": 2}), request("1#2", CHAT))
    assert (code, rows) == (1, {})
    assert "the id `1#2` is also that of a further answer" in err


def test_a_run_goes_on_where_it_stopped(run):
    requests = [request("1", CHAT), request("2", CHAT | {"n": 2, "seed": 1})]
    run(*requests[:1])
    assert "1 already answered, 1 to go" in run(*requests)[2]
    assert "2 already answered, 0 to go" in run(*requests)[2]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"tools": [{"type": "function"}]}, "line 2: `tools` is not honoured"),
        ({"stream": True}, "line 2: `stream` is not honoured: a batch has no streams"),
        ({"temperatur": 1}, "line 2: there is no field `temperatur` here"),
        ({"temperature": "hot"}, "line 2: `temperature` must be a number"),
        ({"messages": []}, "line 2: `messages`"),
    ],
)
def test_what_a_batch_cannot_have_is_told_before_anything_is_asked(run, body, message):
    code, rows, err = run(request("1", CHAT), request("2", CHAT | body))
    assert (code, rows) == (1, {})
    assert f"b.jsonl, {message}" in err


def test_what_a_recipe_cannot_honour_is_told_before_anything_is_asked(run):
    voting = 'use "zoo.ens" (general)\nsample(general, 3) -> vote()\n'
    code, rows, err = run(
        request("1", CHAT), request("2", CHAT | {"temperature": 0}), recipe=voting
    )
    assert (code, rows) == (1, {})
    assert "the request `2` cannot be honoured" in err
    assert "`temperature" in err


def test_a_request_that_fails_has_an_error(run):
    code, rows, _ = run(request("1", CHAT), recipe="model A = fake(fails = true)\nA\n")
    assert code == 3
    assert rows["1"]["response"] is None
    assert rows["1"]["error"]["code"].startswith("E7")
