"""When a request is put again: as the server wishes, else after growing waits."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from composer.backends.endpoint.transport.retry import FIRST, LONGEST, backoff, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "later"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
    ],
)
def test_what_a_server_wishes(headers, seconds):
    assert retry_after(headers) == seconds


def test_a_date_is_the_seconds_until_then():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 28 < retry_after({"retry-after": date}) <= 30


@pytest.mark.parametrize("failures", [1, 2, 5, 9, 60])
def test_waits_grow_up_to_a_longest_one_and_are_not_equal(failures):
    longest = min(LONGEST, FIRST * 2 ** (failures - 1))
    waits = [backoff(failures) for _ in range(50)]
    assert all(longest / 2 <= wait <= longest for wait in waits)
    assert len(set(waits)) > 1
