"""Replicas must be what this process is: the same versions, the same models."""

import shutil

import composer
from composer.cluster.identity import differences, differing, identities, versions
from composer.compiler.plan.pools import pools_of
from composer.zoo import folder


def test_versions_that_differ_are_named():
    here = {"Python": "3.11", "torch": "2.9.0", "transformers": "5.1.0"}
    assert differing(here, {**here, "torch": "2.8.0"}) == "torch 2.8.0 instead of 2.9.0"
    assert differing(here, {}).startswith("Python not installed instead of 3.11, torch")
    assert not differing(here, here)


def test_the_version_of_this_project_has_a_digest_of_its_sources():
    own = versions()["ensemble-composer"]
    assert own.startswith(composer.__version__)
    assert len(own.partition("(")[2].rstrip(")")) == 8


def test_a_lock_holds_every_byte_and_without_one_sizes_and_tokenizers_count(tmp_path):
    ours = tmp_path / "ours"
    shutil.copytree(folder("maths"), ours)
    (pool,) = pools_of(composer.load(f'model A = hf("{ours}")\nA').optimized.root)
    before = [identities(pool.models, locked=locked) for locked in (False, True)]
    weights = ours / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    after = [identities(pool.models, locked=locked) for locked in (False, True)]
    assert differences(before[0], after[0]) == []
    assert differences(before[1], after[1]) == ["A"]


def test_what_is_not_known_on_one_machine_is_not_compared():
    assert differences({"A": "", "B": "1"}, {"A": "1", "B": ""}) == []
