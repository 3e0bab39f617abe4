"""Untrained models over real tokenizers: no byte is lost or doubled, whatever is read or drawn."""

import random
import shutil
from functools import cache
from itertools import combinations

import pytest
import torch
from fusing import UNION, Job, Part, TokenFuse, ask_score, checkpoint

from composer.engine.engine import Engine
from composer.engine.sequence import SequenceState
from composer.values import ModelError, Sampling

NEOX = "pythia-gpt-neox-20b-original"
WIDTHS = {  # as the models have them: most are padded
    "deepseek-coder": 32_256,
    "gpt2": 50_257,
    "llama2": 32_000,
    "llama3": 128_256,
    "mistral-v1": 32_000,
    "mpt": 50_432,
    "phi-3": 32_064,
    NEOX: 50_432,
    "qwen2": 151_936,
    "starcoder2": 49_152,
}
QUICK = [("llama2", "gpt2"), ("starcoder2", "phi-3"), ("mpt", "deepseek-coder")]
COVER = [*QUICK, (NEOX, "mistral-v1"), ("qwen2", "llama3")]
PARTS = {
    "topk": Part("align.topk"),
    "edits": Part("align.edits"),
    "relative": Part("align.relative"),
}
PIECES = ["  ", "\n\n", "\t", "\r\n", "\u3000", "\0", "\ufeff", " the", "'re", "12345", " naïve"]
PIECES += ["e\u0301", "ﬁ", "가", "你好", "नमस्ते", "مرحبا", "👩\u200d👩\u200d👧", "½", "\U0001d518"]
PIECES += ["▁", "<s>", "</s>", "<0x41>", "<|endoftext|>", "[PAD50300]", "Ġ", "<|end|>"]


@pytest.fixture(scope="module")
def member(data, tmp_path_factory):
    """A tiny untrained model with a real tokenizer: `member("gpt2")`."""
    from transformers import LlamaConfig, LlamaForCausalLM

    @cache
    def make(name):
        folder = tmp_path_factory.mktemp(name)
        for file in (data / "tokenizers" / name).iterdir():
            shutil.copy(file, folder)
        torch.manual_seed(len(name))
        shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
        shape |= {"num_attention_heads": 1, "max_position_embeddings": 1024}
        config = LlamaConfig(vocab_size=WIDTHS[name], eos_token_id=None, **shape)
        LlamaForCausalLM(config).save_pretrained(folder)
        return checkpoint(name, folder)

    return make


@pytest.fixture(scope="module")
def own_engine():
    with Engine() as made:
        yield made


@pytest.fixture
def given_bytes(monkeypatch):
    """For each answer that is over, what each member was given before it and of it."""
    seen = []
    close = SequenceState.close

    def look(sequence):
        if sequence.states:
            seen.append([])
        for state in sequence.states.values():
            words, start = state.slot.runner.model.vocabulary, state.counts.prompt
            seen[-1].append((words.bytes_of(state.ids[:start]), words.bytes_of(state.ids[start:])))
        close(sequence)

    monkeypatch.setattr(SequenceState, "close", look)
    return seen


def texts(count, seed):
    """Strings of common, rare and any characters, and of names of tokens."""
    chance = random.Random(seed)
    kinds = [lambda: chance.choice(PIECES), lambda: chr(chance.randrange(32, 127))]
    kinds += [lambda: chr(chance.randrange(2048)), lambda: _any(chance)]
    return [
        "".join(chance.choice(kinds)() for _ in range(chance.randrange(1, 12)))
        for _ in range(count)
    ]


def _any(chance):
    found = chr(chance.randrange(chance.choice([0x10000, 0x20000, 0x110000])))
    return "x" if "\ud800" <= found <= "\udfff" else found


def fused(member, names, align=UNION):
    return TokenFuse(tuple(member(name) for name in names), tuple(names), align=align)


def scored(engine, fuse, given_bytes, strings):
    """Score strings; every member was given just their bytes, or one that lacks some is named."""
    prompt = ((("user", "Once"),),)
    futures = [ask_score(engine, fuse, prompt, text) for text in strings]
    refused = [text for text, future in zip(strings, futures, strict=True) if _refused(future)]
    written = [text.encode() for text in strings if text not in refused]
    assert sorted({each for said in given_bytes for _, each in said} - {b""}) == sorted({*written})
    for said in given_bytes:
        assert len({each for _, each in said}) == 1
    return refused


def _refused(future):
    error = future.exception(600)
    if error is None:
        return False
    assert isinstance(error, ModelError), error
    assert error.code == "E711"
    assert "starcoder2" in error.message
    return True


def lacks(names, text):
    """One tokenizer lacks a byte that UTF-8 needs."""
    return "starcoder2" in names and 0xF1 in text.encode()


@pytest.mark.parametrize("names", QUICK)
def test_no_byte_is_lost_or_doubled_where_a_text_is_read(member, own_engine, given_bytes, names):
    strings = [text for text in texts(100, 1) if text][:12]
    refused = scored(own_engine, fused(member, names), given_bytes, strings)
    assert refused == [text for text in strings if lacks(names, text)]


def drawn(engine, fuse, given_bytes, prefix="", seed=1):
    sampling = Sampling(max_tokens=24, temperature=1.0, seed=seed)
    job = Job(fuse, ((("user", "Once"),),), sampling, prefix=prefix)
    made = engine.generate(job).result(600)
    (said,) = given_bytes
    assert len({written for _, written in said}) == 1
    assert said[0][1].decode(errors="replace") == made.text
    assert len(made.tokens) > 10
    assert all(before.endswith(prefix.encode()) for before, _ in said)
    assert len(said) == len(fuse.members)
    given_bytes.clear()


@pytest.mark.parametrize("names", QUICK)
def test_all_are_given_the_bytes_that_are_drawn(member, own_engine, given_bytes, names):
    drawn(own_engine, fused(member, names), given_bytes)
    drawn(own_engine, fused(member, names[::-1]), given_bytes, " naïve ▁\n", seed=2)


@pytest.mark.parametrize("way", PARTS)
def test_however_members_are_aligned(member, own_engine, given_bytes, way):
    names = ("gpt2", "llama2")
    fuse = fused(member, names, PARTS[way])
    for seed in range(2):
        drawn(own_engine, fuse, given_bytes, "<s>é", seed)
    strings = [text for text in texts(200, 3) if text][:10]
    assert scored(own_engine, fuse, given_bytes, strings) == []


def test_kin_share_what_they_share(member, own_engine):
    fuse = fused(member, ("llama2", "phi-3"))
    own_engine.generate(Job(fuse, ((("user", "Once"),),), Sampling(max_tokens=1))).result(60)
    align = own_engine._group(fuse).root.align
    space, maps = align.space, align.maps
    both = (maps[0].take >= 0) & (maps[1].take >= 0)
    alike = maps[0].take == maps[1].take
    assert int((both & alike).sum()) == 32_000 - 3 - 96  # 96 lone bytes are whole tokens too
    assert int((both & ~alike).sum()) == 1  # the end
    assert len(space) == int(both.sum()) + int((maps[1].take >= 0).sum() - both.sum())


def test_the_first_member_is_read_even_with_no_weight(member, own_engine, given_bytes):
    fuse = fused(member, ("gpt2", "llama2"), PARTS["edits"])
    job = Job(fuse, ((("user", "Once"),),), Sampling(max_tokens=9), weights=(0.0, 1.0))
    made = own_engine.generate(job).result(60)
    assert made.usage["gpt2"].calls > 8
    (said,) = given_bytes
    assert said[0][1] == said[1][1]


def begun(engine, fuse, given_bytes, strings):
    """Go on after strings; every member was given just their bytes after what it is asked."""

    def start(text):
        sampling = Sampling(max_tokens=1, temperature=1.0)
        return engine.generate(Job(fuse, ((("user", "Once"),),), sampling, prefix=text))

    start("").result(60)
    heads = [before for before, _ in given_bytes.pop()]
    futures = [start(text) for text in strings]
    refused = [text for text, future in zip(strings, futures, strict=True) if _refused(future)]
    texts_read = []
    for said in given_bytes:
        (body,) = {b.removeprefix(head) for (b, _), head in zip(said, heads, strict=True)}
        texts_read.append(body)
    assert sorted(texts_read) == sorted(text.encode() for text in strings if text not in refused)
    given_bytes.clear()
    return refused


@pytest.mark.slow
@pytest.mark.parametrize("names", COVER)
def test_no_byte_is_lost_in_ten_thousand_texts(member, own_engine, given_bytes, names):
    """Of a fifth of them for each pair, a tenth are scored, and the rest gone on from."""
    fuse = fused(member, names)
    strings = [text for text in texts(2100, 11) if text][:2000]
    for start in range(0, 1800, 300):
        some = strings[start : start + 300]
        refused = begun(own_engine, fuse, given_bytes, some)
        assert refused == [text for text in some if lacks(names, text)]
    refused = scored(own_engine, fuse, given_bytes, strings[1800:])
    assert refused == [text for text in strings[1800:] if lacks(names, text)]


@pytest.mark.slow
@pytest.mark.parametrize("names", list(combinations(WIDTHS, 2)))
def test_all_pairs_are_given_the_same_bytes(member, own_engine, given_bytes, names):
    for order in (names, names[::-1]):
        drawn(own_engine, fused(member, order), given_bytes, " naïve ▁\n")
    strings = [text for text in texts(100, 7) if text][:20]
    refused = scored(own_engine, fused(member, names), given_bytes, strings)
    assert refused == [text for text in strings if lacks(names, text)]
