"""Requests that cannot be read or honoured: each is refused in the shape of the protocol."""

import json
from pathlib import Path

import pytest
from asgi import call

from composer.serve.protocol.fields import OTHER_FIELDS

JSON = {"content-type": "application/json"}
CHAT = {"model": "fuse", "messages": [{"role": "user", "content": "2 + 2?"}]}
TEXT = {"model": "fuse", "prompt": "Q: 2 + 2?\nA:"}
ASKED = {"role": "user", "content": "2 + 2?"}
HALF = {"role": "assistant", "content": "\ud800"}
DEEP = json.loads('{"items": ' * 900 + "{}" + "}" * 900)

OF_CHATS = [
    {"temperature": 5},
    {"temperature": "hot"},
    {"temprature": 0.5},
    {"top_p": 0},
    {"stop": ["a"] * 10_000},
    {"stop": [""]},
    {"stop": 3},
    {"n": 10**9},
    {"seed": 1.5},
    {"seed": 10**30},
    {"max_tokens": 0},
    {"max_tokens": True},
    {"max_tokens": 1, "max_completion_tokens": 2},
    {"logit_bias": {"cat": 1}},
    {"logit_bias": {"5": 101}},
    {"top_logprobs": 3},
    {"logprob_token_ids": [5]},
    {"logprobs": 5},
    {"stream_options": {"include_usage": True}},
    {"stream": True, "stream_options": {"include_usge": True}},
    {"response_format": {"type": "xml"}},
    {"response_format": {"type": "json_schema"}},
    {"model": "fuze"},
    {"model": "\ud800"},
    {"messages": []},
    {"messages": "2 + 2?"},
    {"messages": [{"role": "tool", "content": "4"}]},
    {"messages": [{"role": "usr", "content": "2 + 2?"}]},
    {"messages": [{"role": "system", "content": "Be brief."}]},
    {"messages": [{"role": "user", "content": ""}]},
    {"messages": [{"role": "user", "content": None}]},
    {"messages": [{"role": "user", "content": "\ud800"}]},
    {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    {"messages": [{"role": "user", "content": "2", "nme": "Ada"}]},
    {"messages": [{"role": "user", "content": "2", "name": "Ada"}]},
    {"messages": [ASKED, {"role": "assistant", "content": "It is"}]},
    {"messages": [ASKED], "continue_final_message": True},
    {"messages": [ASKED, HALF], "continue_final_message": True},
    {"messages": [ASKED], "add_generation_prompt": False},
    {"min_tokens": 5, "max_tokens": 4},
    {"ignore_eos": True, "stop": "a", "max_tokens": 4},
    {"logprobs": True, "logprob_token_ids": [384]},
    {"logit_bias": {"384": 1}},
    {"logit_bias": {"5": 1}, "model": "mixed"},
    {"repetition_penalty": 1e-9},
    {"response_format": {"type": "json_object"}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": DEEP}}},
    {"tools": [{"type": "function"}]},
    {"best_of": 3},
    {"store": True},
]
OF_TOKENIZERS = [{"prompt": "\ud800"}, {"prompt": None}, {"prompt": "a", "messages": [ASKED]}]
OF_COMPLETIONS = [
    {"prompt": ""},
    {"prompt": []},
    {"prompt": ["a", ""]},
    {"prompt": ["a", 1]},
    {"prompt": [1, -1]},
    {"prompt": [1, 100_000]},
    {"prompt": {"text": "a"}},
    {"prompt": "\ud800"},
    {"max_tokens": 0},
    {"suffix": "end"},
    {"n": 128, "prompt": ["a"] * 100},
]


def test_what_is_wrong_with_a_request_is_told_in_plain_words(app, golden):
    lines = []
    for path, whole, changes in (
        ("/v1/chat/completions", CHAT, OF_CHATS),
        ("/v1/completions", TEXT, OF_COMPLETIONS),
        ("/tokenize", {"model": "alone"}, OF_TOKENIZERS),
    ):
        for change in changes:
            reply = call(app, "POST", path, {**whole, **change}, JSON)
            error = reply.error
            message = error["message"].encode("ascii", "backslashreplace").decode()
            assert error.keys() == {"message", "type", "param", "code"}
            shown = json.dumps(change)
            lines.append(shown if len(shown) < 80 else f"{shown[:60]}...")
            lines.append(f"  {reply.status} {error['code']} {error['param']}: {message}")
    golden(Path(__file__).parent / "golden" / "refusals.txt", "\n".join(lines))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b'{"seed":' + b"9" * 5000 + b"}"],
    ids=["empty", "cut", "list", "null", "deep", "bytes", "long number"],
)
def test_a_body_that_is_no_json_object_is_refused(app, body):
    reply = call(app, "POST", "/v1/chat/completions", body, JSON)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "E801", None)


def test_numbers_must_be_finite(app):
    body = json.dumps({**CHAT, "temperature": float("nan")}).encode()
    reply = call(app, "POST", "/v1/chat/completions", body, JSON)
    assert (reply.status, reply.error["param"]) == (400, "temperature")


def test_a_body_needs_its_header(app):
    for headers in ({}, {"content-type": "text/plain"}):
        body = json.dumps(CHAT).encode()
        reply = call(app, "POST", "/v1/chat/completions", body, headers)
        assert reply.status == 400
        assert "Content-Type: application/json" in reply.error["message"]


def test_a_field_with_its_neutral_value_asks_for_nothing(app):
    neutral = {name: field.neutral[0] for name, field in OTHER_FIELDS.items() if field.neutral}
    others = dict.fromkeys(OTHER_FIELDS.keys() - neutral.keys())
    free = {"user": "Ada", "metadata": {"a": "b"}, "service_tier": "auto"}
    body = {**CHAT, **neutral, **others, **free, "stop": None, "max_tokens": 2}
    assert call(app, "POST", "/v1/chat/completions", body, JSON).status == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["fuse", "vote"])
def test_a_prompt_beyond_the_context_has_its_status_also_in_a_stream(app, model, stream):
    messages = [{"role": "user", "content": "two " * 2000}]
    body = {"model": model, "messages": messages, "stream": stream}
    reply = call(app, "POST", "/v1/chat/completions", body, JSON)
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
    assert "maximum context length" in reply.error["message"]


def test_media_reach_no_model_that_reads_only_text(app):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "What is this?"}, image]
    body = {"model": "fuse", "messages": [{"role": "user", "content": content}]}
    reply = call(app, "POST", "/v1/chat/completions", body, JSON)
    assert (reply.status, reply.error["code"]) == (400, "E722")
