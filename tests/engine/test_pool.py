import json
from types import SimpleNamespace

import pytest
from fusing import stored

from composer.engine import pool as pools
from composer.engine import stacks
from composer.engine.pool import ModelPool, PoolFull, weight_bytes
from composer.specs import Declared
from composer.values import ModelError

MB = 10**6


class FakeRunner:
    def __init__(self, model):
        self.model, self.idle, self.stack = model, True, None


@pytest.fixture
def pool(monkeypatch):
    """A pool whose models are names, 40 MB each unless their name says otherwise."""
    monkeypatch.setattr(pools, "Runner", FakeRunner)
    monkeypatch.setattr(pools, "weight_bytes", lambda c, _: int(c.name[1:] or 40) * MB)

    def make(**room):
        devices = {name.replace("_", ":"): size * MB for name, size in room.items()}
        return ModelPool(devices, lambda c, device: SimpleNamespace(name=c.name, device=device))

    return make


def model(name, **options):
    return stored(name, name, name, **options)


def held(pool):
    return [runner.model.name for runner in pool.runners()]


def test_equal_keys_are_one_runner(pool):
    made = pool(cpu=100)
    one = stored("key", "A", "folder")
    two = stored("key", "B", "folder")
    assert len({id(runner) for runner in made.get([one, two])}) == 1


def test_the_least_recently_used_idle_model_makes_room(pool):
    made = pool(cpu=100)
    for name in ("A", "B", "A", "C"):
        made.get([model(name)])
    assert held(made) == ["A", "C"]


def test_busy_models_stay(pool):
    made = pool(cpu=100)
    made.get([model("A")])[0].idle = False
    made.get([model("B")])
    made.get([model("C")])
    assert held(made) == ["A", "C"]


def test_a_job_waits_while_busy_models_leave_no_room(pool):
    made = pool(cpu=100)
    for runner in made.get([model("A"), model("B")]):
        runner.idle = False
    with pytest.raises(PoolFull):
        made.get([model("C")])
    assert held(made) == ["A", "B"]


def test_models_of_one_job_do_not_push_each_other_out(pool):
    made = pool(cpu=100)
    with pytest.raises(PoolFull):
        made.get([model("A"), model("B"), model("C")])


def test_a_model_larger_than_the_device_is_an_error(pool):
    with pytest.raises(ModelError, match=r"`A200` needs 190.7 MiB, more than any device has free"):
        pool(cpu=100).get([model("A200")])


def test_models_go_to_the_emptiest_gpu_then_to_the_cpu(pool):
    made = pool(cuda_0=50, cuda_1=90, cpu=100)
    where = [made.get([model(n)])[0].model.device for n in ("A", "B", "C", "D")]
    assert where == ["cuda:1", "cuda:0", "cuda:1", "cpu"]


def test_a_model_larger_than_any_device_is_loaded_in_parts(pool, monkeypatch):
    monkeypatch.setattr(pools, "layer_bytes", lambda _: (10 * MB,) * 8)
    monkeypatch.setattr(Declared, "tensors", {"all": SimpleNamespace(bytes=80 * MB)})
    made = pool(cuda_0=50, cuda_1=60, cpu=60)
    made.get([model("A", device="cpu")])
    (large,) = made.get([model("L80")])
    assert large.model.device == "cuda:1*4+cuda:0*4"
    assert [made._free(device) for device in ("cuda:0", "cuda:1")] == [10 * MB, 20 * MB]
    large.idle = True
    made.get([model("B50")])  # in its place
    assert held(made) == ["A", "B50"]


def test_a_named_device_is_obeyed(pool):
    made = pool(cuda_0=50, cuda_1=90, cpu=100)
    assert made.get([model("A", device="cuda")])[0].model.device == "cuda:0"
    assert made.get([model("B", device="cpu")])[0].model.device == "cpu"
    with pytest.raises(ModelError, match="cuda:3"):
        made.get([model("C", device="cuda:3")])


def test_weights_are_measured_by_their_files_headers(tmp_path):
    header = {
        "__metadata__": {"format": "pt"},
        "w": {"dtype": "F16", "shape": [3, 5], "data_offsets": [0, 30]},
    }
    text = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(30))
    plain = stored("k", "k", str(tmp_path))
    assert weight_bytes(plain, "cpu") == 60
    assert weight_bytes(plain, "cuda:0") == 30
    assert weight_bytes(stored("k", "k", str(tmp_path), dtype="bfloat16"), "cpu") == 30


def test_models_of_a_stack_leave_memory_together(monkeypatch, pool):
    monkeypatch.setattr(stacks, "StackedMembers", lambda runners, most: (tuple(runners), most))
    models = pool(cpu=100)
    models.stacks.want([model("A"), model("B")], 4)
    a, b = models.get([model("A"), model("B")])
    assert a.stack == b.stack == ((a, b), 4)
    (c,) = models.get([model("C")])
    assert models.runners() == [c]
    assert c.stack is None
    assert models.get([model("A")])[0].stack is None
    assert models.get([model("B")])[0].stack is not None


def test_a_model_that_is_needed_keeps_its_whole_stack_in_memory(monkeypatch, pool):
    monkeypatch.setattr(stacks, "StackedMembers", lambda runners, most: (tuple(runners), most))
    models = pool(cpu=100)
    models.stacks.want([model("A"), model("B")], 4)
    _, b = models.get([model("A"), model("B")])
    b.idle = False
    with pytest.raises(PoolFull):
        models.get([model("C")])
