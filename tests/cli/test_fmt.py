import json
import subprocess
import sys
from pathlib import Path

import forked
import pytest

ENS = "f(a,# x\n b)\n"
CANONICAL = "f(\n  a,  # x\n  b,\n)\n"
YAML = "answer:\n  f:\n    - a  # x\n    - b\n"


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "r.ens"
    path.write_text(ENS)
    return path


def fmt(*arguments, given=""):
    done = forked.in_words("fmt", *map(str, arguments), cwd=Path.cwd(), stdin=given.encode())
    return done.returncode, done.stdout, done.stderr


def test_files_are_written_in_place_and_once(recipe):
    status, out, err = fmt(recipe)
    assert (status, out) == (0, "")
    assert "formatted" in err
    assert recipe.read_text() == CANONICAL
    assert fmt(recipe) == (0, "", "")


def test_check_and_diff_write_nothing(recipe):
    assert fmt("--check", recipe)[0] == 1
    status, out, _ = fmt("--diff", recipe)
    assert status == 0
    assert "-f(a,# x\n" in out
    assert "+  a,  # x\n" in out
    assert recipe.read_text() == ENS


def test_stdin_goes_to_stdout():
    assert fmt("-", given=ENS)[:2] == (0, CANONICAL)
    assert fmt("-", "--to", "yaml", given=ENS)[:2] == (0, YAML)
    assert fmt("-", "--from", "yaml", "--to", "ens", given=YAML)[:2] == (0, CANONICAL)


def test_the_other_notation_is_printed_or_written_beside(recipe):
    assert fmt("--to", "yaml", recipe)[:2] == (0, YAML)
    assert fmt("--to", "yaml", "--write", recipe)[0] == 0
    beside = recipe.with_suffix(".yaml")
    assert beside.read_text() == YAML
    beside.write_text("answer: A\n")
    status, _, err = fmt("--to", "yaml", "--write", recipe)
    assert status == 3
    assert "already" in err
    assert beside.read_text() == "answer: A\n"


def test_a_mistake_in_one_file_leaves_it_and_does_not_stop_the_others(recipe, tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("answer: {f: A, g: B}\n")
    status, _, err = fmt(broken, recipe)
    assert status == 1
    assert "E121" in err
    assert broken.read_text() == "answer: {f: A, g: B}\n"
    assert recipe.read_text() == CANONICAL


def test_json_tells_what_would_change(recipe):
    status, out, _ = fmt("--check", "--json", recipe)
    assert status == 1
    assert json.loads(out)["files"] == [{"path": str(recipe), "changes": True}]


def test_options_that_contradict_each_other_are_wrong_usage(recipe):
    assert fmt("--to", "yaml", "--check", recipe)[0] == 2
    assert fmt("--write", recipe)[0] == 2


def test_formatting_does_not_import_torch(recipe):
    code = (
        "import sys\nfrom composer.cli import main\n"
        f"try: main(['fmt', '--check', {str(recipe)!r}])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'networkx', 'numpy', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
