"""Models derived from others: what they are before they exist, and how they are built."""

import json
import multiprocessing
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from fusing import Job, TokenFuse, checkpoint
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from composer import zoo
from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.engine.weights import building
from composer.engine.weights.building import built
from composer.methods.edits.average import Average
from composer.methods.edits.slerp import Slerp
from composer.methods.edits.ties import Ties
from composer.specs import Declared, Derived, Merge, SpecError, leaves
from composer.specs.digest import digest
from composer.values import Capability, ModelError, Sampling

AVERAGE = Average()
QUESTION = [(("user", "Add 17 and 25."),)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own, where merges are built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ensemble-composer" / "merged"


def of_zoo(name, **options):
    return Declared(name, Zoo(model=name, **options))


def merge(*names, by=None, edit=AVERAGE, **options):
    donors = tuple(each if isinstance(each, Derived) else of_zoo(each) for each in names)
    return Merge(donors, tuple(each.name for each in donors), by, edit, **options)


def tensors(folder):
    return load_file(folder / "model.safetensors")


def answers(*models):
    with Engine() as engine:
        sampling = Sampling(max_tokens=12)
        futures = [engine.generate(Job(model, QUESTION, sampling)) for model in models]
        return [future.result().text for future in futures]


def test_merged_tensors_are_plain_arithmetic():
    model = merge("general-1", "maths", "text", by=(1.0, 0.6, -0.6), normalize=False)
    made = tensors(built(model))
    first, second, third = (tensors(zoo.folder(n)) for n in ("general-1", "maths", "text"))
    assert made.keys() == first.keys()
    for name, each in first.items():
        wanted = each.float() + 0.6 * second[name].float() - 0.6 * third[name].float()
        assert torch.allclose(made[name].float(), wanted, atol=2e-3)
        assert made[name].dtype == each.dtype


def test_weights_that_are_no_formula_are_divided_by_their_sum():
    assert merge("general-1", "maths").coefficients == (0.5, 0.5)
    assert merge("general-1", "maths", by=(3.0, 1.0)).coefficients == (0.75, 0.25)
    assert merge("general-1", "maths", by=(3.0, -1.0), normalize=False).coefficients == (3.0, -1.0)


def test_a_model_merged_with_itself_answers_like_it():
    alone, merged = answers(of_zoo("maths"), merge("maths", "maths", dtype="float32"))
    assert merged == alone


def test_transformers_reads_what_was_built():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = built(merge("maths", "text", dtype="float32"))
    module = AutoModelForCausalLM.from_pretrained(folder)
    assert module.dtype == torch.float32
    assert AutoTokenizer.from_pretrained(folder)("Add 17").input_ids


def test_what_was_measured_of_the_donor_is_not_said_of_the_merge():
    folder = built(merge("maths", "text"))
    assert (zoo.folder("maths") / "card.json").is_file()
    assert not (folder / "card.json").exists()


def test_numbers_are_stored_as_is_asked():
    with safe_open(
        built(merge("maths", "text", dtype="bfloat16")) / "model.safetensors", "pt"
    ) as f:
        assert {f.get_tensor(name).dtype for name in f.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_a_card_tells_what_is_built():
    for dtype in ("auto", "bfloat16"):
        model = merge("maths", "text", dtype=dtype)
        stored = tensors(built(model)).values()
        assert model.card.parameters == sum(each.numel() for each in stored)
        assert model.card.bytes == sum(each.numel() * each.element_size() for each in stored)
        assert model.card.vocabulary == of_zoo("maths").card.vocabulary
        assert Capability.LOGITS | Capability.WEIGHTS in model.capabilities


def test_a_merge_of_a_merge_is_built_from_what_was_built():
    inner = merge("maths", "text", dtype="float32")
    made = tensors(built(merge(inner, "general-1", dtype="float32")))
    parts = [tensors(zoo.folder(name)) for name in ("maths", "text", "general-1")]
    for name, each in made.items():
        maths, text, general = (part[name].float() for part in parts)
        assert torch.allclose(each, 0.25 * maths + 0.25 * text + 0.5 * general, atol=1e-6)


def test_weights_in_several_files_are_merged_alike(tmp_path):
    whole, split = zoo.folder("maths"), tmp_path / "split"
    shutil.copytree(whole, split)
    (split / "model.safetensors").unlink()
    place = {}
    for at, (name, each) in enumerate(tensors(whole).items()):
        place[name] = f"model-{at}.safetensors"
        save_file({name: each}, split / place[name])
    (split / "model.safetensors.index.json").write_text(json.dumps({"weight_map": place}))
    donors = (checkpoint("split", split), of_zoo("text"))
    made = tensors(built(Merge(donors, ("split", "text"), None, Average())))
    wanted = tensors(built(merge("maths", "text")))
    assert all(torch.equal(made[name], each) for name, each in wanted.items())


def test_it_is_built_once_however_many_open_it(monkeypatch):
    count = []
    build = building._build
    monkeypatch.setattr(building, "_build", lambda *args: (count.append(1), build(*args)))
    with ThreadPoolExecutor(4) as threads:
        folders = list(threads.map(built, [merge("maths", "text")] * 4))
    assert len(set(folders)) == len(count) == 1


def _built_elsewhere(home):
    import os

    os.environ["XDG_CACHE_HOME"] = home
    folder = built(merge("maths", "text"))
    return (folder / "model.safetensors").stat().st_mtime_ns


def test_two_processes_build_it_once(tmp_path):
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        times = pool.map(_built_elsewhere, [str(tmp_path / "cache")] * 2, chunksize=1)
    assert len(set(times)) == 1


def test_it_is_built_into_a_place_by_content(cache, tmp_path):
    shutil.copytree(zoo.folder("maths"), tmp_path / "copy")
    moved = Merge(
        (checkpoint("other", tmp_path / "copy"), of_zoo("text")), ("a", "b"), None, Average()
    )
    assert built(moved) == built(merge("maths", "text"))
    assert len([each for each in cache.iterdir() if each.is_dir()]) == 1


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_one_is_built_again(file):
    model = merge("maths", "text")
    folder = built(model)
    sound = (folder / file).read_bytes()
    (folder / file).write_bytes(sound[:-8] + bytes(8))
    assert (built(model) / file).read_bytes() == sound
    (folder / file).unlink()
    assert (built(model) / file).read_bytes() == sound


def test_what_a_killed_process_left_goes(cache):
    model = merge("maths", "text")
    folder = built(model)
    shutil.rmtree(folder)
    (cache / f".{folder.name}.{'0' * 16}.part").mkdir()
    built(model)
    assert {each.name for each in cache.iterdir()} == {folder.name, f"{folder.name}.lock"}


def test_a_failed_build_leaves_nothing(cache, monkeypatch):
    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(building, "write", broken)
    with pytest.raises(ModelError, match=r"cannot be built .* No space left"):
        built(merge("maths", "text"))
    assert [each for each in cache.iterdir() if each.is_dir()] == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="cannot be built"):
        built(merge("maths", "text"))


def test_quantized_weights_are_refused(tmp_path):
    shutil.copytree(zoo.folder("maths"), tmp_path / "q")
    config = json.loads((tmp_path / "q" / "config.json").read_text())
    (tmp_path / "q" / "config.json").write_text(
        json.dumps(config | {"quantization_config": {"quant_method": "gptq"}})
    )
    donors = (of_zoo("maths"), checkpoint("q", tmp_path / "q"))
    with pytest.raises(ModelError, match="q is quantized"):
        built(Merge(donors, ("maths", "q"), None, Average()))


def test_whole_numbers_are_kept_where_all_have_the_same(tmp_path):
    for name, count in (("a", 3), ("b", 3), ("c", 4)):
        shutil.copytree(zoo.folder("maths"), tmp_path / name)
        held = tensors(tmp_path / name) | {"steps": torch.tensor([count])}
        save_file(held, tmp_path / name / "model.safetensors")
    a, b, c = (checkpoint(name, tmp_path / name) for name in "abc")
    made = built(Merge((a, b), ("a", "b"), None, Average(), dtype="float32"))
    assert tensors(made)["steps"].tolist() == [3]
    with pytest.raises(ModelError, match=r"`steps` is torch\.int64"):
        built(Merge((a, c), ("a", "c"), None, Average()))


def test_a_donor_on_a_hub_is_downloaded(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def download(name, *, revision, allow_patterns):
        asked.append((name, revision, "*.safetensors" in allow_patterns))
        return str(zoo.folder("maths"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    remote = checkpoint("far", "nobody/far-away", revision="abc")
    model = Merge((remote, of_zoo("text")), ("far", "text"), None, Average())
    assert built(model) == built(merge("maths", "text"))
    assert asked == [("nobody/far-away", "abc", True)]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("large", "`model.embed_tokens.weight` is 384 x 96 in one and 384 x 160 in the other"),
        ("other", "only one of them has"),
    ],
)
def test_unlike_weights_are_refused(other, told):
    with pytest.raises(SpecError, match=told) as raised:
        merge("maths", "text", other)
    (problem,) = raised.value.problems
    assert (problem.code, problem.member) == ("E306", 2)


def test_unlike_tokenizers_are_refused(tmp_path):
    shutil.copytree(zoo.folder("maths"), tmp_path / "m")
    content = json.loads((tmp_path / "m" / "tokenizer.json").read_text())
    content["normalizer"] = {"type": "Lowercase"}
    (tmp_path / "m" / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(SpecError, match="vocabularies are different") as raised:
        Merge((of_zoo("maths"), checkpoint("m", tmp_path / "m")), ("a", "b"), None, Average())
    assert raised.value.problems[0].member == 1


def test_what_has_no_weights_of_its_own_is_refused():
    fuse = TokenFuse((of_zoo("maths"), of_zoo("text")), ("maths", "text"))
    with pytest.raises(SpecError, match="weights on this machine") as raised:
        Merge((of_zoo("maths"), fuse), ("a", "b"), None, Average())
    assert (raised.value.code, raised.value.problems[0].member) == ("E302", 1)


@pytest.mark.parametrize(
    ("by", "normalize", "code"),
    [((1.0,), True, "E403"), ((0.0, 0.0), False, "E402"), ((1.0, -1.0), True, "E402")],
)
def test_weights_that_make_no_sum_are_refused(by, normalize, code):
    with pytest.raises(SpecError) as raised:
        merge("maths", "text", by=by, normalize=normalize)
    assert (raised.value.code, raised.value.problems[0].field) == (code, "weights")


@pytest.mark.parametrize(
    ("edit", "by", "told"),
    [
        (Ties(), None, "needs a formula"),
        (Ties(), (0.7, 0.9), "needs coefficients with the sum 1, and the sum is 1.6"),
        (Slerp(), (0.7, 0.9), "needs coefficients with the sum 1"),
    ],
)
def test_an_edit_that_does_not_fit_its_coefficients_is_refused(edit, by, told):
    with pytest.raises(SpecError, match=told) as raised:
        merge("maths", "text", by=by, edit=edit, normalize=by is None)
    assert (raised.value.code, raised.value.problems[0].field) == ("E403", "edit")


def test_slerp_is_for_two_models():
    with pytest.raises(SpecError, match="`slerp` merges 2 models, and here are 3"):
        merge("maths", "text", "general-1", edit=Slerp())


def test_a_difference_of_nothing_needs_a_formula():
    with pytest.raises(SpecError, match="needs a formula"):
        merge("maths", by=(1.0,), edit=Ties(), normalize=False)


def test_it_is_one_model_by_its_formula_and_not_by_its_names():
    one, other = merge("maths", "text"), merge("maths", "text", by=(2.0, 1.0))
    named = Merge(one.donors, ("a", "b"), None, Average())
    assert one.weights == named.weights != other.weights
    assert digest(one) == digest(named) != digest(other)
    assert digest(one) != digest(merge("maths", "text", dtype="bfloat16"))
    assert list(leaves(one)) == [one]


def test_fuses_take_it_as_they_take_any_model():
    merged = merge("maths", "text", dtype="float32")
    fuse = TokenFuse((merged, of_zoo("maths")), ("merged", "maths"), (1.0, 0.0))
    alone, fused = answers(merged, fuse)
    assert fused == alone


def test_merges_that_were_used_longest_ago_make_room(cache, monkeypatch):
    first, second = built(merge("maths", "text")), built(merge("text", "maths"))
    size = sum(file.stat().st_size for file in first.iterdir())
    monkeypatch.setenv("COMPOSE_MERGED_SIZE", str(int(2.5 * size)))
    for folder, hours in ((first, 3), (second, 5)):
        long_ago = time.time() - hours * 3600
        os.utime(folder, (long_ago, long_ago))
    built(merge("maths", "text"))
    third = built(merge("maths", "general-1"))
    held = {each.name for each in cache.iterdir() if each.is_dir()}
    assert held == {first.name, third.name}


def test_a_merge_that_was_used_lately_stays(cache, monkeypatch):
    monkeypatch.setenv("COMPOSE_MERGED_SIZE", "1 MB")
    first, second = built(merge("maths", "text")), built(merge("text", "maths"))
    assert first.is_dir()
    assert second.is_dir()
