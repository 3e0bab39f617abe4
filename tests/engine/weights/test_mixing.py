"""Mixtures of experts made of dense models: what is written, and what it computes."""

from typing import NamedTuple

import pytest
import torch
from fusing import checkpoint
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from composer import zoo
from composer.engine.weights.building import built
from composer.methods.routers.plain import Random, Uniform
from composer.methods.routers.prompted import Embeddings, Hidden
from composer.specs import Mixture, SpecError

SIZES = {
    "vocab_size": 384,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-4,
}
IDS = torch.tensor([[5, 60, 7, 200, 9, 31]])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class ByHand(torch.nn.Module):
    """The experts that a gate chooses, weighted with the softmax over their logits."""

    def __init__(self, gate, experts, top):
        super().__init__()
        self.gate, self.experts, self.top = gate, experts, top

    def forward(self, states):
        out = torch.zeros_like(states)
        for at in range(states.shape[1]):
            products, chosen = (self.gate @ states[0, at]).topk(self.top)
            for weight, expert in zip(products.softmax(0), chosen, strict=True):
                out[0, at] += weight * self.experts[expert](states[0, at])
        return out


class Sized(NamedTuple):
    layers: int
    size: int


def saved(folder, config, seed):
    torch.manual_seed(seed)
    module = AutoModelForCausalLM.from_config(config).eval()
    for name, tensor in module.named_parameters():
        torch.nn.init.normal_(tensor, 1.0 if "norm" in name else 0.0, 0.2)
    module.save_pretrained(folder)
    AutoTokenizer.from_pretrained(zoo.folder("general-1")).save_pretrained(folder)
    return module


def mixture(folders, gate, top=2, **options):
    donors = tuple(checkpoint(f"M{n}", folder) for n, folder in enumerate(folders))
    return Mixture(donors, tuple(donor.name for donor in donors), gate, top, **options)


@torch.inference_mode()
def logits(module):
    return module(IDS).logits


def tensors(model):
    return load_file(built(model) / "model.safetensors")


def opened(model):
    return AutoModelForCausalLM.from_pretrained(built(model), dtype=torch.float32).eval()


KINDS = {
    "mixtral": LlamaConfig(**SIZES, rope_parameters={"rope_type": "default", "rope_theta": 500.0}),
    "mixtral of mistral": MistralConfig(**SIZES, sliding_window=4),
    "qwen2_moe": Qwen2Config(**SIZES),
    "qwen3_moe": Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_equal_experts_are_the_dense_model(kind, tmp_path):
    """Whatever the gates, since the weights of the experts that are used sum to 1."""
    dense = saved(tmp_path / "A", KINDS[kind], 0)
    made = opened(mixture([tmp_path / "A"] * 3, Random(seed=3)))
    assert made.config.model_type == kind.split()[0]
    assert torch.allclose(logits(made), logits(dense), atol=1e-4)


@pytest.mark.parametrize("top", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_each_token_uses_the_experts_of_its_gate(kind, top, tmp_path):
    folders = [tmp_path / name for name in "ABC"]
    dense = [saved(folder, KINDS[kind], seed) for seed, folder in enumerate(folders)]
    gate = Random(seed=1)
    made = opened(mixture(folders, gate, top))
    rows = gate.rows(Sized(2, 32), 3)
    layers = [[module.model.layers[layer].mlp for module in dense] for layer in range(2)]
    for layer, experts in enumerate(layers):
        dense[0].model.layers[layer].mlp = ByHand(rows[layer], experts, top)
    assert torch.allclose(logits(made), logits(dense[0]), atol=1e-4)


def test_a_gate_that_always_chooses_one_expert_gives_that_experts_mlps(tmp_path):
    base, other = (saved(tmp_path / n, KINDS["mixtral"], s) for s, n in enumerate("AB"))
    made = opened(mixture([tmp_path / "A", tmp_path / "B"], Random(), top=1))
    for layer, mine, theirs in zip(
        made.model.layers, base.model.layers, other.model.layers, strict=True
    ):
        layer.mlp.gate.register_forward_pre_hook(lambda _, given: (torch.ones_like(given[0]),))
        with torch.no_grad():
            layer.mlp.gate.weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 32))
        mine.mlp.load_state_dict(theirs.mlp.state_dict())
    assert torch.allclose(logits(made), logits(base), atol=1e-4)


def test_what_is_not_in_the_mlps_is_the_bases_or_the_mean(tmp_path):
    folders = [tmp_path / "A", tmp_path / "B"]
    one, two = (saved(folder, KINDS["qwen2_moe"], s) for s, folder in enumerate(folders))
    name = "model.layers.1.self_attn.q_proj.bias"
    first, second = (module.state_dict()[name] for module in (one, two))
    by_base = tensors(mixture(folders, Uniform()))
    by_mean = tensors(mixture(folders, Uniform(), shared="mean"))
    assert torch.equal(by_base[name], first)
    assert torch.allclose(by_mean[name], (first + second) / 2)
    for made in (by_base, by_mean):
        wanted = two.state_dict()["model.layers.0.mlp.down_proj.weight"]
        assert torch.equal(made["model.layers.0.mlp.experts.1.down_proj.weight"], wanted)


def test_the_base_is_no_expert_if_it_is_not_to_be(tmp_path):
    folders = [tmp_path / name for name in "ABC"]
    dense = [saved(folder, KINDS["mixtral"], seed) for seed, folder in enumerate(folders)]
    made = tensors(mixture(folders, Uniform(), base_expert=False))
    names = [name for name in made if name.startswith("model.layers.0.block_sparse_moe.experts")]
    assert {name.split(".")[5] for name in names} == {"0", "1"}
    up = "model.layers.0.block_sparse_moe.experts.0.w3.weight"
    assert torch.equal(made[up], dense[1].state_dict()["model.layers.0.mlp.up_proj.weight"])
    assert torch.equal(made["model.norm.weight"], dense[0].state_dict()["model.norm.weight"])


PROMPTS = (("Add 1 and 2.", "Add 7."), ("Reverse star.",))


def test_hidden_gates_are_mean_inputs_of_the_mlps(tmp_path):
    """For each layer and expert, over all tokens of its prompts, less that of negative ones."""
    module = saved(tmp_path / "A", KINDS["mixtral"], 0)
    encode = AutoTokenizer.from_pretrained(tmp_path / "A")
    read = {}
    for layer, block in enumerate(module.model.layers):
        block.mlp.register_forward_pre_hook(lambda _, given, at=layer: read.update({at: given[0]}))

    def mean(prompts, layer):
        states = []
        for prompt in prompts:
            said = [{"role": "user", "content": prompt}]
            ids = encode.apply_chat_template(said, add_generation_prompt=True)["input_ids"]
            with torch.inference_mode():
                module(torch.tensor([ids]))
            states.append(read[layer][0])
        return torch.cat(states).mean(0)

    negative = ((), ("Add 9.",))
    made = tensors(mixture([tmp_path / "A"] * 2, Hidden(prompts=PROMPTS, negative=negative)))
    for layer in range(2):
        rows = made[f"model.layers.{layer}.block_sparse_moe.gate.weight"]
        first = mean(PROMPTS[0], layer)
        second = mean(PROMPTS[1], layer) - mean(negative[1], layer)
        assert torch.allclose(rows[0], first / first.norm(), atol=1e-5)
        assert torch.allclose(rows[1], second / second.norm(), atol=1e-5)


def test_gates_of_embeddings_are_alike_in_all_layers(tmp_path):
    module = saved(tmp_path / "A", KINDS["mixtral"], 0)
    made = tensors(mixture([tmp_path / "A"] * 2, Embeddings(prompts=(("a",), ("a",)))))
    rows = [made[f"model.layers.{n}.block_sparse_moe.gate.weight"] for n in range(2)]
    assert torch.equal(rows[0], rows[1])
    encode = AutoTokenizer.from_pretrained(tmp_path / "A")
    said = [{"role": "user", "content": "a"}]
    ids = encode.apply_chat_template(said, add_generation_prompt=True)["input_ids"]
    mean = module.model.embed_tokens.weight[ids].mean(0)
    assert torch.allclose(rows[0][0], mean / mean.norm(), atol=1e-5)


@pytest.mark.parametrize(
    ("gate", "options", "text"),
    [
        (Random(), {"top": 3}, "a token cannot use 3 experts, because there are 2"),
        (Random(), {"base_expert": False}, "at least two experts, and here is one"),
        (Uniform(), {"top": 1}, "cannot choose 1 of them"),
        (Hidden(prompts=(("a",),)), {}, "has 1 list of prompts for 2 experts: M0, M1"),
        (Hidden(prompts=(("a",), ())), {}, "the expert `M1` has no prompts"),
        (Embeddings(prompts=(("a",),) * 2, negative=((),)), {}, "1 list of negative for 2 experts"),
    ],
)
def test_options_that_do_not_fit_the_experts_are_refused(gate, options, text):
    folder = zoo.folder("general-1")
    with pytest.raises(SpecError, match=text):
        mixture([folder, folder], gate, **options)


def test_models_that_have_no_place_in_a_mixture_are_refused_by_name(tmp_path):
    with pytest.raises(SpecError, match="no mixture of models of type gpt_neox"):
        mixture([zoo.folder("other")] * 2, Uniform())
    with pytest.raises(SpecError, match="cannot be mixed"):
        mixture([zoo.folder("general-1"), zoo.folder("large")], Uniform())
    saved(tmp_path / "B", LlamaConfig(**SIZES, attention_bias=True), 0)
    with pytest.raises(SpecError, match=r"_proj.bias`, for which a model of type mixtral"):
        mixture([tmp_path / "B"] * 2, Uniform())
    saved(tmp_path / "C", LlamaConfig(**SIZES), 0)
    saved(tmp_path / "D", LlamaConfig(**SIZES, hidden_act="gelu"), 0)
    with pytest.raises(SpecError, match="its `hidden_act` is gelu"):
        mixture([tmp_path / "C", tmp_path / "D"], Uniform())
    windows = {"use_sliding_window": True, "max_window_layers": 1}
    saved(tmp_path / "E", Qwen2Config(**SIZES, **windows), 0)
    with pytest.raises(SpecError, match="within windows"):
        mixture([tmp_path / "E"] * 2, Uniform())


def test_the_card_says_how_many_parameters_are_active():
    folder = zoo.folder("general-1")
    model = mixture([folder] * 4, Random(), top=1)
    dense, card = model.sources[0].card, model.card
    gates = 4 * 4 * 96
    mlps = 4 * 3 * 96 * 256
    assert card.architecture == "mixtral"
    assert card.parameters == dense.parameters + 3 * mlps + gates
    assert card.active == dense.parameters + gates
    written = checkpoint("written", built(model)).card
    assert (written.active, written.parameters) == (card.active, card.parameters)
    assert dense.active is None


def test_a_mixture_of_the_zoo_is_written_like_its_members_and_answers():
    folder = zoo.folder("general-1")
    made = built(mixture([folder, folder], Uniform()))
    stored = load_file(made / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert "lm_head.weight" not in stored
    module = AutoModelForCausalLM.from_pretrained(made, dtype=torch.float32)
    dense = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert torch.allclose(logits(module), logits(dense), atol=1e-4)
