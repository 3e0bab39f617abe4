"""Saved timings: what is read, and what is refused with its reason."""

import pytest

from composer import zoo
from composer.backends.hf import HF
from composer.backends.zoo import Zoo
from composer.specs import Declared
from composer.specs.shapes import shape_of
from composer.values import timings as module
from composer.values.timings import (
    Machine,
    ShapeTimings,
    Timings,
    read_timings,
    this_machine,
    timings_file,
)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def saved(**changes):
    """Save timings of this machine, but for some facts of it; return them."""
    machine = this_machine().model_copy(update=changes)
    one = ShapeTimings(shape="ab", device="cpu", name="A", decode={1: 0.004, 16: 0.01})
    found = Timings(machine=machine, shapes=(one,))
    timings_file().parent.mkdir(exist_ok=True)
    timings_file().write_text(found.model_dump_json())
    return found


def test_what_was_saved_is_read():
    kept = saved()
    found = read_timings()
    assert (found.timings, found.why) == (kept, "")
    assert found.timings.of("ab", "cpu").decode[16] == 0.01
    assert found.timings.of("ab", "cuda:0") is None
    assert len(found.timings.digest) == 12


def test_the_digest_is_of_the_content():
    one = saved()
    faster = one.shapes[0].model_copy(update={"decode": {1: 0.003}})
    assert saved().digest == one.digest != one.with_more((faster,)).digest


def test_without_a_file_it_says_what_to_run():
    assert "run `compose doctor --measure`" in read_timings().why
    assert read_timings().timings is None


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"torch": "1.0"}, "are of torch 1.0, but this is"),
        ({"threads": "7"}, "have OMP_NUM_THREADS 7, but it is 1"),
        ({"cores": 999}, "are of another machine"),
        ({"devices": {"cpu": "abacus"}}, "are of another machine"),
        ({"devices": {"cpu": "abacus", "cuda:0": "H200"}}, "are of another machine"),
    ],
)
def test_timings_of_another_machine_are_not_used(monkeypatch, facts, why):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    saved(**facts)
    assert read_timings().timings is None
    assert why in read_timings().why


def test_timings_with_a_gpu_hold_where_the_driver_names_it(monkeypatch):
    cpu = this_machine().devices["cpu"]
    saved(devices={"cpu": cpu, "cuda:0": "H200"})
    monkeypatch.setattr(module, "gpus", lambda: ("H200",))
    assert read_timings().timings is not None
    monkeypatch.setattr(module, "gpus", lambda: ("A100",))
    assert "another machine" in read_timings().why


def test_the_driver_is_not_asked_where_no_gpu_was_measured(monkeypatch):
    saved(devices={"cpu": this_machine().devices["cpu"]})
    monkeypatch.setattr(module, "gpus", lambda: pytest.fail("asked"))
    assert read_timings().timings is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"version": 1, "torch": "2", "devices": {}}',
        b'{"version": 3, "machine": {"devices": {}, "cores": 1, "threads": "", "torch": ""}}',
    ],
)
def test_a_damaged_file_and_one_of_another_version_are_not_used(content):
    timings_file().parent.mkdir(exist_ok=True)
    timings_file().write_bytes(content)
    assert "damaged, or another version" in read_timings().why


@pytest.mark.parametrize("seconds", [0, -1, "inf", "nan"])
def test_times_that_are_no_times_are_damage(seconds):
    text = saved().model_dump_json().replace("0.004", str(seconds))
    timings_file().write_text(text)
    assert read_timings().timings is None


def test_models_of_one_size_have_one_shape():
    maths, text, large = (Declared("M", Zoo(model=n)) for n in ("maths", "text", "large"))
    assert shape_of(maths, "cpu") == shape_of(text, "cpu") != shape_of(large, "cpu")


def test_a_shape_has_the_numbers_that_weights_become():
    folder = str(zoo.folder("maths"))
    auto, half = (Declared("M", HF(path=folder, dtype=dtype)) for dtype in ("auto", "bf16"))
    assert shape_of(auto, "cpu") == shape_of(Declared("M", Zoo(model="maths")), "cpu")
    assert shape_of(auto, "cpu") != shape_of(half, "cpu")
    assert shape_of(auto, "cuda:0") != shape_of(auto, "cpu")


def test_a_model_that_is_not_here_has_no_shape():
    assert shape_of(Declared("M", HF(path="nobody/nothing")), "cpu") is None


def test_a_machine_without_torch_is_a_machine(monkeypatch):
    monkeypatch.setattr(module, "torch_version", str)
    assert isinstance(this_machine(gpu=False), Machine)
