"""Errors of runs and of the server, in the shape of the protocol."""

import json

import pytest

from composer.run.result import FailedBranch, Failure, Result
from composer.serve.errors import ProtocolError, error_of
from composer.values.errors import ModelError


@pytest.mark.parametrize(
    ("error", "status", "type_"),
    [
        (Failure("E721", "asked by itself", "use another address"), 508, "api_error"),
        (ModelError("E722", "reads only text"), 400, "invalid_request_error"),
        (Failure("E407", "the step cannot", "leave it out"), 400, "invalid_request_error"),
        (Failure("E702", "no answer in time"), 504, "timeout_error"),
        (Failure("E701", "a member failed"), 502, "api_error"),
        (Failure("E707", "closed"), 503, "overloaded_error"),
        (ProtocolError("E802", "no such model", param="model"), 404, "not_found_error"),
        (ProtocolError("E805", "busy", headers={"Retry-After": "2"}), 429, "rate_limit_error"),
    ],
)
def test_each_code_has_its_status(error, status, type_):
    refusal = error_of(error)
    assert (refusal.status, refusal.type, refusal.code) == (status, type_, error.code)
    body = json.loads(refusal.body)
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert refusal.event == b"data: " + refusal.body + b"\n\n"


def test_a_prompt_beyond_the_context_has_the_code_that_clients_look_for():
    refusal = error_of(Failure("E703", "the prompt has 900 tokens"), "prompt")
    assert (refusal.status, refusal.code, refusal.param) == (
        400,
        "context_length_exceeded",
        "prompt",
    )
    assert "[E703] This model's maximum context length is exceeded" in refusal.message


@pytest.mark.parametrize(
    ("branches", "status"),
    [
        (["[E703] long"] * 2, 400),
        (["[E703] long", "[E701] broke"], 502),
        (["[E703] long", "[E716] 2 of 3 branches failed", "[E703] long"], 400),
        (["[E716] 2 of 3 branches failed"], 502),
    ],
)
def test_branches_that_fail_alike_are_the_reason(branches, status):
    failure = Failure("E716", "all 2 branches failed")
    failed = tuple(FailedBranch("bank", str(at), why) for at, why in enumerate(branches))
    failure.result = Result("0", "?", None, failed=failed)
    assert error_of(failure).status == status


def test_what_nobody_foresaw_is_told_without_its_text():
    refusal = error_of(ZeroDivisionError("at /home/me"))
    assert (refusal.status, refusal.code) == (500, "E809")
    assert "ZeroDivisionError" in refusal.message
    assert "/home" not in refusal.message


def test_a_client_does_not_try_again_where_that_cannot_help():
    assert error_of(ModelError("E721", "asked by itself")).headers == {"X-Should-Retry": "false"}
    assert error_of(ModelError("E701", "a member failed")).headers == {}
