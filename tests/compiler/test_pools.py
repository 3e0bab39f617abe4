"""Pools on a cluster: which models are held together, what a replica takes, and where it fits."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import composer
from composer import Mistakes, zoo
from composer.compiler.plan.cluster_room import unplaced
from composer.compiler.plan.describe import describe
from composer.compiler.plan.pools import Pool, pools_of

PLANS = Path(__file__).parent / "plans"
ZOO = 'use "zoo.ens" (A, B, C, D)\n'


def pools(text):
    recipe = composer.load(ZOO + text)
    return pools_of(recipe.optimized.root, recipe.compiled.graph)


def named(text):
    return {pool.name for pool in pools(text)}


def mistakes(text):
    with pytest.raises(Mistakes) as raised:
        composer.load(text)
    return raised.value.diagnostics


def test_members_of_a_fuse_are_one_pool_and_a_lone_model_is_another():
    assert named("token_fuse(A, B) -> cascade(D)") == {"A+B", "D"}


def test_models_that_answer_whole_are_pools_of_their_own():
    assert named("[A, B, C] -> vote()") == {"A", "B", "C"}


def test_fuses_with_a_common_member_are_one_pool():
    assert named("[token_fuse(A, B), token_fuse(B, C)] -> vote()") == {"A+B+C"}


def test_a_member_that_is_also_asked_alone_stays_with_its_group():
    assert named("[token_fuse(A, B), A] -> vote()") == {"A+B"}


def test_the_mission_has_two_pools():
    assert named("route -> [span_fuse(A, B, C)] -> cascade(D)") == {"A+B+C", "D"}


def test_models_that_share_their_weights_are_one_pool_that_has_them_once():
    text = 'model M = zoo("general-1")\nmodel N = zoo("general-1", cpus = 2)\n[M, N, A] -> vote()'
    both = next(pool for pool in pools(text) if len(pool.models) > 1)
    assert both.cpus == 2
    assert both.bytes == 4 * 480_096


def test_models_behind_servers_are_in_no_pool():
    assert named('model E = fake("x")\n[A, E] -> vote()') == {"A"}


def test_a_replica_takes_the_sum_of_its_members():
    text = (
        'model M = zoo("general-1", replicas = [1, 4], cpus=2, gpus=0.5, resources=[big: 1])\n'
        'model N = zoo("general-2", resources = [big: 2])\ntoken_fuse(M, N)'
    )
    (pool,) = pools(text)
    assert (pool.fewest, pool.most) == (1, 4)
    assert pool.bundle == {"CPU": 3.0, "GPU": 0.5, "big": 3.0}
    assert pool.memory > pool.bytes


def test_gpus_above_one_are_whole_as_a_cluster_gives_them():
    text = 'model E = zoo("general-1", gpus = 1)\nmodel F = zoo("general-2", gpus = 0.5)\n'
    assert [pool.gpus for pool in pools(text + "token_fuse(E, F)")] == [2]
    assert {pool.gpus for pool in pools(text + "[E, F] -> vote()")} == {1, 0.5}


def test_weights_on_a_cpu_take_memory_of_their_machine():
    (pool,) = pools("A(max_tokens = 4)")
    assert pool.bundle == {"CPU": 1.0, "memory": pool.memory}


def test_stored_in_bfloat16_they_are_float32_on_a_cpu_and_stay_small_on_a_gpu(tmp_path):
    shutil.copytree(zoo.folder("general-1"), tmp_path / "half")
    file = tmp_path / "half" / "model.safetensors"
    save_file({name: each.bfloat16() for name, each in load_file(file).items()}, file)
    text = f'model M = hf("{tmp_path / "half"}", gpus = {{}})\nM'
    (here,), (gpu,) = (pools(text.format(gpus)) for gpus in (0, 1))
    assert here.bytes == gpu.bytes
    assert here.memory - gpu.memory == gpu.bytes


def test_a_derived_model_has_the_copies_of_its_first_donor():
    text = (
        'model M = zoo("general-1", replicas = 3, cpus = 2)\nmodel N = zoo("general-2")\n'
        "merge(0.5 * M + 0.5 * N)"
    )
    (pool,) = pools(text)
    assert (pool.most, pool.cpus) == (3, 2.0)


def test_different_replicas_in_one_pool_are_a_mistake_with_both_places():
    (mistake,) = mistakes(
        'model M = zoo("general-1", replicas = 2)\nmodel N = zoo("general-2", replicas = [1, 2])\n'
        "token_fuse(M, N)"
    )
    assert mistake.code == "E411"
    assert mistake.place.text == "[1, 2]"
    assert mistake.notes[0].place.text == "2"


@pytest.mark.parametrize("fuse", ["token_fuse", "span_fuse", "byte_fuse"])
def test_members_on_different_machines_are_refused(fuse):
    (mistake,) = mistakes(
        'model M = zoo("general-1", resources = [big: 1])\n'
        f'model N = zoo("general-2", resources = [fast: 1])\n{fuse}(M, N)'
    )
    assert mistake.code == "E307"
    assert f"`{fuse}` writes with both" in mistake.message


def test_members_that_name_the_same_resources_are_together():
    text = 'model M = zoo("general-1", resources = [big: 1])\n'
    text += 'model N = zoo("general-2", resources = [big: 2])\ntoken_fuse(M, N, A)'
    assert named(text) == {"M+N+A"}


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("replicas = 0", "E402"),
        ("replicas = [3, 1]", "E402"),
        ("replicas = 1.5", "E401"),
        ("cpus = 0", "E402"),
        ("gpus = -1", "E402"),
        ("resources = [CPU: 1]", "E402"),
        ("resources = [big: 0]", "E402"),
        ('resources = [big: "x"]', "E402"),
    ],
)
def test_wrong_values_are_mistakes_at_their_place(option, code):
    (mistake,) = mistakes(f'model M = zoo("general-1", {option})\nM')
    assert mistake.code == code
    assert mistake.place.text in option


def test_a_model_behind_a_server_has_no_replicas():
    (mistake,) = mistakes('model E = fake("x", replicas = 2)\nE')
    assert mistake.code == "E407"


def test_options_of_a_cluster_change_no_fingerprint():
    plain = composer.load('model M = zoo("general-1")\nM')
    spread = composer.load('model M = zoo("general-1", replicas = 2, resources = [big: 1])\nM')
    assert plain.fingerprint == spread.fingerprint


def test_a_plan_shows_pools_where_a_recipe_or_a_caller_speaks_of_them(golden):
    text = (
        'model M = zoo("general-1", replicas = [1, 4], gpus = 0.5, resources = [big: 1])\n'
        "[M, token_fuse(B, C)] -> vote()"
    )
    lines = describe(composer.load(ZOO + text).plan()).split("\n\n")
    golden(PLANS / "pools.txt", next(each for each in lines if each.startswith("pools")))
    silent = composer.load(ZOO + "A")
    assert silent.plan().pools == ()
    assert [pool.name for pool in silent.for_cluster().plan().pools] == ["A"]


def pool(name, fewest=1, **bundle):
    cpus, gpus = bundle.pop("CPU", 1.0), bundle.pop("GPU", 0.0)
    return Pool(name, (), cpus, gpus, bundle, fewest, fewest)


def test_a_replica_that_fits_on_no_node_is_told_with_what_the_nearest_has():
    (mistake,) = unplaced([pool("A", CPU=4)], [{"CPU": 2.0}, {"GPU": 1.0}])
    assert "it takes 4 CPUs, and the nearest node has 2 CPUs" in mistake.message


def test_more_replicas_than_there_is_room_for_are_told():
    (mistake,) = unplaced([pool("A", 3)], [{"CPU": 1.0}, {"CPU": 1.0}])
    assert "3 replicas" in mistake.message
    assert "room for 2" in mistake.message


def test_more_replicas_than_can_be_counted_are_told_at_once():
    (told,) = unplaced([Pool("A", (), fewest=10**11, most=10**11)], [{"CPU": 3.0}])
    assert "the cluster has room for 3" in told.message


def test_the_largest_go_first_so_that_all_fit():
    small, large = pool("A", 2, CPU=1), pool("B", 1, CPU=3)
    assert not list(unplaced([small, large], [{"CPU": 3.0}, {"CPU": 2.0}]))


class SmallCluster:
    """One node of one CPU, on which nothing starts."""

    def nodes(self):
        return ({"CPU": 1.0, "memory": 2.0**30},)


def test_a_recipe_that_does_not_fit_is_refused_before_anything_starts():
    recipe = composer.load(ZOO + "token_fuse(A, B)")
    with pytest.raises(Mistakes, match="E603") as raised:
        recipe.ready(cluster=SmallCluster())
    assert "it takes 2 CPUs, and the nearest node has 1 CPU" in str(raised.value)


AMOUNTS = st.fixed_dictionaries({"CPU": st.integers(1, 4), "GPU": st.integers(0, 2)})


@given(st.lists(st.tuples(AMOUNTS, st.integers(1, 3)), max_size=4), st.lists(AMOUNTS, max_size=4))
def test_what_is_not_refused_takes_no_more_than_there_is(wanted, nodes):
    all_pools = [pool(f"{at}", fewest, **bundle) for at, (bundle, fewest) in enumerate(wanted)]
    refused = list(unplaced(all_pools, nodes))
    for name in ("CPU", "GPU"):
        taken = sum(each.fewest * each.bundle.get(name, 0) for each in all_pools)
        assert refused or taken <= sum(node[name] for node in nodes)
