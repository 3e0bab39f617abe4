"""Members on several devices: the answers of one device, and few transfers in a step."""

from collections import Counter
from contextlib import ExitStack

import pytest
import torch
from fusing import Job, TokenFuse
from torch.utils._python_dispatch import _disable_current_modes
from toy_devices import toy_devices

from composer.checkpoints.splits import Split
from composer.engine.engine import Engine
from composer.engine.static.steps import StaticSteps
from composer.engine.weights.local import load
from composer.engine.weights.spreading import spread
from composer.methods import Shared, Union
from composer.values import Sampling

NAMES = "general-1", "maths"
TEXT = "12 + 30 = ?"
TOKENS = 3


class Toys(Engine):
    """An engine whose thread has toy devices; models go where `places` says."""

    def __init__(self, places, **options):
        self._places = dict(zip(NAMES, places, strict=True))
        super().__init__({"cpu": 1 << 40}, loader=self._put, **options)

    def _loop(self):
        with toy_devices() as self.toys:
            super()._loop()

    def _put(self, checkpoint, _):
        with _disable_current_modes():
            model = load(checkpoint, "cpu")
        place = self._places[checkpoint.name]
        split = Split.of(place)
        if split is None:
            model.module.to(place)
        else:
            spread(model.module, split)
        model.device = torch.device(place if split is None else split.first)
        return model


@pytest.fixture
def asked(zoo):
    """Ask two members on two devices: `asked(places, align, static)` gives what was done."""

    def ask(places, align, static, **how):
        fuse = TokenFuse(tuple(map(zoo, NAMES)), ("a", "b"), align=align)
        job = Job(fuse, ((("user", TEXT),),), Sampling(max_tokens=TOKENS, **how))
        with ExitStack() as opened:
            plain = opened.enter_context(Engine())
            toys = opened.enter_context(Toys(places, static=StaticSteps(static)))
            toys.generate(job).result(60)  # models are loaded, maps are moved
            toys.toys.clear()
            done = toys.generate(job).result(60)
            assert done.text == plain.generate(job).result(60).text
            return Counter(toys.toys.copies), toys.toys.waits

    return ask


HOW = {"greedy": {}, "drawn": {"temperature": 0.7, "seed": 3, "top_p": 0.9}}
UPLOADS = {"greedy": 3, "drawn": 9}
"""To the device of the first member in a step that is not static: its pass, and the draw."""


@pytest.mark.parametrize("how", ["greedy", pytest.param("drawn", marks=pytest.mark.slow)])
def test_logits_move_once_a_step_and_one_result_is_waited_for(asked, how):
    copies, waits = asked(("toy:0", "toy:1"), Union(), "nowhere", **HOW[how])
    assert copies["toy:1", "toy:0"] == copies["cpu", "toy:1"] == TOKENS
    assert copies["cpu", "toy:0"] <= UPLOADS[how] * TOKENS
    assert waits == ["tolist"] * TOKENS


@pytest.mark.parametrize("how", ["greedy", pytest.param("drawn", marks=pytest.mark.slow)])
def test_a_static_step_makes_one_upload(asked, how):
    copies, waits = asked(("toy:0", "toy:1"), Shared(), "everywhere", **HOW[how])
    later = TOKENS - 1  # the first step reads the prompt
    assert copies["cpu", "toy:0"] <= UPLOADS[how] + later
    assert (copies["cpu", "toy:1"], copies["toy:1", "toy:0"]) == (1, TOKENS)
    assert waits == ["tolist"] * TOKENS


@pytest.mark.slow
def test_a_member_in_parts_is_fused_as_a_whole_one(asked):
    copies, _ = asked(("toy:0*2+toy:1*2", "toy:2"), Union(), "nowhere")
    assert copies["toy:1", "toy:0"] == copies["toy:2", "toy:0"] == TOKENS
