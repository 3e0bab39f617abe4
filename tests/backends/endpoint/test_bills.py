"""What a request can cost at most, and what a reply says that it took."""

import pytest

from composer.backends.endpoint.transport.bills import most, reported
from composer.values.bounds import OVERHEAD, PART_TOKENS
from composer.values.results import Usage

IMAGE = {"type": "image_url", "image_url": {"url": "data:x"}}
TEXT = {"type": "text", "text": "tell"}
SCHEMA = {"type": "json_schema"}


@pytest.mark.parametrize(
    ("body", "read", "written"),
    [
        ({"prompt": "four", "max_tokens": 7}, 4 + OVERHEAD, 7),
        ({"prompt": "äö"}, 4 + OVERHEAD, 16),
        ({"prompt": ["a", "bc"], "max_tokens": 7}, 3 + 2 * OVERHEAD, 14),
        ({"prompt": [5, 6, 7], "max_tokens": 1}, 3, 1),
        ({"prompt": [[5, 6, 7], [8]], "max_tokens": 1}, 4, 2),
        ({"prompt": "a", "max_tokens": 7, "n": 3}, 1 + OVERHEAD, 21),
        ({"prompt": "a", "max_tokens": 0, "echo": True}, 1 + OVERHEAD, 0),
        ({"input": ["a", "bc"]}, 3 + 2 * OVERHEAD, 0),
        (
            {"messages": [{"content": "ab"}, {"content": "cd"}], "max_completion_tokens": 5},
            4 + OVERHEAD,
            5,
        ),
        (
            {"messages": [{"content": [TEXT, IMAGE]}], "max_tokens": 5},
            4 + PART_TOKENS + OVERHEAD,
            5,
        ),
        ({"prompt": "a", "max_tokens": 1, "response_format": SCHEMA}, 1 + 23 + OVERHEAD, 1),
    ],
)
def test_the_most_that_a_request_can_cost(body, read, written):
    assert most(body, (10.0, 100.0)).cost == pytest.approx((10 * read + 100 * written) / 1e6)


def test_an_unknown_price_is_an_unpriced_call():
    assert most({"prompt": "a"}, None) == Usage(calls=1, unpriced=1)


def test_what_a_reply_says():
    reply = {"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
    assert reported(reply, (10.0, 100.0)) == Usage(1, 3, 2, 230e-6)
    assert reported({"usage": {"prompt_tokens": 3}}, (10.0, 100.0)) == Usage(1, 3, 0, 30e-6)


@pytest.mark.parametrize("usage", [None, {}, "many", {"prompt_tokens": "3"}, {"total_tokens": 4}])
def test_what_a_reply_does_not_say(usage):
    assert reported({"usage": usage}, (10.0, 100.0)) is None
