"""`compose build`: checkpoints of what a recipe derives from others."""

import json
from pathlib import Path

import pytest
import torch
from lora import save_adapter, save_merged
from safetensors.torch import load_file

from composer import zoo
from composer.cli import main

FILE = "model.safetensors"
MERGE = """\
model A = zoo("maths")
model B = zoo("text")
model C = zoo("general-1")
let inner = merge(A, B, dtype = float32)
let outer = merge(C + 0.5 * (inner - C))
"""


@pytest.fixture
def compose(tmp_path, monkeypatch, capfd):
    """Run the command in a folder and with a cache of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("one.ens").write_text(MERGE + "inner\n")
    Path("nested.ens").write_text(MERGE + "outer\n")
    Path("two.ens").write_text(MERGE + "[inner, merge(A, C)] -> vote()\n")
    Path("none.ens").write_text('model A = fake(says = "a")\nA\n')

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["build", *arguments])
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return call


def test_transformers_loads_what_is_written(compose):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert compose("one.ens", "--out", "made")[:2] == (0, "inner in made, 1.8 MiB in 1 file\n")
    module = AutoModelForCausalLM.from_pretrained("made")
    maths, text = (load_file(zoo.folder(n) / "model.safetensors") for n in ("maths", "text"))
    name = "model.embed_tokens.weight"
    wanted = (maths[name].float() + text[name].float()) / 2
    assert torch.allclose(module.state_dict()[name], wanted)
    assert AutoTokenizer.from_pretrained("made")("Add 17").input_ids


def test_all_models_are_built_in_the_cache_for_a_run(compose):
    status, out, _ = compose("nested.ens", "--json")
    built = json.loads(out)["built"]
    assert (status, [each["model"] for each in built]) == (0, ["inner", "outer"])
    assert [each["new"] for each in json.loads(compose("nested.ens", "--json")[1])["built"]] == [
        False,
        False,
    ]
    assert all(Path(each["folder"], "config.json").is_file() for each in built)


def test_the_model_that_answers_is_written_and_not_its_donors(compose):
    status, out, _ = compose("nested.ens", "--out", "made", "--json")
    (built,) = json.loads(out)["built"]
    assert (status, built["model"], built["new"]) == (0, "outer", True)
    assert built["formula"] == "0.5 * C + 0.5 * inner"


def test_one_of_several_is_named(compose):
    status, _, err = compose("two.ens", "--out", "made")
    assert status == 2
    assert "several models can be built: `inner`, `merge(A, C)`; name one" in " ".join(err.split())
    assert not Path("made").exists()
    assert compose("two.ens", "--out", "made", "--model", "inner")[0] == 0
    assert compose("two.ens", "--out", "other", "--model", "merge(A, C)")[0] == 0
    assert compose("two.ens", "--out", "third", "--model", "iner")[0] == 1


def test_an_unknown_model_is_told_with_the_models_of_the_recipe(compose):
    code, _, err = compose("two.ens", "--out", "made", "--model", "nope")
    assert (code, "help: one of: `A`, `B`, `C`, `inner`\n" in err) == (1, True)
    code, _, err = compose("none.ens", "--out", "made", "--model", "merge(A, nope)")
    assert (code, "unknown name `nope`" in err) == (1, True)


def test_a_recipe_without_any_is_refused(compose):
    status, _, err = compose("none.ens")
    assert (status, "derives no model from others" in " ".join(err.split())) == (2, True)


def test_what_is_there_is_not_written_again(compose):
    compose("one.ens", "--out", "made")
    before = Path("made/model.safetensors").stat().st_mtime_ns
    status, out, _ = compose("one.ens", "--out", "made")
    assert (status, out.startswith("already there: inner in made")) == (0, True)
    assert Path("made/model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("there", ["another", "damaged", "file"])
def test_what_else_is_there_is_left_alone(compose, there):
    if there == "file":
        Path("made").write_text("mine")
    else:
        compose("one.ens" if there == "damaged" else "nested.ens", "--out", "made")
        if there == "damaged":
            Path("made/tokenizer.json").write_text("{}")
    before = {file.name: file.stat().st_mtime_ns for file in Path().rglob("made*")}
    status, _, err = compose("one.ens", "--out", "made")
    assert (status, "error[E512]" in err) == (1, True)
    assert {file.name: file.stat().st_mtime_ns for file in Path().rglob("made*")} == before


def test_an_expression_over_several_lines_is_told_in_one(compose):
    Path("lines.ens").write_text(MERGE + "merge(\n  A,\n  B,  # the second\n)\n")
    assert compose("lines.ens", "--out", "made")[1] == "merge(A, B) in made, 937.7 KiB in 1 file\n"
    Path("lines.yaml").write_text("model:\n  A: {zoo: maths}\n\nanswer: {merge: [A, A]}\n")
    assert compose("lines.yaml", "--out", "again")[1].startswith("{merge: [A, A]} in again, ")


def test_an_empty_folder_is_written_into(compose):
    Path("made").mkdir()
    assert compose("one.ens", "--out", "made")[0] == 0
    assert Path("made/config.json").is_file()


def test_a_folder_that_cannot_be_written_is_said(compose):
    Path("file").write_text("")
    status, _, err = compose("one.ens", "--out", "file/made")
    assert status == 1
    assert "cannot be built in" in err


def test_the_readme_says_what_it_was_made_of(compose, golden):
    compose("nested.ens", "--out", "made")
    golden(Path(__file__).parent / "golden/build_readme.md", Path("made/README.md").read_text())


def test_what_is_made_of_a_derived_model_with_long_options_is_written(compose):
    prompts = [["Add 1 and 2."] * 30, ["Reverse the word star."]]
    gate = f"gate = hidden({json.dumps(prompts)})"
    experts = f"let experts = moe(C, A, B, {gate}, base_expert = false)\n"
    Path("long.ens").write_text(MERGE + experts + "merge(experts)\n")
    assert compose("long.ens", "--out", "made")[0] == 0
    assert "base_model" not in Path("made/README.md").read_text()


def test_a_model_with_an_adapter_is_written_as_one_checkpoint(compose, tmp_path):
    base = Path(zoo.folder("general-1"))
    adapter = save_adapter(base, tmp_path / "maths")
    (tmp_path / "base").symlink_to(base)
    Path("lora.ens").write_text('model M = hf("base", adapter = "maths", dtype = fp32)\nM\n')
    assert compose("lora.ens", "--out", "made")[:2] == (0, "M in made, 1.8 MiB in 1 file\n")
    made = load_file("made/model.safetensors")
    for name, tensor in load_file(save_merged(base, adapter, tmp_path / "whole") / FILE).items():
        assert torch.allclose(made[name], tensor.float(), rtol=1e-6, atol=1e-7)


def test_a_plan_warns_of_members_that_do_not_descend_from_one_model(compose, capfd, golden):
    Path("tunes.ens").write_text(
        'model A = zoo("general-1")\nmodel B = zoo("tune-maths")\nmerge(A + 0.5 * (B - A))\n'
    )
    told = []
    for recipe in ("tunes.ens", "two.ens"):
        with pytest.raises(SystemExit):
            main(["plan", recipe])
        told.append(capfd.readouterr().err)
    assert "W305" not in told[0]
    golden(Path(__file__).parent / "golden/plan_strangers.txt", told[1])
