"""The small server of the tests gives what its model gives, in the shapes of vLLM."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
import torch
from small_server import serving
from transformers import AutoModelForCausalLM, AutoTokenizer

from composer import zoo

FOLDER = zoo.folder("general-1")
QUESTION = "Q: What is 3+4?\nA:"


class Asking:
    def __init__(self, url, http):
        self.url, self.http = url, http

    def post(self, path, status=200, **body):
        answer = self.http.post(self.url + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def complete(self, prompt=QUESTION, **options):
        return self.post("/completions", **{"prompt": prompt, "temperature": 0} | options)

    def stats(self):
        return self.http.get(self.url.replace("/v1", "/stats")).json()

    def forget(self):
        self.http.delete(self.url.replace("/v1", "/stats"))


@contextlib.contextmanager
def asking(**options):
    with serving(FOLDER, **options) as url, httpx2.Client(timeout=60) as http:
        yield Asking(url, http)


@pytest.fixture(scope="module")
def whole():
    with asking(price=(2.0, 8.0)) as server:
        yield server


@pytest.fixture(scope="module")
def local():
    module = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()
    return module, AutoTokenizer.from_pretrained(FOLDER)


@torch.no_grad()
def scores(local, ids):
    return local[0](torch.tensor([ids])).logits[0].log_softmax(-1)


def test_it_writes_and_scores_what_the_model_does(whole, local):
    ids = local[1](QUESTION)["input_ids"]
    (choice,) = whole.complete(logprobs=20, max_tokens=8, return_tokens_as_token_ids=True)[
        "choices"
    ]
    logprobs = choice["logprobs"]
    for name, score, top in zip(
        logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True
    ):
        truth = scores(local, ids)[-1]
        assert name == f"token_id:{truth.argmax()}"
        assert (
            score == top[name] == max(top.values()) == pytest.approx(float(truth.max()), abs=1e-5)
        )
        assert len(top) == 20
        for other, value in top.items():
            assert value == pytest.approx(float(truth[int(other[9:])]), abs=1e-4)
        ids.append(int(truth.argmax()))
    assert ids[-1] == local[0].config.eos_token_id
    assert choice["text"] == local[1].decode(ids).removeprefix(QUESTION).removesuffix("<eos>")
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", None)


def test_prompts_of_one_request_are_read_side_by_side_and_once(whole, local):
    prompts = [local[1](text)["input_ids"] for text in ("Q: 5+", "Q: Name a colour. ", "12")]
    whole.forget()
    for step in range(3):
        wanted = {"logprobs": 0, "logprob_token_ids": [7, 300]}
        answer = whole.complete(prompts, max_tokens=1, return_tokens_as_token_ids=True, **wanted)
        for prompt, choice in zip(prompts, answer["choices"], strict=True):
            truth = scores(local, prompt)[-1]
            (top,) = choice["logprobs"]["top_logprobs"]
            likeliest = int(truth.argmax())
            assert list(top) == [f"token_id:{token}" for token in (likeliest, 7, 300)]
            for name, value in top.items():
                assert value == pytest.approx(float(truth[int(name[9:])]), abs=1e-4)
            prompt.append(likeliest)
        cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        assert step == 0 or cached == answer["usage"]["prompt_tokens"] - len(prompts)
        assert whole.stats()["steps"] == step + 1
    stats = whole.stats()
    assert stats["prompts"] == stats["generated"] == 9
    billed = stats["prompt_tokens"] * 2 + stats["completion_tokens"] * 8
    assert stats["dollars"] == pytest.approx(billed / 1e6)


def test_it_scores_a_prompt_without_writing(whole, local):
    ids = local[1](QUESTION + " 7")["input_ids"]
    (choice,) = whole.complete(QUESTION + " 7", echo=True, max_tokens=0, logprobs=1)["choices"]
    first, *rest = choice["logprobs"]["token_logprobs"]
    truth = scores(local, ids)[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    assert choice["text"] == QUESTION + " 7"
    assert first is None
    assert rest == pytest.approx(truth.tolist(), abs=1e-4)


def test_a_chat_is_streamed_as_it_is_given_whole(whole):
    asked = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What is 3+4?"}]}],
        "temperature": 0.8,
        "seed": 3,
        "n": 2,
        "logprobs": True,
        "top_logprobs": 1,
        "max_tokens": 12,
        "stop": ["a"],
    }
    choices = whole.post("/chat/completions", **asked)["choices"]
    again = whole.post("/chat/completions", **asked)["choices"]
    assert [each["message"] for each in choices] == [each["message"] for each in again]
    stream = whole.http.post(
        whole.url + "/chat/completions",
        json=asked | {"stream": True, "stream_options": {"include_usage": True}},
    ).text
    *events, last = stream.removesuffix("\n\n").split("\n\n")
    assert last == "data: [DONE]"
    *chunks, end = [json.loads(event.removeprefix("data: ")) for event in events]
    for choice in choices:
        parts = [each["choices"][0] for each in chunks]
        parts = [each for each in parts if each["index"] == choice["index"]]
        assert "".join(each["delta"]["content"] for each in parts) == choice["message"]["content"]
        tokens = [
            token["token"]
            for each in parts
            if each["logprobs"]
            for token in each["logprobs"]["content"]
        ]
        assert tokens == [token["token"] for token in choice["logprobs"]["content"]]
        assert parts[-1]["finish_reason"] == choice["finish_reason"]
    assert end["choices"] == []
    assert end["usage"]["completion_tokens"] == sum(len(x["logprobs"]["content"]) for x in choices)


@pytest.mark.parametrize(
    "options",
    [
        {"logit_bias": {"300": 100}},
        {"repetition_penalty": 0.01},
        {"presence_penalty": -2, "frequency_penalty": -2},
        {"min_tokens": 12},
    ],
)
def test_options_of_sampling_change_a_greedy_answer(whole, options):
    plain, changed = (whole.complete(ignore_eos=True, **each)["choices"] for each in ({}, options))
    assert plain != changed


@pytest.mark.parametrize("options", [{"top_k": 1}, {"min_p": 1}, {"top_p": 0.0001}])
def test_the_narrowest_sampling_is_greedy(whole, options):
    drawn = whole.complete(temperature=2, n=3, **options)["choices"]
    (greedy,) = whole.complete()["choices"]
    assert {each["text"] for each in drawn} == {greedy["text"]}


def test_texts_are_embedded_one_by_one(whole):
    answer = whole.post("/embeddings", input=["one", "two", "one"])
    one, two, again = (each["embedding"] for each in answer["data"])
    assert one == again != two
    assert len(one) == 96


def test_what_is_too_much_is_refused(whole):
    for body, word in (
        ({"logprobs": 21}, "max allowed"),
        ({"logprob_token_ids": [1]}, "needs logprobs"),
        ({"max_tokens": 600}, "maximum context length"),
    ):
        error = whole.post("/completions", 400, prompt="a", **body)["error"]
        assert word in error["message"]
        assert error["code"] == 400
    assert whole.post("/completions", 404, prompt="a", model="x")["error"]["param"] == "model"


def test_a_lesser_server_ignores_or_refuses_what_it_lacks():
    lacks = "chosen_ids prompt_ids echo n ids batch usage stop"
    with asking(lacks=lacks, refuses="chat logprobs", key="k") as lesser:
        assert lesser.post("/completions", 401, prompt="a") == {"error": "Unauthorized"}
        lesser.http.headers["authorization"] = "Bearer k"
        answer = lesser.complete(["a", "b"], n=2, echo=True, max_tokens=3, stop=[" "])
        assert "usage" not in answer
        (choice,) = answer["choices"]
        assert choice["logprobs"] is None
        assert lesser.complete([[40, 41]], max_tokens=3) != answer
        for path, body in (
            ("/completions", {"prompt": "a", "logprobs": 1}),
            ("/chat/completions", {"messages": []}),
        ):
            assert lesser.post(path, 400, **body)["error"]["type"] == "BadRequestError"
        assert lesser.stats()["headers"][-1]["authorization"] == "Bearer k"


def test_a_step_of_all_takes_as_long_as_one():
    with asking(step_ms=40) as slow:
        slow.complete(["a", "b", "c"], max_tokens=2, ignore_eos=True)
        answer = slow.http.post(
            slow.url + "/completions",
            json={"prompt": ["a", "b", "c"], "max_tokens": 4, "ignore_eos": True},
        )
        assert 0.16 < answer.elapsed.total_seconds() < 0.4
        assert slow.stats()["steps"] == 6


@pytest.mark.slow
def test_the_command_prints_its_address():
    program = Path(__file__).parents[1] / "helpers" / "small_server.py"
    command = [sys.executable, program, "--model", FOLDER, "--lacks", "chat,n", "--name", "m"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        httpx2.Client(timeout=60) as http,
    ):
        server = Asking(process.stdout.readline().strip(), http)
        assert server.complete(model="m", max_tokens=2)["usage"]["completion_tokens"] == 2
        server.post("/chat/completions", 404, messages=[])
        process.terminate()
