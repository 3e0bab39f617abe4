import json
from pathlib import Path

import pytest

from composer.checkpoints.vocabulary import Vocabulary, fingerprint, fingerprint_of

DATA = Path(__file__).parents[3] / "shared" / "data"
TEXT = "Hello  world, it's naïve: 你好 12345\n\n\tx émile!"


@pytest.fixture(scope="module")
def folder():
    if not (DATA / "tokenizers").is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")
    return lambda name: DATA / ("models" if "K" in name else "tokenizers") / name


@pytest.fixture(scope="module")
def vocabulary(folder):
    from tokenizers import Tokenizer

    made = {}

    def find(name):
        if name not in made:
            made[name] = Vocabulary(Tokenizer.from_file(str(folder(name) / "tokenizer.json")))
        return made[name]

    return find


@pytest.mark.parametrize("name", ["gpt2", "llama2", "stories260K", "rwkv4-660K-bytes"])
def test_bytes_of_ids_are_the_text(vocabulary, name):
    words = vocabulary(name)
    assert words.bytes_of(words.encode(TEXT), first=True).decode() == TEXT
    assert words.bytes_of(words.begin(TEXT), first=True).decode() == TEXT
    assert words.bytes_of(words.extend(TEXT.encode())).decode() == TEXT


@pytest.mark.parametrize("name", ["gpt2", "llama2", "stories260K", "rwkv4-660K-bytes"])
def test_any_byte_can_be_gone_on_with(vocabulary, name):
    words = vocabulary(name)
    for byte in range(256):
        assert words.bytes_of(words.extend(bytes([byte]))) == bytes([byte])
    broken = "naïve".encode()[:3]
    assert words.bytes_of(words.extend(broken)) == broken


@pytest.mark.parametrize("name", ["gpt2", "llama2", "stories260K"])
def test_going_on_is_cut_as_the_whole_text_is(vocabulary, name):
    words = vocabulary(name)
    whole = words.encode("One day she went to the park")
    start = words.encode("One day")
    assert tuple(whole[len(start) :]) == words.extend(b" she went to the park")


def test_special_tokens_have_no_bytes(vocabulary):
    words = vocabulary("llama2")
    assert words.special == {0, 1, 2}
    assert [words.pieces[i] for i in (0, 1, 2)] == [None] * 3
    assert words.bytes_of([1, *words.extend(b"dog"), 2, 10**6]) == b"dog"


def test_a_whole_token_is_preferred_to_a_lone_byte(vocabulary):
    words = vocabulary("llama2")
    assert words.ids[b"A"] == words.encode("A B")[0] or words.pieces[words.ids[b"A"]] == b"A"
    assert words.ids[b"A"] not in words.lone
    assert words.ids[b"\n"] in words.lone


def test_fine_tunes_have_their_ancestors_fingerprint(folder):
    prints = {fingerprint(folder(f"stories260K{tail}")) for tail in ("", "-ft-gsm8k")}
    assert len(prints) == 1


def test_the_loaded_tokenizer_has_the_files_fingerprint(folder, vocabulary):
    for name in ("gpt2", "llama2", "stories260K"):
        assert vocabulary(name).fingerprint == fingerprint(folder(name))


@pytest.fixture
def content(folder):
    return json.loads((folder("stories260K") / "tokenizer.json").read_text(encoding="utf-8"))


def test_padding_and_truncation_leave_the_fingerprint(content):
    before = fingerprint_of(content)
    content |= {"padding": {"strategy": "BatchLongest"}, "truncation": {"max_length": 5}}
    assert fingerprint_of(content) == before


def test_notation_of_merges_leaves_the_fingerprint(content):
    before = fingerprint_of(content)
    pairs = content["model"]["merges"]
    content["model"]["merges"] = [p if isinstance(p, list) else p.split(" ") for p in pairs]
    assert fingerprint_of(content) == before
    content["model"]["merges"] = [" ".join(p) for p in content["model"]["merges"]]
    assert fingerprint_of(content) == before


def test_two_ids_exchanged_change_the_fingerprint(content):
    before = fingerprint_of(content)
    words = content["model"]["vocab"]
    one, two = list(words)[300:302]
    words[one], words[two] = words[two], words[one]
    assert fingerprint_of(content) != before


@pytest.mark.parametrize("part", ["normalizer", "decoder"])
def test_what_changes_text_changes_the_fingerprint(content, part):
    before = fingerprint_of(content)
    content[part] = None
    assert fingerprint_of(content) != before


def test_what_changes_nothing_leaves_the_fingerprint(content):
    content["decoder"] = {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}
    before = fingerprint_of(content)
    content["model"] |= {"continuing_subword_prefix": "", "end_of_word_suffix": ""}
    content["decoder"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
    assert fingerprint_of(content) == before
    content["model"] |= {"continuing_subword_prefix": "##"}
    assert fingerprint_of(content) != before
