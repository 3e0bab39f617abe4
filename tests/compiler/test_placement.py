"""Placement: which model goes to which device."""

import pytest

from composer.backends.hf import HF
from composer.compiler.plan import Device, devices, make_plan, place_models
from composer.compiler.rules import optimize
from composer.diagnostics import Mistakes
from composer.values.capability import Capability
from composer.values.card import Card

GIB = 2**30


def gpus(*free):
    return tuple(Device(f"cuda:{i}", room * GIB) for i, room in enumerate(free))


def sizes(**gibs):
    return {name: (gib * GIB, "auto") for name, gib in gibs.items()}


def test_the_largest_goes_where_most_room_is():
    assert place_models(sizes(small=1, large=10), gpus(8, 24)) == {
        "large": "cuda:1",
        "small": "cuda:1",
    }


def test_models_are_spread_over_devices():
    assert place_models(sizes(a=10, b=10), gpus(24, 24)) == {"a": "cuda:0", "b": "cuda:1"}
    assert place_models(sizes(a=10, b=10, c=4), gpus(24, 20)) == {
        "a": "cuda:0",
        "b": "cuda:1",
        "c": "cuda:0",
    }


def test_a_model_takes_more_room_than_its_weights():
    with pytest.raises(Mistakes):
        place_models(sizes(a=10), gpus(11))
    assert place_models(sizes(a=10), gpus(13)) == {"a": "cuda:0"}


def test_what_does_not_fit_together_shares_the_largest_device():
    assert place_models(sizes(a=10, b=10, c=10), gpus(8, 16)) == dict.fromkeys("abc", "cuda:1")


def test_the_cpu_has_no_limit():
    assert place_models(sizes(a=1000), (Device("cpu"),)) == {"a": "cpu"}


def test_a_model_goes_where_it_asks_to():
    asked = {"a": (GIB, "cuda:1"), "b": (GIB, "cpu"), "c": (GIB, "cuda")}
    assert place_models(asked, gpus(8, 2)) == {"a": "cuda:1", "b": "cpu", "c": "cuda:0"}


def test_models_that_ask_for_a_device_take_its_room_before_others():
    asked = {"large": (10 * GIB, "auto"), "small": (6 * GIB, "cuda:0")}
    assert place_models(asked, gpus(16, 14)) == {"small": "cuda:0", "large": "cuda:1"}


def test_a_model_of_unknown_size_takes_no_room():
    assert place_models({"a": (None, "auto")}, gpus(1)) == {"a": "cuda:0"}


def test_what_fits_nowhere_is_refused_all_at_once():
    with pytest.raises(Mistakes) as caught:
        place_models(sizes(a=40, b=80, c=1), gpus(24, 24))
    found = caught.value.diagnostics
    assert [each.code for each in found] == ["E601", "E601"]
    assert found[0].message == "`b` needs 96.0 GiB, more than any device has free"
    assert found[0].help == "cuda:0 has 24.0 GiB free; use a smaller `dtype`, or `device = cpu`"


def test_a_device_that_is_too_small_for_what_asks_for_it_is_refused():
    with pytest.raises(Mistakes) as caught:
        place_models({"a": (20 * GIB, "cuda:1")}, gpus(40, 10))
    assert caught.value.diagnostics[0].code == "E601"
    assert "cuda:1 has 10.0 GiB" in caught.value.diagnostics[0].help


def test_a_device_that_is_not_there_is_refused():
    for here in (gpus(8), (Device("cpu"),)):
        with pytest.raises(Mistakes) as caught:
            place_models({"a": (GIB, "cuda:7")}, here)
        assert caught.value.diagnostics[0].code == "E602"
        assert here[0].name in caught.value.diagnostics[0].help


@pytest.fixture
def planned(graph, monkeypatch):
    """Plan a recipe over checkpoints of as many GiB as their names say, on given devices."""

    def size(self):
        return Card(~Capability(0), "test", bytes=int(self.path) * GIB, vocabulary="one")

    monkeypatch.setattr(HF, "card", size)

    def plan(text, *here):
        compiled = graph(text, models="")
        return make_plan(compiled, optimize(compiled.graph, compiled.answer), here)

    return plan


def test_a_plan_says_where_its_models_go_and_the_graph_too(planned):
    text = 'model A = hf("10")\nmodel B = hf("6")\ntoken_fuse(A, B)'
    made = planned(text, *gpus(16, 14))
    assert {model.name: model.device for model in made.plan.models} == {
        "A": "cuda:0",
        "B": "cuda:1",
    }
    fuse = made.root.inputs[1]
    assert [each.get("declaration").device for each in fuse.inputs] == ["cuda:0", "cuda:1"]


def test_equal_declarations_take_their_room_once(planned):
    text = 'model A = hf("10")\nmodel B = hf("10")\n[A, B] -> vote()'
    made = planned(text, *gpus(13, 12))
    assert [model.device for model in made.plan.models] == ["cuda:0", "cuda:0"]


def test_what_cannot_be_placed_is_shown_where_it_is_declared(planned):
    with pytest.raises(Mistakes) as caught:
        planned(
            'model big = hf("100")\nmodel lost = hf("1", device = "cuda:3")\nbig | lost', *gpus(24)
        )
    first, second = caught.value.diagnostics
    assert (first.code, first.place.text, first.place.line) == ("E601", "big", 1)
    assert (second.code, second.place.text, second.place.line) == ("E602", "lost", 2)


def test_devices_are_found_without_torch():
    assert devices()
