"""Builds that are killed, run side by side or out of room: whole, or nothing, or gone on with."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from composer import zoo
from composer.backends.zoo import Zoo
from composer.diagnostics import progress
from composer.diagnostics.progress import Progress, listening
from composer.engine.weights import building, writing
from composer.engine.weights.building import built, export
from composer.engine.weights.placing import unfinished
from composer.methods.edits.average import Average
from composer.specs import Declared, Merge
from composer.specs.headers import shards
from composer.values import ModelError

SMALL = 200_000

CHILD = """
import sys
from pathlib import Path
from composer.backends.zoo import Zoo
from composer.engine.weights import writing
from composer.engine.weights.building import export
from composer.methods.edits.average import Average
from composer.specs import Declared, Merge
folder, wait = sys.argv[1:]
donors = tuple(Declared(name, Zoo(model=name)) for name in ("maths", "text"))
write, count = writing._write, []
def slow(*args):
    write(*args)
    count.append(1)
    if len(count) == int(wait):
        print("here", flush=True)
        sys.stdin.read()
writing._write = slow
made = export(Merge(donors, ("a", "b"), None, Average()), Path(folder), lambda _: "", 200_000)
print(made.new)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def merge(*names):
    donors = tuple(Declared(name, Zoo(model=name)) for name in names)
    return Merge(donors, names, None, Average())


def child(folder, wait):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(wait)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def held(folder):
    return {name: each for file in shards(folder) for name, each in load_file(file).items()}


@pytest.mark.slow
def test_a_killed_build_goes_on_with_the_files_it_finished(tmp_path):
    made = tmp_path / "made"
    process = child(made, 3)
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not made.exists()
    (part,) = tmp_path.glob(".made.*.part")
    first, second = sorted(part.glob("*.safetensors"))
    before = first.stat().st_ino, second.stat().st_ino
    again = child(made, 99)
    assert again.communicate()[0] == "True\n"
    assert tuple(file.stat().st_ino for file in shards(made)[:2]) == before
    assert not list(tmp_path.glob(".made*"))
    wanted = held(built(merge("maths", "text")))
    assert all(torch.equal(each, wanted[name]) for name, each in held(made).items())


@pytest.mark.slow
def test_two_processes_write_one_folder_once(tmp_path):
    first = child(tmp_path / "made", 2)
    assert first.stdout.readline() == "here\n"
    second = child(tmp_path / "made", 99)
    time.sleep(1)
    assert second.poll() is None  # it waits
    assert first.communicate("")[0] == "True\n"
    assert second.communicate()[0] == "False\n"


def test_what_a_build_of_other_content_left_is_removed(tmp_path):
    (tmp_path / f".made.{'a' * 16}.part").mkdir()
    (tmp_path / ".made.mine.part").mkdir()
    with unfinished(tmp_path / "made", "b" * 64) as folder:
        (folder / "file").write_text("")
    assert {each.name for each in tmp_path.iterdir()} == {"made", ".made.mine.part"}


def test_an_interrupted_build_keeps_what_it_made(tmp_path):
    def begin():
        with unfinished(tmp_path / "made", "b" * 64) as folder:
            (folder / "file").write_text("first")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin()
    with unfinished(tmp_path / "made", "b" * 64) as folder:
        assert (folder / "file").read_text() == "first"


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "_write", full)
    with pytest.raises(ModelError, match="No space left on device") as raised:
        export(merge("maths", "text"), tmp_path / "made", lambda _: "")
    assert (raised.value.code, raised.value.help) == (
        "E505",
        "free some space there, or give another folder",
    )
    assert not list(tmp_path.glob("*made*"))


def test_a_member_that_changes_meanwhile_is_refused(tmp_path, monkeypatch):
    shutil.copytree(zoo.folder("maths"), tmp_path / "a")
    from composer.backends.hf import HF

    donors = (Declared("a", HF(path=str(tmp_path / "a"))), Declared("b", Zoo(model="text")))
    write = writing._write

    def changing(*args):
        write(*args)
        shutil.copyfile(zoo.folder("text") / "model.safetensors", tmp_path / "a/model.safetensors")

    monkeypatch.setattr(writing, "_write", changing)
    with pytest.raises(ModelError, match=r"a/model\.safetensors` has changed while it was read"):
        export(Merge(donors, ("a", "b"), None, Average()), tmp_path / "made", lambda _: "")
    assert not (tmp_path / "made").exists()


def test_long_work_says_how_far_it_is(monkeypatch):
    clock = iter([0.0, 1.0, 4.0, 5.0, 9.5])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    heard = []
    with listening(heard.append):
        work = Progress("building merge(A, B)", 12 * 10**9)
        for _ in range(2):
            work.add(31 * 10**8)
    assert heard == ["building merge(A, B): 6.2 of 12.0 GB"]


def test_a_build_tells_of_all_its_bytes(monkeypatch):
    counts = []
    monkeypatch.setattr(building, "Progress", lambda *_: type("P", (), {"add": counts.append})())
    folder = built(merge("maths", "text"))
    assert sum(counts) == sum(each.nbytes for each in held(folder).values())
