"""Members on several GPUs; with one GPU these tests skip."""

import pytest
import torch
from fusing import Job, TokenFuse

from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.specs import Declared
from composer.values import Sampling

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _two(_gpu):
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")


def test_members_on_two_gpus_answer_as_on_a_cpu():
    def answer(*places):
        members = tuple(
            Declared(name, Zoo(model=name, device=place, dtype="float32"))
            for name, place in zip(("general-1", "maths"), places, strict=True)
        )
        job = Job(
            TokenFuse(members, ("a", "b")), ((("user", "3 + 4 = ?"),),), Sampling(max_tokens=8)
        )
        with Engine() as engine:
            answers = [engine.generate(job).result(120) for _ in range(3)]  # the last are replayed
        assert not any("CUDA graph" in str(each.facts) for each in answers)
        return [each.text for each in answers]

    assert answer("cuda:0", "cuda:1") == answer("cpu", "cpu")
