"""Headers of weights are believed only where they agree with their file, and in its folder."""

import os

import pytest
from folders import copied, read_weights, restate, write_weights

from composer.specs.content import folder_digest
from composer.specs.headers import shards, tensors_of
from composer.values import ModelError

FIRST = "model.embed_tokens.weight"


@pytest.fixture
def folder(tmp_path):
    return copied(tmp_path)


def refused(folder, told):
    with pytest.raises(ModelError) as no:
        tensors_of(folder)
    assert no.value.code == "E505"
    assert told in no.value.message
    assert no.value.help


def spoil(folder, **entry):
    """Change the header's entry of one tensor."""
    file = folder / "model.safetensors"
    header, data = read_weights(file)
    header[FIRST] |= entry
    write_weights(file, header, data)


@pytest.mark.parametrize(
    "entry",
    [
        {"shape": [-1, 96]},
        {"shape": [384.0, 96]},
        {"shape": "384"},
        {"shape": [384, 97]},
        {"shape": [10**30, 96]},
        {"dtype": "F99"},
        {"dtype": 16},
        {"data_offsets": [0]},
        {"data_offsets": [5, 1]},
        {"data_offsets": None},
    ],
)
def test_an_entry_that_does_not_agree_with_itself_is_named(folder, entry):
    spoil(folder, **entry)
    refused(folder, f"describes its tensor '{FIRST}' wrongly")


def test_what_a_header_says_of_itself_is_made_of_texts(folder):
    header, data = read_weights(folder / "model.safetensors")
    write_weights(folder / "model.safetensors", header | {"__metadata__": {"a": 5}}, data)
    refused(folder, "`__metadata__`")


def test_tensors_that_overlap_are_refused(folder):
    header, data = read_weights(folder / "model.safetensors")
    first, second = sorted((k for k in header if k != "__metadata__"), key=len)[:2]
    header[first] = header[second]
    write_weights(folder / "model.safetensors", header, data)
    refused(folder, "overlap, or gaps between them")


def test_a_file_that_is_cut_off_says_how_much_is_there(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    refused(folder, "is incomplete: its tensors need")


def test_a_file_that_goes_on_is_refused(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes() + b"more")
    refused(folder, "has data after its last tensor")


@pytest.mark.parametrize("data", [b"", b"1234567", b"\xff" * 8, (1 << 40).to_bytes(8, "little")])
def test_a_header_that_is_longer_than_its_file_is_not_read(folder, data):
    (folder / "model.safetensors").write_bytes(data)
    refused(folder, "is not a safetensors file")


def test_a_tensor_in_two_files_is_named(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    for name in "ab":
        (folder / f"{name}.safetensors").write_bytes(data)
    places = {"x": "a.safetensors", "y": "b.safetensors"}
    restate(folder, "model.safetensors.index.json", weight_map=places)
    refused(folder, "in two files")


@pytest.mark.parametrize(
    "name", ["../other.safetensors", "/etc/passwd.safetensors", "sub/a.safetensors"]
)
def test_an_index_that_leads_out_of_the_folder_is_refused(folder, name):
    (folder / "model.safetensors").rename(folder.parent / "other.safetensors")
    restate(folder, "model.safetensors.index.json", weight_map={FIRST: name})
    refused(folder, "outside of the model's own folder")


@pytest.mark.parametrize("places", [None, [], {}, {"a": 5}, {"a": "model.bin"}])
def test_an_index_of_another_form_is_refused(folder, places):
    (folder / "model.safetensors").unlink()
    restate(folder, "model.safetensors.index.json", weight_map=places)
    refused(folder, "model.safetensors.index.json")


def test_weights_that_are_a_link_out_of_the_folder_are_refused(folder):
    file = folder / "model.safetensors"
    file.rename(folder.parent / "elsewhere")
    file.symlink_to(folder.parent / "elsewhere")
    refused(folder, "is a link to a file outside of the model's own folder")


def test_a_link_inside_the_folder_is_followed(folder):
    file = folder / "model.safetensors"
    file.rename(folder / "real.weights")
    file.symlink_to("real.weights")
    assert tensors_of(folder)


def test_a_hubs_cache_keeps_its_files_beside_its_snapshots(folder, tmp_path):
    home = tmp_path / "models--a--b"
    (home / "snapshots").mkdir(parents=True)
    (home / "blobs").mkdir()
    snapshot = folder.rename(home / "snapshots" / "c0ffee")
    (snapshot / "model.safetensors").rename(home / "blobs" / "abc")
    (snapshot / "model.safetensors").symlink_to("../../blobs/abc")
    assert tensors_of(snapshot)
    (home / "blobs" / "abc").rename(tmp_path / "abc")
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to("../../../abc")
    refused(snapshot, "outside of the model's own folder")


def test_a_link_that_leads_nowhere_or_to_itself_is_told(folder):
    file = folder / "model.safetensors"
    file.unlink()
    file.symlink_to(file)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        tensors_of(folder)


def test_a_pipe_in_place_of_weights_is_not_waited_for(folder):
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    refused(folder, "is not a plain file")
    with pytest.raises(ModelError, match="is not a plain file"):
        folder_digest(folder)


def test_one_file_goes_before_an_index_as_in_transformers(folder):
    (folder / "b.safetensors").write_bytes(b"")
    restate(folder, "model.safetensors.index.json", weight_map={FIRST: "b.safetensors"})
    assert [each.name for each in shards(folder)] == ["model.safetensors"]


@pytest.mark.parametrize(
    "name", ["additional_chat_templates/tools.jinja", "special_tokens_map.json", "merges.txt"]
)
def test_whatever_is_loaded_is_in_the_digest(folder, name):
    before = folder_digest(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("new")
    assert folder_digest(folder) != before
