"""Events of a run as the page reads them."""

import json
import math
from pathlib import Path

from composer.run.events import CallBegan, CallEnded, CallText, CallToken, StepBegan, StepEnded
from composer.serve.page.events import EventWriter, json_text
from composer.values import Usage
from composer.values.details import LikelyToken, MemberChoice, TokenChoice

GOLDEN = Path(__file__).parent / "golden" / "events.jsonl"


def _token(piece, logprob=-0.1234567, top=(), members=()):
    return CallToken("r1", 0, TokenChoice(LikelyToken(piece, logprob, 7), top, members), 0.5)


EVENTS = [
    StepBegan("r1", "generate", 0.0012345),
    CallBegan("r1", 0, "token_fuse(A, B)", "asked", 0.002),
    CallText("r1", 0, "<script>\u2028é", 0.1),
    _token(
        b" 42",
        top=(LikelyToken(b" 42", -0.1, 7), LikelyToken(b"\xe4", -2.5, 9), LikelyToken(b"", -3.0)),
        members=(
            MemberChoice("A", 0.75, -0.2, (LikelyToken(b" 42", -0.2),)),
            MemberChoice("B", 0.25, None),
        ),
    ),
    _token(b"\xe4\xbd"),
    _token(b"\xa0"),
    _token(b"", -math.inf, top=(LikelyToken(b"", -0.5), LikelyToken(b"no", -math.inf))),
    CallEnded("r1", 0, " 42你", 4, 0.6, {"A": Usage(1, 5, 4, 1e-5)}, finish="stop"),
    StepEnded("r1", 0.7, " 42你", {"weights": {"A": math.nan, "B": 1.0}}),
    StepEnded("r2", 0.8, error="[E701] a member failed"),
]


def test_events_are_written_as_the_page_reads_them(golden):
    writer = EventWriter()
    golden(GOLDEN, "\n".join(map(writer.write, EVENTS)))


def test_letters_of_several_tokens_are_put_together_in_each_call():
    writer = EventWriter()
    texts = [
        json.loads(writer.write(CallToken("r", call, TokenChoice(LikelyToken(piece, -1.0)), 0)))
        for call, piece in ((0, b"\xe4\xbd"), (1, b"\xf0\x9f"), (0, b"\xa0"), (1, b"\x98\x80"))
    ]
    assert [each["token"]["text"] for each in texts] == ["", "", "你", "😀"]
    assert [each["token"].get("bytes") for each in texts] == ["e4bd", "f09f", "a0", "9880"]


def test_what_json_has_no_number_for_is_null():
    assert json_text({"a": [math.inf, -math.inf, 1.5], "b": (math.nan,)}) == (
        '{"a":[null,null,1.5],"b":[null]}'
    )
