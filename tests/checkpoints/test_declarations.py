"""What a recipe can declare, and when two declarations are one model."""

import asyncio
import json

import pytest
from pydantic import ValidationError

from composer import zoo
from composer.backends import BACKENDS, Capability, ModelError
from composer.backends.table import Backends
from composer.values import Client

hf, zoo_model, fake = BACKENDS["hf"], BACKENDS["zoo"], BACKENDS["fake"]
recorded = BACKENDS["recorded"]


@pytest.fixture
def anywhere(tmp_path, monkeypatch):
    """A hub cache with nothing in it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


def test_the_backends_are_named_as_recipes_name_them():
    assert {"hf", "zoo", "recorded", "fake"} <= set(BACKENDS)
    assert all(backend.name == name for name, backend in BACKENDS.items())


@pytest.mark.parametrize(("name", "first"), [("hf", "path"), ("zoo", "model"), ("fake", "says")])
def test_the_first_option_is_what_is_given_without_a_name(name, first):
    options = list(BACKENDS[name].model_fields)

    assert options[0] == first
    assert options[-1] == "price"


def test_every_backend_says_what_it_is():
    assert all(backend.summary().endswith(".") for backend in BACKENDS.values())


def test_other_packages_add_backends_but_do_not_replace_ours(monkeypatch):
    class Point:
        dist = None
        value = "package:Part"

        def __init__(self, name):
            self.name = name

        def load(self):
            return mine

    class mine(fake):  # noqa: N801 - as backends are written
        """Another backend."""

    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda **_: [Point("fake"), Point("mine")]
    )

    found = Backends()

    assert found["mine"] is mine
    assert found["fake"] is fake


def test_a_hub_model_is_deferred_until_it_is_here(anywhere):
    card = hf(path="someone/model").card()

    assert "is not on this machine" in card.deferred[0]
    assert Capability.LOGITS in card.capabilities


@pytest.fixture
def snapshot(tmp_path, monkeypatch):
    """A hub model in the cache, so far without weights."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--someone--model"
    folder = repository / "snapshots" / "c0ffee"
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


def test_a_hub_model_without_its_weights_is_deferred(snapshot):
    assert hf(path="someone/model").card().deferred


def test_a_hub_model_in_the_cache_is_read_and_known_by_its_commit(snapshot):
    (snapshot / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")

    declared = hf(path="someone/model")

    assert declared.card().architecture == "llama"
    assert declared.weights.key == "someone/model@c0ffee"
    assert declared.weights.location == str(snapshot)


@pytest.mark.parametrize("path", ["./models/a", "/models/a", "~/models/a", "a/b/c", "../a"])
def test_a_path_that_leads_nowhere_is_no_hub_model(path, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(ModelError, match="there is no folder") as caught:
        hf(path=path).card()

    assert caught.value.code == "E501"


def test_a_file_is_no_model_folder(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"")

    with pytest.raises(ModelError, match="is a file"):
        hf(path=str(tmp_path / "model.bin")).card()


@pytest.mark.parametrize("options", [{"dtype": "int3"}, {"price": (-1, 2)}, {"temperature": 1}])
def test_options_are_checked(options):
    with pytest.raises(ValidationError):
        hf(path="a/b", **options)


def test_short_and_long_dtypes_are_one(anywhere):
    assert hf(path="a/b", dtype="bf16").identity() == hf(path="a/b", dtype="bfloat16").identity()


def test_price_is_no_part_of_what_the_weights_are(anywhere):
    cheap, dear = (hf(path="a/b", price=(price, price)) for price in (1, 2))

    assert cheap.identity() == dear.identity()
    assert dear.card().price == (2, 2)


@pytest.mark.parametrize("options", [{"revision": "x"}, {"dtype": "fp32"}, {"device": "cpu"}])
def test_what_changes_the_answers_changes_the_identity(anywhere, options):
    assert hf(path="a/b").identity() != hf(path="a/b", **options).identity()


def test_one_folder_under_two_paths_is_one_model(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")

    ours, theirs = (hf(path=str(tmp_path / name)).weights for name in "ab")

    assert ours.shared == theirs.shared


def test_a_local_model_says_which_weights_are_read(anywhere):
    weights = hf(path="a/b", dtype="bf16", revision="r1").weights

    assert (weights.location, weights.dtype) == ("a/b", "bfloat16")
    assert weights.key == "a/b@r1"


def test_data_files_may_know_a_model_by_its_folder():
    assert hf(path="models/Qwen/").aliases[0] == "Qwen"


def test_text_backends_are_asked_for_text(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"query": "q", "recorded": {"m": {"text": "a"}}}))

    for backend in (fake(), recorded(file=str(file), model="m")):
        assert isinstance(asyncio.run(backend.open("A")), Client)


def test_zoo_models_have_cards_and_checkpoints():
    name = zoo.names()[0]

    declared = zoo_model(model=name)

    assert declared.card().parameters < 10_000_000
    assert declared.weights.local
    assert declared.aliases == (name,)


def test_a_slip_in_a_zoo_name_is_mended():
    with pytest.raises(ModelError, match="unknown zoo model `mahts`") as caught:
        zoo_model(model="mahts").card()

    assert caught.value.help == "did you mean `maths`?"
