"""Students of zoo models: trained by `compose build`, resumed, asked, merged, and refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from composer import zoo
from composer.cli import main
from composer.recipe import Recipe
from composer.run import Failure

MODELS = """
model S = zoo("general-1")
model A = zoo("tune-maths")
model B = zoo("tune-text")
model O = zoo("other")
"""
TRAINING = "training = adamw(rate = 1e-3, batch = 4, checks = 2, epochs = 2)"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Sixteen questions of the zoo with their answers."""
    lines = zoo.items("validation").read_text(encoding="utf-8").splitlines()[:400:25]
    rows = [json.loads(line) for line in lines]
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    path.write_text(
        "".join(json.dumps({n: r[n] for n in ("query", "reference")}) + "\n" for r in rows)
    )
    return path


@pytest.fixture
def build(tmp_path, monkeypatch, capfd, corpus):
    """Build a recipe in a cache of the test's own; return the status, and what was said."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.jsonl").write_bytes(corpus.read_bytes())

    def call(text, *arguments):
        Path("r.ens").write_text(f"{MODELS}\n{text}\n", encoding="utf-8")
        with pytest.raises(SystemExit) as caught:
            main(["build", "r.ens", *arguments])
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return call


def student(teachers="A", more="", training=TRAINING):
    return f'distill(S, {teachers}, corpus = "corpus.jsonl", {training}{more})'


def made(out):
    (one,) = json.loads(out)["built"]
    return Path(one["folder"]), one["new"]


def test_a_student_learns_and_then_answers(build):
    recipe = student("A, token_fuse(A, B), O")
    with pytest.raises(Failure) as caught, Recipe.load(f"{MODELS}\n{recipe}\n").ready() as run:
        run("Add 3 and 4.")
    assert caught.value.code == "E513"
    assert "compose build" in caught.value.help
    status, out, err = build(recipe, "--json")
    folder, new = made(out)
    assert (status, new) == (0, True)
    assert "O has read 16 of 16 texts" in err
    assert "on texts held out" in err
    assert made(build(recipe, "--json")[1]) == (folder, False)
    donor, trained = (
        load_file(each / "model.safetensors") for each in (zoo.folder("general-1"), folder)
    )
    assert donor.keys() == trained.keys()
    assert {name: each.dtype for name, each in donor.items()} == {
        name: each.dtype for name, each in trained.items()
    }
    assert any(not torch.equal(each, trained[name]) for name, each in donor.items())
    assert not list(folder.parent.glob("*.work"))
    assert build(recipe, "--out", "made")[0] == 0
    assert (Path("made") / "model.safetensors").read_bytes() == (
        folder / "model.safetensors"
    ).read_bytes()
    with Recipe.load(Path("r.ens")).ready() as run:
        assert run("Add 3 and 4.").answer


def test_a_student_of_itself_stays_what_it_is(build):
    """Its teachers' distributions are its own, so nothing is to be learned."""
    how = "training = adamw(rate = 1e-3, batch = 16, checks = 1, held_out = 0)"
    learn = ", learn = distributions(target = 0, top = 400)"
    folder, _ = made(build(student("S", learn, how), "--json")[1])
    lines = (folder / "history.tsv").read_text().splitlines()
    assert float(lines[1].split("\t")[1]) < 1e-4


def test_students_are_merged_into_one(build):
    first, second = student("A"), student("B")
    status, out, _ = build(f"merge({first}, {second})", "--json")
    built = json.loads(out)["built"]
    assert (status, len(built)) == (0, 3)
    one, other, both = (load_file(Path(e["folder"]) / "model.safetensors") for e in built)
    name = "model.embed_tokens.weight"
    wanted = (one[name].float() + other[name].float()) / 2
    assert torch.allclose(both[name].float(), wanted, atol=2e-3)


def test_answers_of_teachers_are_learned(build):
    learn = ", learn = answers(max_tokens = 6)"
    status, out, err = build(student("A", learn), "--json")
    assert status == 0, err
    assert made(out)[1]
    assert "have answered 16 of 16 questions" in err


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("distill(S, corpus = 'corpus.jsonl')", "E206", "at least one teacher"),
        ("distill(S, A, corpus = 'nothing.jsonl')", "E501", "nothing.jsonl"),
        ("distill(S, fake(says = 'a'), corpus = 'corpus.jsonl')", "", ""),
        ("distill(S, F, corpus = 'corpus.jsonl')", "E302", "learn = answers()"),
        ("distill(F, S, corpus = 'corpus.jsonl')", "E302", "weights on this machine"),
        ("distill(S, A, corpus = 'corpus.jsonl', test = 'corpus.jsonl')", "E504", "test file"),
        ("distill(S, A, corpus = 'empty.txt')", "E504", "no text to learn from"),
    ],
)
def test_what_cannot_be_trained_is_refused(build, text, code, said):
    Path("empty.txt").touch()
    text = text.replace("'", '"')
    status, out, err = build(f'model F = fake(says = "a")\n{text}')
    assert status == 1
    assert code in err
    assert said in err
    assert "Traceback" not in err
    assert out == ""


def run_until(folder, pattern, recipe="r.ens"):
    """Begin a build in a process of its own, and kill it as soon as a file is there."""
    quick = (
        "import composer.build.training as t, composer.build.shards as s; t.KEPT_EVERY = 0.0; "
        "s.DOCUMENTS = 2; from composer.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", quick, "build", recipe], cwd=folder, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while pattern and time.monotonic() < deadline and process.poll() is None:
        if list(folder.rglob(pattern)):
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.01)
    return process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["000002.safetensors", "state.safetensors"])
def test_a_killed_build_goes_on_and_ends_with_the_same_student(
    tmp_path, monkeypatch, corpus, pattern
):
    students = []
    for kill in ("", pattern):
        folder = tmp_path / (kill or "whole")
        folder.mkdir()
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        (folder / "corpus.jsonl").write_bytes(corpus.read_bytes())
        (folder / "r.ens").write_text(f"{MODELS}\n{student('A, O')}\n")
        if kill:
            assert run_until(folder, kill) == -signal.SIGKILL
            assert not list(folder.glob("cache/ensemble-composer/trained/*/model.safetensors"))
        assert run_until(folder, "") == 0
        (one,) = folder.glob("cache/ensemble-composer/trained/*/model.safetensors")
        students.append(one.read_bytes())
    assert students[0] == students[1]
