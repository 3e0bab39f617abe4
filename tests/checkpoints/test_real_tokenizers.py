"""Ten real tokenizers: what one writes, each other can go on with, byte for byte."""

import json
import random
import unicodedata
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published import FOLDER, SECONDS, there, vocabulary_of

from composer.checkpoints.vocabulary import Vocabulary, fingerprint
from composer.values import ModelError

DATA = Path(__file__).parents[3] / "shared" / "data"
NEOX = "pythia-gpt-neox-20b-original"
# each tokenizer, and the gold strings that are its own
GOLD = {
    "deepseek-coder": "deepseek-coder",
    "gpt2": "gpt-2",
    "llama2": "llama-spm",
    "llama3": "llama-bpe",
    "mistral-v1": None,
    "mpt": "mpt",
    "phi-3": "phi-3",
    NEOX: None,
    "qwen2": "qwen2",
    "starcoder2": "starcoder",
}
NEVER = {0xC0, 0xC1, *range(0xF5, 0x100)}  # in no UTF-8
LACKING = {"deepseek-coder": NEVER, "mpt": NEVER, NEOX: NEVER, "starcoder2": NEVER | {0xF1}}
SENTENCEPIECE = {"llama2", "mistral-v1", "phi-3"}
DOUBLE = 2 * 1024
PARTS = [
    *("  ", "    ", "\n", "\n\n", "\t", "\r\n", " ", "\u00a0", "\u3000", "\0", "\x7f", "\ufeff"),
    *(
        " the",
        "Hello",
        "'re",
        "12345",
        " naïve",
        "e\u0301",
        "ﬁ",
        "Å",
        "가",
        "한국",
        "你好",
        "日本語",
    ),
    *(
        "नमस्ते",
        "สวัสดี",
        "مرحبا",
        "\u200f",
        "👩\u200d👩\u200d👧",
        "🏳️\u200d🌈",
        "½",
        "→",
        "∑",
        "\U0001d518",
        "\U000e0041",
    ),
]
ROLES = ["▁", "▁▁x", "<s>", "</s>", "<unk>", "<0x41>", "<|endoftext|>", "<|im_end|>", "[PAD50300]"]
ROLES += ["õ", "ü", "Ġ", "Ċ", "<pad>", "<|EOT|>", "<|end|>", "\U00040000", "\U0010ffff"]


@pytest.fixture(scope="module")
def all_of_them():
    there()
    return {name: vocabulary_of(name) for name in GOLD}


def _folder(name):
    return FOLDER / name


def _texts(count, *, roles):
    """Draw strings of common, rare and any characters; with `roles`, names of tokens too."""
    chance = random.Random(count)  # the same strings in every run
    kinds = [lambda: chance.choice(PARTS), lambda: chr(chance.randrange(32, 127))]
    kinds += [lambda: chr(chance.randrange(DOUBLE)), lambda: _any(chance)]
    kinds += [lambda: chance.choice(ROLES)] if roles else []
    return [
        "".join(chance.choice(kinds)() for _ in range(chance.randrange(1, 12)))
        for _ in range(count)
    ]


def _any(chance):
    """Any character that Unicode may ever name, but not half of one, nor sentencepiece's space."""
    code = chance.choice([0x10000, 0x20000, 0x110000])
    found = chr(chance.randrange(code))
    return "x" if "\ud800" <= found <= "\udfff" or found == "▁" else found


def _begun(vocabulary, text):
    """Tokens of exactly this text, or None where the vocabulary lacks a byte of it."""
    if LACKING.get(vocabulary.name, set()).isdisjoint(text.encode()):
        return vocabulary.begin(text)
    with pytest.raises(ModelError, match=f"^{vocabulary.name} has no tokens for the bytes"):
        vocabulary.begin(text)
    return None


def _carried(one, other, ids):
    """What another model is given, piece by piece, while one model writes ids."""
    return other.bytes_of(i for token in ids for i in other.extend(one.piece(token)))


def _hold(vocabularies, texts):
    """No byte is lost or doubled, in any text, between any two."""
    written = {name: [_begun(v, text) for text in texts] for name, v in vocabularies.items()}
    for name, found in written.items():
        for text, ids in zip(texts, found, strict=True):
            assert ids is None or vocabularies[name].bytes_of(ids, first=True) == text.encode()
    for one, other in permutations(vocabularies, 2):
        lacking = LACKING.get(other, set())
        for text, ids in zip(texts, written[one], strict=True):
            if ids is not None and lacking.isdisjoint(text.encode()):
                carried = _carried(vocabularies[one], vocabularies[other], ids)
                space = vocabularies[one].dummy if text else b""
                assert carried == space + text.encode(), (one, other)


def _as_read(name, text):
    """What a tokenizer makes of a text in which no name of a token stands."""
    return unicodedata.normalize("NFC", text) if name == NEOX else text


def _hold_as_read(vocabularies, texts):
    """What the tokenizers themselves read loses and doubles no byte either."""
    for name, vocabulary in vocabularies.items():
        for text in texts:
            if LACKING.get(name, set()).isdisjoint(text.encode()):
                spelt = vocabulary.bytes_of(vocabulary.encode(text), first=True)
                assert spelt == _as_read(name, text).encode(), name


def test_no_byte_is_lost_or_doubled(all_of_them):
    _hold(all_of_them, _texts(50, roles=True))
    _hold_as_read(all_of_them, _texts(50, roles=False))


@pytest.mark.slow
def test_no_byte_is_lost_or_doubled_in_ten_thousand_texts(all_of_them):
    _hold(all_of_them, _texts(10_000, roles=True))
    _hold_as_read(all_of_them, _texts(10_000, roles=False))


@given(piece=st.binary(max_size=12))
@settings(max_examples=30, deadline=None)
def test_any_bytes_go_on_or_are_refused(all_of_them, piece):
    for name, vocabulary in all_of_them.items():
        assert vocabulary.lacking == LACKING.get(name, set())
        assert vocabulary.writes(piece) == LACKING.get(name, set()).isdisjoint(piece)
        if vocabulary.writes(piece):
            ids = vocabulary.extend(piece)
            assert vocabulary.bytes_of(ids) == piece
            assert vocabulary.special.isdisjoint(ids)
        else:
            with pytest.raises(ModelError, match=name):
                vocabulary.extend(piece)


@given(text=st.text(max_size=20), at=st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_a_text_broken_anywhere_goes_on(all_of_them, text, at):
    whole = text.encode("utf-8", "replace")
    for name, vocabulary in all_of_them.items():
        if LACKING.get(name, set()).isdisjoint(whole):
            ids = vocabulary.extend(whole[:at]) + vocabulary.extend(whole[at:])
            assert vocabulary.bytes_of(ids) == whole


def _gold(name):
    path = DATA / "gold" / f"ggml-vocab-{GOLD[name]}.gguf"
    texts = path.with_suffix(".gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = path.with_suffix(".gguf.out").read_text(encoding="utf-8").split("\n")
    return list(zip(texts, [[int(i) for i in line.split()] for line in lines], strict=True))


@pytest.mark.parametrize("name", [name for name in GOLD if GOLD[name]])
def test_gold_strings_have_their_ids_and_bytes(all_of_them, name):
    vocabulary, gold = all_of_them[name], _gold(name)
    assert len(gold) == 47
    for text, ids in gold:
        assert vocabulary.encode(text) == ids
        assert vocabulary.begin(text) == ids
        assert vocabulary.bytes_of(ids, first=True) == text.encode()


def test_gold_strings_survive_between_all(all_of_them):
    _hold(all_of_them, [text for text, _ in _gold("gpt2")])


def test_a_text_begins_after_a_space_that_is_not_its_own(all_of_them):
    for name, vocabulary in all_of_them.items():
        assert vocabulary.dummy == (b" " if name in SENTENCEPIECE else b"")
        for text in ("Hello", " Hello", "  Hello", "\nHello", ""):
            ids = vocabulary.encode(text)
            assert vocabulary.begin(text) == ids
            assert vocabulary.bytes_of(ids, first=True) == text.encode()
            assert vocabulary.bytes_of(vocabulary.extend(text.encode())) == text.encode()


def test_every_piece_goes_on_as_itself(all_of_them):
    for vocabulary in all_of_them.values():
        for piece in list(vocabulary.ids)[:: len(vocabulary) // 500]:
            assert vocabulary.bytes_of(vocabulary.extend(piece)) == piece


def test_spaces_are_written_with_the_tokens_added_for_them(all_of_them):
    for name in ("mpt", NEOX):
        vocabulary = all_of_them[name]
        for count in range(2, 25):
            (token,) = vocabulary.encode(" " * count)
            assert token == 50278 - count
            assert vocabulary.ids[b" " * count] == token
            assert vocabulary.extend(b" " * count) == (token,)


def test_unlike_tokenizers_have_unlike_fingerprints(all_of_them):
    assert len({vocabulary.fingerprint for vocabulary in all_of_them.values()}) == len(GOLD)


@pytest.mark.parametrize("name", [name for name in GOLD if name not in {"llama3", "qwen2"}])
def test_the_loaded_have_the_fingerprints_of_their_files(all_of_them, name):
    assert all_of_them[name].fingerprint == fingerprint(_folder(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama3", "qwen2"])
def test_the_large_have_the_fingerprints_of_their_files(all_of_them, name):
    assert all_of_them[name].fingerprint == fingerprint(_folder(name))


@pytest.mark.parametrize(
    ("one", "other", "alike", "pieces"),
    [
        # all of llama2 but <unk>, <s>, </s>; 96 of its lone bytes are whole tokens too
        ("llama2", "phi-3", 32_000 - 3, 32_000 - 3 - 96),
        # all of neox but two roles; 23 runs of spaces are added beside its own
        (NEOX, "mpt", 50_277 - 2, 50_277 - 2 - 23),
        ("llama2", "mistral-v1", 267, 24_085),
        ("llama3", "qwen2", 410, 109_566),
    ],
)
def test_kin_share_what_they_share(all_of_them, one, other, alike, pieces):
    first, second = all_of_them[one], all_of_them[other]
    pairs = zip(first.pieces, second.pieces, strict=False)
    assert sum(a is not None and a == b for a, b in pairs) == alike
    assert len(first.ids.keys() & second.ids.keys()) == pieces
    assert first.fingerprint != second.fingerprint


def test_what_a_kin_adds_the_other_reads_as_text(all_of_them):
    llama, phi, mpt = (all_of_them[name] for name in ("llama2", "phi-3", "mpt"))
    assert phi.extend(b"</s>") == (2,)
    assert phi.pieces[2] == b"</s>"
    assert llama.special == {0, 1, 2}
    assert len(llama.extend(b"</s>")) > 1
    assert phi.pieces[32_001] is None
    assert mpt.piece(50_300) == b"[PAD50300]"
    assert all_of_them[NEOX].piece(50_300) == b""


@pytest.mark.parametrize(
    ("name", "kind", "kept"),
    [
        ("gpt2", "GPT2Tokenizer", True),
        (NEOX, "GPTNeoXTokenizer", True),
        ("llama2", "LlamaTokenizer", False),  # it puts the space elsewhere
    ],
)
def test_what_a_class_makes_of_a_file_is_exact_too(all_of_them, tmp_path, name, kind, kept):
    from transformers import AutoTokenizer

    tokenizer = (_folder(name) / "tokenizer.json").read_bytes()
    (tmp_path / "tokenizer.json").write_bytes(tokenizer)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind}))
    loaded = Vocabulary(AutoTokenizer.from_pretrained(tmp_path).backend_tokenizer, name)
    assert (loaded.fingerprint == all_of_them[name].fingerprint) == kept
    _hold({name: loaded}, _texts(200, roles=True))
    for text in (" Hello", "Hello", "  x\n"):
        assert loaded.begin(text) == all_of_them[name].begin(text)


def test_large_vocabularies_are_ready_soon(all_of_them):
    for name in ("llama3", "qwen2"):
        assert len(all_of_them[name]) > 128_000
        assert SECONDS[name] < 5  # about 1 on an idle machine
