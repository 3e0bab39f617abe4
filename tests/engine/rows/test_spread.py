"""Models whose layers lie on several devices: the logits of one device, by few transfers."""

import copy
from collections import Counter

import pytest
import torch
from toy_devices import toy_devices

from composer.checkpoints.splits import Split
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.weights.spreading import spread
from composer.values import ModelError

SPLIT = Split((("toy:0", 1), ("toy:1", 2), ("toy:2", 1)))
KINDS = {
    "Llama": {"num_key_value_heads": 2},
    "Mistral": {"num_key_value_heads": 2, "sliding_window": 6},
    "Gemma3Text": {"head_dim": 8, "num_key_value_heads": 2, "sliding_window": 6},
    "GPT2": {},  # layers are given their arguments by place
    "GPTNeo": {
        "attention_types": [[["global", "local"], 2]],
        "window_size": 6,
        "num_layers": 4,
        "num_heads": 4,
    },  # one row a pass
    "GPTJ": {"rotary_dim": 4},  # padded
}
SLOW = "Mistral", "Gemma3Text", "GPT2", "GPTNeo"


def passes(runner, after=lambda: None):
    """Logits of rows of unlike length that join, go on by one token and are cropped."""
    a, b, c = (runner.rows.allocate() for _ in range(3))
    texts = [5, 9, 11, 20, 7, 33, 8, 40, 21, 5]
    out = [runner.forward([Feed(a, texts, [3, 9]), Feed(b, texts[3:6], [2])])]
    after()
    out.append(runner.forward([Feed(row, [50], [0]) for row in (a, b)]))
    after()
    runner.rows.crop(a, 6)
    out.append(runner.forward([Feed(a, [60], [0]), Feed(c, texts[:2], [1]), Feed(b, [61], [0])]))
    after()
    return torch.cat(out)


@pytest.fixture
def split(small):
    """The logits of a model on one device, and those of its copy in parts."""

    @torch.inference_mode()
    def run(kind, parts, after=lambda _: None):
        model = small(kind, num_hidden_layers=4, **KINDS[kind])
        twin = copy.copy(model)
        twin.module = copy.deepcopy(model.module)
        twin.config = twin.module.config
        whole = Runner(model)
        with toy_devices() as toys:
            spread(twin.module, parts)
            twin.device = torch.device(parts.first)
            runner = Runner(twin)
            toys.clear()
            logits = passes(runner, lambda: after(toys)).cpu()
        assert (runner.alone, runner.padded) == (whole.alone, whole.padded)
        return passes(whole), logits

    return run


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW)) for kind in KINDS]
)
def test_logits_are_those_of_one_device(split, kind):
    torch.testing.assert_close(*split(kind, SPLIT))


def test_a_pass_makes_one_upload_and_what_layers_read_moves_once(split):
    seen = []

    def note(toys):
        seen.append((Counter(toys.copies), list(toys.waits)))
        toys.clear()

    split("Llama", SPLIT, note)
    for copies, waits in seen:
        assert (copies["cpu", "toy:0"], waits) == (1, [])
        assert copies["toy:1", "toy:2"] == copies["toy:2", "toy:0"] == 1  # hidden states
        assert copies["toy:0", "toy:1"] <= 10  # hidden states, positions, mask, cells, lengths
        assert copies["toy:0", "toy:2"] <= 9


@pytest.mark.slow
def test_a_device_may_come_twice(split):
    torch.testing.assert_close(*split("Llama", Split((("toy:0", 1), ("toy:1", 1), ("toy:0", 2)))))


def test_what_is_not_one_list_of_layers_is_refused(small, model):
    from composer.engine.weights.local import load

    with pytest.raises(ModelError, match="RwkvForCausalLM cannot be put on several devices"):
        load(model("rwkv"), "cpu*2+cpu*1")


@torch.inference_mode()
def test_a_checkpoint_is_loaded_in_parts(model):
    from composer.engine.weights.local import load

    whole, parts = load(model("stories")), load(model("stories"), "cpu*2+cpu*1")
    torch.testing.assert_close(passes(Runner(whole)), passes(Runner(parts)))
    assert parts.device == torch.device("cpu")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cuda:0*20+cuda:1*12", "layers 0 to 19 on cuda:0, 20 to 31 on cuda:1"),
        ("cuda:1*1+cpu*1", "layers 0 on cuda:1, 1 on cpu"),
    ],
)
def test_a_split_reads_as_it_is_spelled(text, told):
    split = Split.of(text)
    assert (str(split), split.told()) == (text, told)
    assert len(split.layers) == sum(count for _, count in split.parts)


@pytest.mark.parametrize("device", ["cpu", "cuda:0", "auto", "cuda"])
def test_a_device_alone_is_no_split(device):
    assert Split.of(device) is None
