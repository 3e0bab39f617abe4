"""Small tokenizers, each with one thing that a text in the middle must not meet."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.checkpoints.token_bytes import ALPHABET
from composer.checkpoints.tokenization import cover
from composer.checkpoints.vocabulary import Vocabulary
from composer.values import ModelError

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
BYTE_LEVEL |= {"use_regex": True}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}


def tokenizer(names, *, merges=(), added=(), model=None, **parts):
    from tokenizers import Tokenizer

    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    tokens = [{"id": i, "content": c, **dict.fromkeys(flags, False), **f} for i, c, f in added]
    own = {"type": "BPE", "vocab": {n: i for i, n in enumerate(names)}, "merges": list(merges)}
    content = {"version": "1.0", "added_tokens": tokens, **parts, "model": own | (model or {})}
    return Tokenizer.from_str(json.dumps(content))


def byte_level(more=(), merges=(), **rest):
    parts = {"pre_tokenizer": BYTE_LEVEL, "decoder": BYTE_LEVEL} | rest
    return tokenizer([*ALPHABET, *more], merges=merges, **parts)


def sentencepiece(more=(), merges=(), **rest):
    parts = {"pre_tokenizer": METASPACE, "decoder": METASPACE} | rest
    fallback = {"byte_fallback": True, "unk_token": "<unk>"}
    return tokenizer(["<unk>", *BYTES, *more], merges=merges, model=fallback, **parts)


def plain(*names, **rest):
    return Vocabulary(tokenizer(names, **rest), "Anna")


def test_nothing_is_put_before_a_piece():
    begun = {**BYTE_LEVEL, "add_prefix_space": True}
    words = Vocabulary(byte_level(["Ġa"], [("Ġ", "a")], pre_tokenizer=begun))
    assert words.encode("a") == [256]
    assert words.extend(b"a") == (ord("a"),)
    assert words.extend(b" a") == (256,)
    assert words.dummy == b" "


def test_metaspace_puts_none_before_a_piece_either():
    words = Vocabulary(sentencepiece(["▁", "a", "▁a"], [("▁", "a")]))
    assert words.encode("a") == [259]
    assert words.begin("a") == [259]
    assert words.bytes_of([259], first=True) == b"a"
    assert words.extend(b"a") == (258,)
    assert words.bytes_of(words.begin(" a"), first=True) == b" a"


def test_a_written_metaspace_is_no_space():
    words = Vocabulary(sentencepiece(["▁", "a"]))
    assert words.extend("a▁ a".encode()) == (258, 1 + 0xE2, 1 + 0x96, 1 + 0x81, 257, 258)


def test_names_that_look_like_bytes_are_text_without_byte_fallback():
    words = plain("<0x41>", "<0xGG>", "a", decoder=METASPACE)
    assert words.pieces == [b"<0x41>", b"<0xGG>", b"a"]
    assert words.lone == frozenset()
    lone = Vocabulary(sentencepiece(["<0xGG>"]))
    assert lone.pieces[257] == b"<0xGG>"
    assert len(lone.lone) == 256


def test_normalizers_change_no_piece():
    words = Vocabulary(byte_level(normalizer={"type": "Lowercase"}))
    assert words.bytes_of(words.encode("A")) == b"a"
    assert words.bytes_of(words.extend(b"A")) == b"A"
    assert words.bytes_of(words.begin("A"), first=True) == b"A"


def test_added_tokens_are_text_unless_special():
    added = [(256, "<b>", {"special": True}), (257, "<a>", {}), (258, "x y", {"lstrip": True})]
    words = Vocabulary(byte_level(added=added))
    assert words.extend(b"<a>  x y") == (257, 32, 32, 258)
    assert words.encode("  x y") == [258]
    assert words.pieces[256:] == [None, b"<a>", b"x y"]
    assert len(words.extend(b"<b>")) == 3
    assert words.bytes_of(words.extend(b"<b>")) == b"<b>"


def test_an_added_token_that_ends_is_never_written():
    added = [(256, "<end>", {})]
    assert Vocabulary(byte_level(added=added)).extend(b"<end>") == (256,)
    words = Vocabulary(byte_level(added=added), ends=[256, 3])
    assert words.special == {256}
    assert len(words.extend(b"<end>")) == 5
    assert words.extend(b"\3") == (3,)


def test_the_unknown_token_stands_for_nothing():
    words = Vocabulary(tokenizer(["?", "a"], model={"unk_token": "?"}))
    assert words.pieces == [None, b"a"]
    assert words.extend(b"aa") == (1, 1)
    with pytest.raises(ModelError, match="no tokens for the bytes 3F"):
        words.extend(b"a?")


def test_a_piece_is_written_as_the_tokenizer_itself_does():
    added = [(257, "  ", {})]
    words = Vocabulary(byte_level(["ĠĠ"], [("Ġ", "Ġ")], added=added))
    assert words.pieces[256:] == [b"  ", b"  "]
    assert words.encode("  ") == [257]
    assert words.ids[b"  "] == 257
    assert words.extend(b"  ") == (257,)


def test_a_text_is_not_cut_short():
    cutting = byte_level()
    cutting.enable_truncation(2)
    cutting.enable_padding(length=9)
    assert len(Vocabulary(cutting).encode("abcdef")) == 6


def test_what_cannot_be_written_is_told():
    words = plain("ab", "a", "bc")
    assert words.extend(b"abc") == (1, 2)
    assert words.writes(b"abbc")
    assert not words.writes(b"abb")
    assert words.writes(b"")
    with pytest.raises(ModelError, match=r"Anna has no tokens for the bytes 7A of b'az'") as told:
        words.extend(b"az")
    assert told.value.code == "E711"
    with pytest.raises(ModelError, match="for the bytes 62 63 of b'bc'"):
        plain("abc", "ab").extend(b"bc")


@pytest.mark.parametrize("mark", [{"continuing_subword_prefix": "##"}, {"end_of_word_suffix": "@"}])
def test_a_tokenizer_that_marks_parts_of_words_is_refused(mark):
    with pytest.raises(ModelError, match="the tokenizer of Anna marks parts of words") as told:
        plain("a", "b", model=mark)
    assert told.value.code == "E505"


def test_half_characters_on_both_sides_are_cut_apart_from_words():
    words = Vocabulary(byte_level(["Ġa"], [("Ġ", "a")]))
    broken = "é".encode()[1:] + b" a a" + "é".encode()[:1]
    assert words.extend(broken) == (broken[0], 256, 256, broken[-1])


TABLE = st.sets(st.binary(min_size=1, max_size=3), max_size=8)


@given(table=TABLE, parts=st.lists(st.integers(0, 7), max_size=6))
def test_whatever_tokens_spell_can_be_covered(table, parts):
    tokens = sorted(table)
    piece = b"".join(tokens[n % len(tokens)] for n in parts) if tokens else b""
    ids = {token: n for n, token in enumerate(tokens)}
    found = cover(piece, ids, 3)
    assert found is not None
    assert b"".join(tokens[n] for n in found) == piece


@given(piece=st.text("abc", max_size=6).map(str.encode))
def test_what_no_tokens_spell_is_not_covered(piece):
    ids = {b"ab": 0, b"ca": 1, b"c": 2}
    reached = {b""}
    for _ in piece:
        reached |= {head + token for head in reached for token in ids}
    assert (cover(piece, ids, 2) is not None) == (piece in reached)
