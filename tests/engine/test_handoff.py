"""Handing an answer over: the first member's own text, then the expert's own continuation."""

import itertools

import pytest
from fusing import UNION, Part, TokenFuse

from composer.specs import Handoff
from composer.values import ModelError

TEXT = "Once upon a time"


def doubt(**options):
    return Part("handover.doubt", tuple(options.items()))


@pytest.fixture(scope="module")
def pair(whole):
    return whole("stories"), whole("shakespeare")


def test_without_doubt_the_first_member_writes_all(pair, write):
    made = write(Handoff(pair, ("a", "b"), doubt(below=1e-9, window=1)), TEXT)
    assert made.text == write(pair[0], TEXT).text
    assert set(made.usage) == {"a"}


def test_in_doubt_the_expert_goes_on_from_the_text(pair, write):
    alone = write(pair[0], TEXT, max_tokens=40)
    made = write(Handoff(pair, ("a", "b"), doubt(below=0.5, window=3)), TEXT, max_tokens=40)
    first, rest = made.spans
    assert (first.winner, rest.winner) == ("a", "b")
    assert alone.text.startswith(first.text)
    count = made.usage["a"].completion_tokens
    assert 0 < count < 40
    expert = write(pair[1], TEXT, prefix=first.text, max_tokens=40 - count)
    assert rest.text == expert.text
    assert made.text == first.text + rest.text


def test_over_unlike_tokenizers_and_streamed(whole, write):
    pieces = []
    fuse = Handoff((whole("stories"), whole("rwkv")), ("a", "b"), doubt(below=0.5, window=3))
    made = write(fuse, TEXT, max_tokens=48, on_text=pieces.append)
    assert "".join(pieces) == made.text
    assert [span.winner for span in made.spans] == ["a", "b"]


def test_a_stop_string_may_lie_across_the_seam(pair, write):
    fuse = Handoff(pair, ("a", "b"), doubt(below=0.5, window=3))
    whole = write(fuse, TEXT, max_tokens=40)
    seam = len(whole.spans[0].text)
    across = whole.text[seam - 2 : seam + 2]
    made = write(fuse, TEXT, max_tokens=40, stop=(across,))
    assert made.finish == "stop"
    assert made.text == whole.text[: whole.text.find(across)]


def test_special_tokens_name_the_expert(pair, plain, write):
    vocabulary = plain(pair[0]).local.tokenizer.get_vocab()
    names = {i: name for name, i in vocabulary.items()}
    alone = write(pair[0], TEXT)
    ids = plain(pair[0]).local.vocabulary.extend(alone.text.encode())
    when = Part("handover.expert_tokens", (("tokens", (names[ids[5]],)),))
    made = write(Handoff(pair, ("a", "b"), when), TEXT)
    first = plain(pair[0]).local.vocabulary.bytes_of(ids[: ids.index(ids[5])])
    assert made.spans[0].text.encode() == first
    assert made.spans[1].winner == "b"


def test_a_token_that_is_not_there_is_an_error(pair, write):
    when = Part("handover.expert_tokens", (("tokens", ("<maths>",)),))
    with pytest.raises(ModelError, match="<maths>"):
        write(Handoff(pair, ("a", "b"), when), TEXT)


def handing_over_by(token):
    return Part("handover.expert_tokens", (("tokens", (token,)),))


def test_a_fuse_that_writes_first_hands_over_at_the_entry_its_token_means(whole, plain, write):
    stories = whole("stories")
    first = TokenFuse((stories, whole("rwkv")), ("x", "y"), align=UNION)
    alone = write(first, TEXT)
    vocabulary = plain(stories).local.vocabulary
    names = {i: name for name, i in plain(stories).local.tokenizer.get_vocab().items()}
    piece = alone.tokens[4]
    name = names[vocabulary.ids[piece.encode()]]
    made = write(Handoff((first, stories), ("a", "b"), handing_over_by(name)), TEXT)
    assert made.spans[0].text == "".join(alone.tokens[: alone.tokens.index(piece)])
    assert made.spans[1].winner == "b"


def test_a_token_that_a_fuse_never_writes_is_an_error(whole, write):
    first = TokenFuse((whole("stories"), whole("rwkv")), ("x", "y"), align=UNION)
    fuse = Handoff((first, whole("stories")), ("a", "b"), handing_over_by("<unk>"))
    with pytest.raises(ModelError, match="cannot write the token `<unk>` of x") as error:
        write(fuse, TEXT)
    assert error.value.code == "E402"


def test_doubt_knows_one_expert_only(pair, write):
    with pytest.raises(ModelError, match="chooses among 1 expert, but `handoff` has 2"):
        write(Handoff((*pair, pair[0]), ("a", "b", "c"), doubt()), TEXT)


@pytest.fixture
def spelt(monkeypatch):
    """Let every entry of a model stand for some bytes, one after another: `spelt(group, text)`."""

    def spell(group, text):
        pieces = (text[n : n + 1] for n in itertools.count())
        monkeypatch.setattr(group, "piece", lambda _: next(pieces))

    return spell


def test_half_a_character_is_not_handed_over(engine, whole, write, spelt):
    pair = whole("rwkv"), whole("stories")
    spelt(engine._group(pair[0]), "aé!".encode())
    fuse = Handoff(pair, ("a", "b"), doubt(below=1.0, window=3))  # in doubt inside of é
    made = write(fuse, TEXT, max_tokens=12)
    assert [span.winner for span in made.spans] == ["a", "b"]
    assert made.spans[0].text == "aé"
    assert made.spans[1].text == write(pair[1], TEXT, prefix="aé", max_tokens=9).text


def test_an_answer_that_ends_inside_a_character_has_no_second_span(engine, whole, write, spelt):
    pair = whole("rwkv"), whole("stories")
    spelt(engine._group(pair[0]), "é".encode())
    made = write(Handoff(pair, ("a", "b"), doubt(below=1.0, window=2)), TEXT, max_tokens=2)
    assert len(made.spans) == 1
