"""Where a span ends: texts cut by hand, and any text in any tokens."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from composer.engine.sessions.span_parts import SpanText
from composer.methods.spans.adaptive import Margin
from composer.methods.spans.boundaries import Punctuation, Sentence, Tokens, Words
from composer.methods.spans.common import Common
from composer.values import ModelError

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


def pieces(text, boundary, tokens=None, margins=None):
    """Cut a text into spans as a member does that writes it in tokens, by default characters."""
    left = [each.encode() for each in tokens or text]
    unsure = list(margins or [None] * len(left))
    spans, before = [], ""
    while left:
        span, kept = SpanText(before), None
        for token, margin in zip(left, unsure, strict=True):
            span.add(token, margin)
            kept = span.cut(boundary)
            if kept is not None:
                break
        kept = len(left) if kept is None else kept
        spans.append(b"".join(left[:kept]).decode(errors="surrogateescape"))
        before += spans[-1]
        left, unsure = left[kept:], unsure[kept:]
    return spans


def cut(text, boundary, **how):
    return "|".join(pieces(text, boundary, **how))


@pytest.mark.parametrize(
    "text",
    [
        "Don't| stop:| it's| 3.14,| 1,000| -| or| \"more\"!",
        "  def| f(x):|\n    return| x|\n\n\n#| end",
        "我|们|爱|Python|编|程\uff0c|「世|界」。|好",
        "第|3|章| カタカナ|と|ひ|ら|が|な|の|テキスト。",
        "ภาษาไทย| ง่าย| มาก",
        "cafe\u0301| nai\u0308ve| e\u0301",
        f"hi| {FAMILY}| there| \U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7|\r\nend",
        f"世{FAMILY}|界|x",
        "한국어| 문장| 이다",
        "नमस्ते| दुनिया",
        "foo(bar)| \uff08世|界\uff09|abc|「世」.",
    ],
)
def test_words_as_people_write_them(text):
    assert cut(text.replace("|", ""), Words()) == text


def test_several_words():
    assert cut("one two  three four\nfive", Words(n=2)) == "one two|  three four|\nfive"


@pytest.mark.parametrize(
    "text",
    [
        'It is 3.14.| No?!| "Yes."| He said so.',
        "Dr. Who met J. Smith.| They ate.",
        "1. Wash it.| 2. Dry it...| Then|\n rest",
        "one line|\n  another one|\n\nEnd.| No",
        "今天好。|明天呢\uff1f|好",
        "He did, e.g. this. and that.| Now",
    ],
)
def test_sentences(text):
    assert cut(text.replace("|", ""), Sentence()) == text


def test_two_sentences():
    text = "A cat. Bees buzz.| Cows moo. Dogs."
    assert cut(text.replace("|", ""), Sentence(n=2)) == text


def test_punctuation_ends_a_span_but_not_inside_a_number():
    text = "In 1,000 years,| it is 3.5;| (see)| it's -| ok|\nend"
    assert cut(text.replace("|", ""), Punctuation()) == text


def test_tokens_go_on_to_a_whole_character():
    tokens = ["a", "e", "\u0301", "b", "c"]
    assert pieces("", Tokens(n=2), tokens) == ["ae\u0301", "bc"]
    assert pieces("", Tokens(n=1), tokens) == ["a", "e\u0301", "b", "c"]


def test_tokens_may_be_trimmed_to_whole_words():
    tokens = [" he", "llo", " wor", "ld", " a", " b"]
    whole = Tokens(n=3, whole_words=True)
    assert pieces("", whole, tokens) == [" hello", " world a", " b"]
    assert pieces("", Tokens(n=2, whole_words=True), ["ab", "cd", "ef", "gh"]) == ["abcd", "efgh"]


def test_an_end_inside_a_token_is_moved_behind_it():
    assert pieces("", Words(), ["one", ".\n", "two", " three"]) == ["one.\n", "two", " three"]
    assert pieces("", Words(), ["世界", "你", "好"]) == ["世界", "你", "好"]


def test_a_sure_writer_writes_up_to_three_words():
    tokens = [" a", " b", " c", " d", " e", " f"]
    margins = [0.1, 0.9, 0.9, 0.9, 0.7, 0.6]
    assert pieces("", Margin(), tokens, margins) == [" a b c", " d e", " f"]
    assert pieces("", Margin(below=0.95), tokens, margins) == tokens
    assert pieces("", Margin(most=1), tokens, margins) == tokens


def test_a_margin_that_nobody_tells_is_an_error():
    with pytest.raises(ModelError, match="how sure a member was") as error:
        pieces("", Margin(), [" a", " b"])
    assert error.value.code == "E302"


class Cutting:
    """A tokenizer that cuts each of some words in a way of its own."""

    fingerprint = "other"

    def __init__(self, *words, writes=True):
        self.words, self.able = words, writes

    def writes(self, piece):
        del piece
        return self.able

    def extend(self, piece):
        text, tokens = piece.decode(), []
        while text:
            token = next((w for w in self.words if text.startswith(w)), text[0])
            tokens.append(token)
            text = text.removeprefix(token)
        return tuple(tokens)

    def piece(self, token):
        return token.encode()


@pytest.mark.parametrize(
    ("tokens", "others", "expected"),
    [
        ([" un", "do", " it"], [], [" un", "do", " it"]),
        ([" un", "do", " it"], [(" undo", " it")], [" undo", " it"]),
        ([" un", "do", " it"], [(" un", "do")], [" un", "do", " it"]),
        ([" un", "do", " it"], [(" un", "do", " it"), (" undo",)], [" undo", " it"]),
        ([" a", " b", " c"], [(" a", " b", " c")], [" a", " b", " c"]),
    ],
)
def test_a_common_piece_ends_where_tokens_of_all_members_end(tokens, others, expected):
    assert common(tokens, others) == expected


def common(tokens, others, **options):
    splitters, spans, left = [Cutting(*words) for words in others], [], list(tokens)
    while left:
        span, kept = SpanText("", splitters), None
        for token in left:
            span.add(token.encode())
            kept = kept or span.cut(Common(**options))
        kept = kept or len(left)
        spans.append("".join(left[:kept]))
        left = left[kept:]
    return spans


def test_two_common_pieces():
    assert common([" a", " b", " c", " d"], [(" a", " b", " c", " d")], n=2) == [" a b", " c d"]


def test_a_tokenizer_that_cannot_write_the_text_is_left_to_the_scores():
    span = SpanText("", [Cutting(" undo", writes=False)])
    for token in (" un", "do"):
        span.add(token.encode())
    assert span.cut(Common()) == 1


TRIMMED = Tokens(n=3, whole_words=True)
BOUNDARIES = [
    Words(),
    Words(n=3),
    Tokens(n=2),
    TRIMMED,
    Sentence(),
    Punctuation(),
    Margin(),
    Common(),
]
CHARACTERS = "ab .,\n\r(「」。世界かカー\u0301\u200d\U0001f468\U0001f1e9กิ3'é"
WRITING = st.text(st.sampled_from(CHARACTERS), max_size=24)


@given(WRITING, st.sampled_from(BOUNDARIES), st.lists(st.integers(1, 5), max_size=30))
def test_spans_join_to_the_text_and_cut_no_character(text, boundary, sizes):
    data, tokens = text.encode(), []
    for size in [*sizes, *[3] * len(data)]:
        tokens.append(data[:size])
        data = data[size:]
    tokens = [token for token in tokens if token]
    spans, left = [], tokens
    while left:
        span, kept = SpanText("".join(spans)), None
        for token in left:
            span.add(token, 0.5)
            kept = kept or span.cut(boundary)
        kept = kept or len(left)
        spans.append(b"".join(left[:kept]).decode())  # fails in the middle of a code point
        left = left[kept:]
    assert "".join(spans) == text
    starts = {found.start() for found in regex.finditer(r"\X", text)}
    place = 0
    for span in spans[:-1]:
        place += len(span)
        assert place in starts
