"""Placement: which model goes to which device."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import zoo
from composer.backends.hf import HF
from composer.checkpoints.demands import Demand, Placement
from composer.checkpoints.folder import card_of
from composer.checkpoints.placement import place
from composer.compiler.plan import Device, devices, make_plan, place_models
from composer.compiler.plan.placement import _widening
from composer.compiler.rules import optimize
from composer.diagnostics import Mistakes
from composer.engine.pool import weight_bytes
from composer.specs import Declared
from composer.values.capability import Capability
from composer.values.card import Card

GIB = 2**30


def gpus(*free):
    return tuple(Device(f"cuda:{i}", room * GIB) for i, room in enumerate(free))


def model(name, gib, wanted="auto", **options):
    size = int(gib * GIB)
    return Demand(name, size, size, wanted, **options)


def layered(name, gib, count):
    """A model in layers of equal size, without anything else."""
    return model(name, gib, layers=(gib * GIB // count,) * count)


def placed(models, devices, *together):
    found = place_models(models, devices, [frozenset(each) for each in together])
    return {name: each.place for name, each in found.items()}


def whys(models, devices, *together):
    found = place_models(models, devices, [frozenset(each) for each in together])
    return {name: each.why for name, each in found.items() if each.why}


A, B, C = (model(name, 10) for name in "abc")
APART = "apart from `a`, since they step together"


def test_models_are_spread_over_devices():
    assert placed([A, B], gpus(24, 24)) == {"a": "cuda:0", "b": "cuda:1"}
    assert placed([model("small", 1), model("large", 10)], gpus(8, 24)) == {
        "large": "cuda:1",
        "small": "cuda:0",
    }


def test_models_that_step_together_are_apart_and_others_share():
    members = [model("a", 8), model("b", 8), model("c", 7)]
    devices = gpus(24, 24)
    assert placed(members, devices, "ac") == {"a": "cuda:0", "b": "cuda:1", "c": "cuda:1"}
    assert placed(members, devices, "ab") == {"a": "cuda:0", "b": "cuda:1", "c": "cuda:0"}
    assert whys(members, devices, "ab") == {"b": APART}


def test_members_that_fit_together_on_one_device_alone_share_it():
    members = [A, model("b", 6)]
    assert placed(members, gpus(5, 20), "ab") == {"a": "cuda:1", "b": "cuda:1"}
    assert whys(members, gpus(5, 20), "ab") == {"b": "beside `a`: no other device has room"}


def test_saved_timings_say_who_is_slow():
    slow = model("slow", 2, seconds={"cuda:0": 0.9, "cuda:1": 0.9})
    quick = [model(name, 4, seconds={"cuda:0": 0.1, "cuda:1": 0.1}) for name in "ab"]
    found = placed([slow, *quick], gpus(30, 30), ["slow", "a", "b"])
    assert found["a"] == found["b"] != found["slow"]
    timed = place_models([slow, model("c", 1)], gpus(30, 30))
    assert {name for name, each in timed.items() if each.timed} == {"slow"}


def test_what_does_not_fit_together_takes_turns_unless_it_is_asked_together():
    assert placed([A, B, C], gpus(8, 16)) == dict.fromkeys("abc", "cuda:1")
    assert whys([A, B, C], gpus(8, 16)) == {
        "b": "in turn with `a`",
        "c": "in turn with `a` and `b`",
    }
    with pytest.raises(Mistakes) as caught:
        place_models([A, B], gpus(8, 16), [frozenset("ab")])
    (found,) = caught.value.diagnostics
    assert found.message == "`b` does not fit beside `a`, with which it is asked: it needs 10.0 GiB"


def test_what_fits_no_gpu_goes_to_the_cpu_and_the_plan_says_so():
    devices = (*gpus(8, 8), Device("cpu", 64 * GIB))
    assert placed([A, model("b", 6)], devices) == {"a": "cpu", "b": "cuda:0"}
    assert whys([A], devices) == {"a": "no GPU has room for it"}
    assert placed([A], (Device("cpu"),)) == {"a": "cpu"}


def test_a_model_larger_than_any_device_is_spread_by_layers():
    large = layered("large", 40, 20)  # 2 GiB a layer
    assert placed([large], gpus(24, 24)) == {"large": "cuda:0*10+cuda:1*10"}
    assert placed([large], gpus(32, 16)) == {"large": "cuda:0*14+cuda:1*6"}
    assert placed([large], gpus(24, 24, 24)) == {"large": "cuda:0*10+cuda:1*10"}
    told = "layers 0 to 9 on cuda:0, 10 to 19 on cuda:1: it is larger than what one device has free"
    assert whys([large], gpus(24, 24)) == {"large": told}
    assert placed([large], (*gpus(24), Device("cpu", 20 * GIB))) == {"large": "cuda:0*11+cpu*9"}


def test_what_is_no_layer_lies_on_the_first_device():
    large = model("large", 44, layers=(2 * GIB,) * 20)
    assert placed([large], gpus(24, 24)) == {"large": "cuda:0*9+cuda:1*11"}
    found = place_models([large], gpus(24, 24))["large"]
    assert found.devices == {"cuda:0": 22 * GIB, "cuda:1": 22 * GIB}


def test_limits_of_a_model_choose_its_devices():
    limits = {"cuda:1": 6 * GIB, "cpu": 100 * GIB}
    devices = (*gpus(24, 24), Device("cpu", 100 * GIB))
    assert placed([model("a", 5, most=limits)], devices) == {"a": "cuda:1"}
    assert placed([model("a", 10, most=limits)], devices) == {"a": "cpu"}
    parts = Demand(
        "a", 20 * GIB, 20 * GIB, layers=(GIB,) * 20, most={"cuda:1": 8 * GIB, "cuda:0": 12 * GIB}
    )
    assert placed([parts], devices) == {"a": "cuda:0*12+cuda:1*8"}


def test_a_model_goes_where_it_asks_to():
    asked = [model("a", 1, "cuda:1"), model("b", 1, "cpu"), model("c", 1, "cuda")]
    devices = (*gpus(8, 2), Device("cpu"))
    assert placed(asked, devices) == {"a": "cuda:1", "b": "cpu", "c": "cuda:0"}


def test_models_that_ask_for_a_device_take_its_room_before_others():
    asked = [model("large", 10), model("small", 6, "cuda:0")]
    assert placed(asked, gpus(16, 14)) == {"small": "cuda:0", "large": "cuda:1"}


def test_a_place_that_was_chosen_before_stays():
    assert placed([layered("a", 40, 20)], gpus(24, 24)) == placed(
        [Demand("a", 40 * GIB, 40 * GIB, "cuda:0*10+cuda:1*10", layers=(2 * GIB,) * 20)],
        gpus(24, 24),
    )


def test_what_fits_nowhere_is_refused_all_at_once():
    with pytest.raises(Mistakes) as caught:
        place_models([model("a", 40), model("b", 80), model("c", 1)], gpus(24, 24))
    found = caught.value.diagnostics
    assert [each.code for each in found] == ["E601", "E601"]
    assert found[0].message == "`b` needs 80.0 GiB, more than any device has free"
    assert found[0].help == "cuda:0 has 24.0 GiB free; use a smaller `dtype`, or `device = cpu`"


def test_a_limit_that_leaves_no_room_is_the_remedy():
    limited = model("a", 1, most={"cuda:0": 500})
    with pytest.raises(Mistakes) as caught:
        place_models([limited], gpus(24))
    (found,) = caught.value.diagnostics
    assert found.help == (
        "cuda:0 has 500 B free; raise its `max_memory`, or name more devices there"
    )


def test_a_device_that_is_too_small_for_what_asks_for_it_is_refused():
    with pytest.raises(Mistakes) as caught:
        place_models([model("a", 20, "cuda:1")], gpus(40, 10))
    assert caught.value.diagnostics[0].code == "E601"
    assert "cuda:1 has 10.0 GiB" in caught.value.diagnostics[0].help


def test_a_device_that_is_not_there_is_refused():
    for here in (gpus(8), (Device("cpu"),)):
        with pytest.raises(Mistakes) as caught:
            place_models([model("a", 1, "cuda:7")], here)
        assert caught.value.diagnostics[0].code == "E602"
        assert here[0].name in caught.value.diagnostics[0].help


NAMES = "abcdef"
CASES = st.tuples(
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
    st.lists(st.integers(4, 30), min_size=1, max_size=3),
    st.lists(st.sets(st.sampled_from(NAMES), min_size=2, max_size=4), max_size=3),
)


def case(sizes, rooms, groups):
    models = [layered(name, gib, 2) for name, gib in zip(NAMES, sizes, strict=False)]
    return models, gpus(*rooms), [frozenset(group) & set(NAMES[: len(sizes)]) for group in groups]


@given(CASES)
def test_models_that_are_asked_together_never_exceed_a_device(drawn):
    models, devices, groups = case(*drawn)
    found = place(models, devices, groups)
    for device in devices:
        for group in (*groups, *({name} for name in found)):
            taken = (found[n].devices for n in group if isinstance(found[n], Placement))
            assert sum(each.get(device.name, 0) for each in taken) <= device.free


def slowest(models, devices, groups, found):
    """The seconds of the steps of all groups, each as slow as its slowest device."""
    time = {each.name: each.time("cuda:0") for each in models}
    loads = [
        max(sum(time[n] for n in group if device.name in found[n].devices) for device in devices)
        for group in groups
        if len(group) > 1
    ]
    return sum(loads)


@given(CASES)
def test_steps_are_never_slower_than_by_putting_models_where_most_room_is(drawn):
    models, devices, groups = case(*drawn)
    found = place(models, devices, groups)
    if all(
        isinstance(each, Placement) and not each.why.startswith(("in turn", "layers"))
        for each in found.values()
    ):
        free, naive = {each.name: each.free for each in devices}, {}
        for each in sorted(models, key=lambda each: -each.gpu):
            roomiest = max(free, key=free.get)
            if free[roomiest] < each.gpu:
                return
            free[roomiest] -= each.gpu
            naive[each.name] = Placement(roomiest, {roomiest: each.gpu})
        ours = slowest(models, devices, groups, found)
        assert ours <= slowest(models, devices, groups, naive) + 1e-9


@given(CASES)
def test_the_same_models_are_placed_alike_each_time(drawn):
    models, devices, groups = case(*drawn)
    assert str(place(models, devices, groups)) == str(place(models, devices, groups[::-1]))


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


def test_a_recipe_limits_what_a_model_takes(planned, monkeypatch):
    limits = 'max_memory = [["cuda:1", "15 GB"], ["cpu", "64 GB"]]'
    devices = (*gpus(24, 24), Device("cpu", 64 * GIB))
    (model,) = planned(f'model A = hf("10", {limits})\nA', *devices).plan.models
    assert model.device == "cuda:1"
    (model,) = planned(f'model A = hf("20", {limits})\nA', *devices).plan.models
    assert (model.device, model.why) == ("cpu", "no GPU has room for it")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ('[["gpu", "2 GB"]]', "`gpu` is not one device"),
        ('[["cpu", "many"]]', "`many` is not a size above 0, such as `20 GB`"),
        ('[["cpu", "0 GB"]]', "`0 GB` is not a size above 0, such as `20 GB`"),
    ],
)
def test_limits_that_are_none_are_refused(planned, limits, message):
    with pytest.raises(Mistakes) as caught:
        planned(f'model A = hf("10", max_memory = {limits})\nA', *gpus(24))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("E402", message)


def test_devices_are_found_without_torch():
    assert devices()


@pytest.mark.parametrize("quantize", [None, "int8", "int4"])
def test_a_plan_counts_weights_on_a_cpu_as_the_engine_does(quantize):
    folder = zoo.folder("maths")  # its numbers are float16
    declared = Declared("m", HF(path=str(folder), quantize=quantize))
    stored = card_of(folder, "auto", quantize).bytes
    assert stored + _widening(declared) == weight_bytes(declared, "cpu")
