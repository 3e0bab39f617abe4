"""Checkpoints that are mixtures of experts, as members like any other."""

import pytest
import torch
from fusing import Job, TokenFuse, ask_score, checkpoint
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    MixtralConfig,
    OlmoeConfig,
    Qwen2MoeConfig,
    Qwen3MoeConfig,
)

from composer import zoo
from composer.backends.zoo import Zoo
from composer.checkpoints.faults import faults_of
from composer.engine.rows.runner import Runner
from composer.engine.weights.local import load
from composer.specs import Declared
from composer.values import Sampling

SIZES = {
    "vocab_size": 384,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "eos_token_id": 1,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "router_aux_loss_coef": 0.5,
}
KINDS = {
    "mixtral": MixtralConfig(**SIZES, intermediate_size=48),
    "olmoe": OlmoeConfig(**SIZES, intermediate_size=48),
    "qwen2_moe": Qwen2MoeConfig(
        **SIZES, moe_intermediate_size=24, shared_expert_intermediate_size=40
    ),
    "qwen3_moe": Qwen3MoeConfig(**SIZES, moe_intermediate_size=24, head_dim=16),
}
QUESTIONS = ["What is 12 plus 30?", "Add 5 and 6.", "Reverse the word star."]
ACTIVE = {"mixtral": 48, "olmoe": 48, "qwen2_moe": 24, "qwen3_moe": 24}


@pytest.fixture(scope="module", params=KINDS)
def expert(request, tmp_path_factory):
    """A random mixture of a type, saved with the zoo's tokenizer."""
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    module = AutoModelForCausalLM.from_config(KINDS[request.param])
    for name, tensor in module.named_parameters():
        torch.nn.init.normal_(tensor, 1.0 if "norm" in name else 0.0, 0.3)
    module.save_pretrained(folder)
    AutoTokenizer.from_pretrained(zoo.folder("general-1")).save_pretrained(folder)
    return checkpoint(request.param, folder)


@pytest.fixture(scope="module")
def alone(expert):
    """The same model in transformers."""
    folder = expert.folder
    module = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    encode = AutoTokenizer.from_pretrained(folder)

    def logprobs(question, written=()):
        said = [{"role": "user", "content": question}]
        ids = encode.apply_chat_template(said, add_generation_prompt=True)["input_ids"]
        with torch.inference_mode():
            logits = module(torch.tensor([[*ids, *written]])).logits[0]
        return logits[len(ids) - 1 :].log_softmax(-1)

    return logprobs


def greedy(distribution, count):
    ids = []
    while len(ids) < count:
        ids.append(int(distribution(ids).argmax()))
        if ids[-1] == 1:
            break
    return ids


def asked(engine, model, questions, count=8):
    sampling = Sampling(max_tokens=count)
    jobs = [Job(model, ((("user", each),),), sampling) for each in questions]
    return [future.result(60) for future in [engine.generate(job) for job in jobs]]


def test_it_answers_as_in_transformers_alone_and_beside_others(expert, alone, engine):
    """Which experts a row uses does not depend on the other rows, nor on what was kept."""
    together = asked(engine, expert, QUESTIONS, 5)
    for question, made in zip(QUESTIONS, together, strict=True):
        ids = greedy(lambda ids, q=question: alone(q, ids)[-1], 5)
        wanted = [float(alone(question, ids[:n])[-1, each]) for n, each in enumerate(ids)]
        assert made.logprobs == pytest.approx(wanted, abs=1e-3)
        (single,) = asked(engine, expert, [question], 5)
        assert single.text == made.text
        assert single.logprobs == pytest.approx(made.logprobs, abs=1e-4)


def test_its_rows_share_passes(expert):
    assert Runner(load(expert)).alone is None


def test_it_scores_texts_as_in_transformers(expert, alone, engine):
    score = ask_score(engine, expert, ((("user", QUESTIONS[0]),),), " 42").result(60)
    ids = AutoTokenizer.from_pretrained(expert.folder)(" 42")["input_ids"]
    said = alone(QUESTIONS[0], ids)
    wanted = [float(said[at, each]) for at, each in enumerate(ids)]
    assert score.logprobs == pytest.approx(wanted, abs=1e-3)


def test_it_is_fused_with_a_dense_model(expert, alone, engine):
    """The mean of both distributions, token by token."""
    dense = Declared("general", Zoo(model="general-1"))
    module = AutoModelForCausalLM.from_pretrained(
        zoo.folder("general-1"), dtype=torch.float32
    ).eval()
    encode = AutoTokenizer.from_pretrained(zoo.folder("general-1"))
    said = [{"role": "user", "content": QUESTIONS[0]}]
    prompt = encode.apply_chat_template(said, add_generation_prompt=True)["input_ids"]

    @torch.inference_mode()
    def mean(ids):
        other = module(torch.tensor([[*prompt, *ids]])).logits[0, -1].softmax(-1)
        return (alone(QUESTIONS[0], ids)[-1].exp() + other) / 2

    ids = greedy(mean, 8)
    fuse = TokenFuse((expert, dense), ("A", "B"), (0.5, 0.5))
    made = asked(engine, fuse, QUESTIONS)[0]
    wanted = [float(mean(ids[:n])[each].log()) for n, each in enumerate(ids)]
    assert made.logprobs == pytest.approx(wanted, abs=1e-3)


def test_its_files_are_sound_and_its_card_counts_active_parameters(expert):
    assert faults_of(expert.folder) == ()
    card = expert.card
    unused = 2 * 2 * 3 * 32 * ACTIVE[expert.name]  # two of four experts in two layers
    assert card.active == card.parameters - unused


def test_experts_that_are_stacked_in_the_files_are_read_too(expert, tmp_path):
    """Transformers 5 has one tensor for all experts of a layer, and may write it so."""
    module = AutoModelForCausalLM.from_pretrained(expert.folder)
    module.save_pretrained(tmp_path, save_original_format=False)
    AutoTokenizer.from_pretrained(expert.folder).save_pretrained(tmp_path)
    stacked = checkpoint("stacked", tmp_path)
    assert any(name.endswith("experts.gate_up_proj") for name in stacked.tensors)
    assert faults_of(tmp_path) == ()
    assert stacked.card.active == expert.card.active
    assert torch.equal(
        load(stacked).module.model.layers[1].mlp.experts.down_proj,
        load(expert).module.model.layers[1].mlp.experts.down_proj,
    )
