"""Models whose linear layers are made smaller while they are loaded, against the float models."""

from pathlib import Path

import fusing
import pytest
import torch

import composer
from composer import zoo
from composer.backends.reward_model import RewardModel
from composer.backends.reward_network import RewardNetwork
from composer.backends.zoo import Zoo
from composer.checkpoints.splits import Split
from composer.engine.pool import weight_bytes
from composer.engine.weights import quantizing
from composer.engine.weights.local import load
from composer.specs import Declared
from composer.values import ModelError, Query

pytest.importorskip("torchao", reason="needs the extra `quant`: torchao is not installed")

STORIES = Path(__file__).parents[4] / "shared" / "data" / "models" / "stories260K"
KINDS = ("int8", "int4", "fp8")
BOUND = {"int8": 0.002, "int4": 0.2, "fp8": 0.02}
"""What the divergence from the float model may be; about twice what was seen."""


def small(how, **options):
    return Declared("A", Zoo(model="maths", quantize=how, **options))


@torch.inference_mode()
def logits(model):
    return model.module(torch.arange(3, 60)[None]).logits.float()


def divergence(model, reference):
    """The mean Kullback-Leibler divergence of the next tokens' distributions, in nats."""
    p, q = (each.log_softmax(-1) for each in (reference, logits(model)))
    return float((p.exp() * (p - q)).sum(-1).mean())


def held(module):
    """The bytes of a module's parameters, each once."""
    parameters = {id(each): each for each in module.parameters()}.values()
    parts = (
        [getattr(each, name) for name in getattr(each, "tensor_data_names", ())] or [each]
        for each in parameters
    )
    return sum(part.nbytes for parts_ in parts for part in parts_)


@pytest.fixture(scope="module")
def whole():
    return logits(load(Declared("A", Zoo(model="maths"))))


@pytest.mark.parametrize("how", KINDS)
def test_logits_are_near_those_of_the_float_model(how, whole):
    apart = divergence(load(small(how)), whole)
    assert 0 < apart < BOUND[how]


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_memory_is_what_card_and_pool_say(how, dtype):
    model = small(how, dtype=dtype)
    assert held(load(model).module) == model.card.bytes == weight_bytes(model, "cpu")


def test_layers_on_several_devices_are_quantized_where_they_lie(whole):
    model = load(small("int8"), "cpu*1+cpu*3")
    assert torch.allclose(logits(model), logits(load(small("int8"))), atol=1e-5)
    assert divergence(model, whole) < BOUND["int8"]


def test_the_device_of_a_layer_stands_in_its_name():
    split = Split.of("cuda:0*1+cuda:1*3")
    names = ("model.layers.0.a.weight", "model.layers.3.b.weight", "lm_head.weight")
    assert [split.device_of(name) for name in names] == ["cuda:0", "cuda:1", "cuda:0"]


def test_embedding_and_output_layer_stay_floats():
    module = load(small("int8")).module
    assert type(module.get_output_embeddings().weight) is torch.nn.Parameter
    assert module.get_output_embeddings().weight is module.get_input_embeddings().weight


def test_real_stories_in_int8_are_the_same_stories():
    if not STORIES.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")
    whole, eight = (load(fusing.checkpoint("S", STORIES, quantize=how)) for how in (None, "int8"))
    assert divergence(eight, logits(whole)) < BOUND["int8"]


def test_a_real_layer_that_int4_does_not_take_is_named_before_loading():
    if not STORIES.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")
    with pytest.raises(ModelError, match=r"mlp\.down_proj\.weight has 64 x 172"):
        load(fusing.checkpoint("S", STORIES, quantize="int4"))


@pytest.mark.usefixtures("silencing")
def test_a_fuse_of_a_float_and_a_quantized_member_answers(tmp_path, capfd):
    text = 'model A = zoo("maths")\nmodel B = zoo("maths", quantize = int8)\ntoken_fuse(A, B)\n'
    (tmp_path / "r.ens").write_text(text)
    with composer.load(tmp_path / "r.ens").ready() as ensemble:
        assert ensemble("What is 17 plus 25?").answer.strip() == "42"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("how", "capability", "dtype", "words"),
    [
        ("fp8", (8, 0), "auto", "compute capability 8.9, and cuda:0 has 8.0"),
        ("int4", (7, 5), "auto", "compute capability 8.0, and cuda:0 has 7.5"),
        ("int4", (9, 0), torch.float16, "bfloat16"),
    ],
)
def test_a_gpu_that_cannot_compute_so_is_named(monkeypatch, how, capability, dtype, words):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    with pytest.raises(ModelError, match=words):
        quantizing.capable(how, torch.device("cuda:0"), dtype)
    quantizing.capable("int8", torch.device("cuda:0"), dtype)


def test_a_reward_model_can_be_quantized():
    folder = str(zoo.folder("steps-reward"))
    texts = [(Query.of("Start with 7, add 5."), text) for text in ("7+5=12", "7+5=13")]
    rewards = [
        [
            each.reward
            for each in RewardNetwork(RewardModel(path=folder, quantize=how), "R").judged(texts)
        ]
        for how in (None, "int8")
    ]
    assert rewards[0] != rewards[1]
    assert rewards[1] == pytest.approx(rewards[0], abs=0.05)
    assert RewardModel(path=folder).content() != RewardModel(path=folder, quantize="int8").content()
