"""Models that read long texts by other positions say what `generate` says, up to their limit."""

import fusing
import pytest
import torch
from folders import copied

import composer
from composer.checkpoints.folder import card_of
from composer.checkpoints.positions import switch_of
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.weights.local import load

FACTORS = {"short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [2.0, 3.0, 5.0, 8.0]}
ROPE = {"rope_type": "longrope", "rope_theta": 10000.0, **FACTORS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random Phi-3 that reads 512 tokens, and those beyond 64 by other positions."""
    import transformers

    made = copied(tmp_path_factory.mktemp("phi"))
    torch.manual_seed(0)
    config = transformers.Phi3Config(
        vocab_size=384, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
        original_max_position_embeddings=64, rope_parameters=dict(ROPE), pad_token_id=0,
        bos_token_id=None, eos_token_id=None, initializer_range=0.4, tie_word_embeddings=False,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(made)
    for name in ("generation_config.json", "chat_template.jinja"):
        (made / name).unlink(missing_ok=True)
    return made


@pytest.fixture(scope="module")
def phi(folder):
    return load(fusing.checkpoint("phi", folder))


def text(length, start=3):
    return [(7 * n + start) % 380 for n in range(length)]


def test_a_plan_and_a_run_know_the_whole_limit(folder, phi):
    assert (card_of(folder).context, phi.context, phi.switch) == (512, 512, 64)


def test_a_model_that_never_goes_beyond_has_no_switch(phi):
    assert switch_of(phi.config, 64) is None
    assert switch_of(phi.config, None) == 64


def test_rows_that_cross_the_length_are_read_as_whole_texts_are(phi):
    runner = Runner(phi)
    assert "more than 64 tokens" in runner.alone
    long, short = text(80), text(30, 5)
    one, two = runner.rows.allocate(), runner.rows.allocate()
    with torch.inference_mode():
        runner.forward([Feed(one, long[:60], ()), Feed(two, short[:20], ())])
        runner.rows.snapshot(one)
        runner.forward([Feed(one, long[60:70], ()), Feed(two, short[20:25], ())])
        assert runner.rows.crop(one, 60) == 60
        found = runner.forward([Feed(one, long[60:], [19]), Feed(two, short[25:], [4])])
        for logits, ids in zip(found, (long, short), strict=True):
            alone = phi.module(torch.tensor([ids])).logits[0, -1, : phi.width]
            assert torch.allclose(logits, alone, atol=1e-4)


@pytest.mark.parametrize("length", [40, 60, 74])
def test_an_answer_is_what_generate_gives(folder, phi, length):
    question = phi.vocabulary.bytes_of(text(length)).decode(errors="ignore")
    ids = phi.vocabulary.encode(question)
    wanted = phi.module.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)
    recipe = folder.parent / "r.ens"
    recipe.write_text('model M = hf("model", template = "plain")\nM(max_tokens = 12)\n')
    with composer.load(recipe).ready() as ensemble:
        result = ensemble(question)
    assert result.text.text == phi.vocabulary.bytes_of(wanted[0, len(ids) :].tolist()).decode(
        errors="replace"
    )
