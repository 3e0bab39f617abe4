"""Untrained models over real tokenizers: whatever is drawn, all members are given its bytes."""

import shutil

import pytest
import torch
from fusing import TokenFuse, ask_score, checkpoint

from composer.engine.sequence import SequenceState
from composer.specs import ByteFuse

NAMES = ("llama2", "gpt2", "pythia-gpt-neox-20b-original")


@pytest.fixture(scope="module")
def members(data, tmp_path_factory):
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    def make(name):
        folder = tmp_path_factory.mktemp(name)
        for file in (data / "tokenizers" / name).iterdir():
            shutil.copy(file, folder)
        torch.manual_seed(1)
        width = len(AutoTokenizer.from_pretrained(folder))
        shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
        shape |= {"num_attention_heads": 1, "max_position_embeddings": 1024}
        LlamaForCausalLM(LlamaConfig(vocab_size=width, **shape)).save_pretrained(folder)
        return checkpoint(name, folder)

    return tuple(make(name) for name in NAMES)


@pytest.fixture
def given_bytes(monkeypatch):
    """What each member was given before the answer and of it, when it is over."""
    seen = []
    close = SequenceState.close

    def look(sequence):
        for state in sequence.states.values():
            words = state.slot.runner.model.vocabulary
            start = state.counts.prompt
            seen.append((words.bytes_of(state.ids[:start]), words.bytes_of(state.ids[start:])))
        close(sequence)

    monkeypatch.setattr(SequenceState, "close", look)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "Hello", " naïve ▁\n"])
def test_all_members_are_given_the_bytes_of_the_answer(members, write, given_bytes, prefix):
    how = {"temperature": 1.0, "seed": 5, "max_tokens": 25}
    made = write(TokenFuse(members, NAMES), "Once", prefix=prefix, **how)
    assert len(given_bytes) == 3
    for before, written in given_bytes:
        assert before.lstrip(b" ") == b"Once" + prefix.encode()
        assert written.decode(errors="replace") == made.text
        assert written == given_bytes[0][1]
        assert len(written) > 40


@pytest.mark.parametrize("text", [" Hello world", "Hello world", "  two spaces", "é dog"])
def test_a_scored_text_is_the_same_bytes_for_all(members, engine, given_bytes, text):
    ask_score(engine, TokenFuse(members, NAMES), None, text).result(60)
    models = list(members)
    dummies = [b" " if model.name == "llama2" else b"" for model in models]
    assert len(given_bytes) == 3
    for (before, written), dummy in zip(given_bytes, dummies, strict=True):
        assert before + written == dummy + text.encode()


@pytest.mark.parametrize("places", [(0, 1), (1, 2), (2, 0)])
def test_bytes_are_agreed_on_whatever_the_likeliest_tokens_are(members, write, given_bytes, places):
    pair = tuple(members[n] for n in places)
    for text in ("Once upon", "x = [1, 2]", "naïve"):
        made = write(ByteFuse(pair, ("a", "b")), text, max_tokens=8)
        assert len(made.tokens) == 8
        assert all(made.text.encode().startswith(own[:-8]) for _, own in given_bytes[-2:])
