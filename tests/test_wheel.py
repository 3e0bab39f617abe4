"""The built wheel holds all that a user needs: it is built, installed and run."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the wheel and install it where the packages that it stands on are visible."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    home = folder / "venv"
    venv.create(home, with_pip=False)
    _see_packages(home)
    target = home / "lib" / _version() / "site-packages"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--target",
        str(target),
    ]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return home / "bin" / "python", folder


def _version():
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _see_packages(home):
    """Let the environment import what this one has, after its own packages."""
    site = home / "lib" / _version() / "site-packages"
    (site / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")


def _compose(installed, *arguments):
    python, folder = installed
    command = [str(python), "-m", "composer", *arguments]
    return subprocess.run(
        command, cwd=folder, env=_own_paths(), capture_output=True, text=True, check=False
    )


def _own_paths():
    """The variables for a process that imports what its environment has, and nothing else."""
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    quiet.pop("PYTHONPATH", None)
    return quiet


def test_the_wheel_is_what_runs(installed):
    python, folder = installed
    where = subprocess.run(
        [str(python), "-c", "import composer; print(composer.__file__)"],
        cwd=folder, env=_own_paths(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert str(folder) in where.stdout


def test_check_works_from_the_wheel(installed):
    done = _compose(installed, "check", "recipes/quickstart.ens")
    assert done.returncode == 0, done.stderr
    assert "no mistakes" in done.stdout


STATIC = Path("composer", "serve", "page", "static")
ZOO = Path("composer", "zoo")
MODEL, REWARD = "models/general-1/model.safetensors", "rewards/steps-reward/model.safetensors"


@pytest.mark.parametrize(
    ("where", "what"), [(STATIC, "vendor/NOTICE"), (ZOO, MODEL), (ZOO, REWARD)], ids=str
)
def test_what_is_no_code_is_in_the_wheel(installed, where, what):
    """The page with the licences of what it uses, and the models of the zoo."""
    _, folder = installed
    (target,) = (folder / "venv" / "lib").glob("*/site-packages")
    files = _files(target, where)
    assert files == _files(ROOT, where)
    assert where / what in files


def test_recipes_are_in_the_wheel_with_the_files_that_they_name(installed):
    _, folder = installed
    (packages,) = (folder / "venv" / "lib").glob("*/site-packages")
    shipped = _files(packages / "composer", Path("recipes"))
    assert shipped == _files(ROOT, Path("recipes"))
    assert {
        Path("recipes/build/corpus.jsonl"),
        Path("recipes/build/evolve.safetensors"),
    } <= shipped


def _files(root, where):
    found = (path for path in (root / where).rglob("*") if path.is_file())
    return {path.relative_to(root) for path in found if path.suffix != ".pyc"}


@pytest.mark.slow  # it loads torch in a process of its own
def test_the_quickstart_answers_from_the_wheel(installed):
    done = _compose(installed, "run", "recipes/quickstart.ens")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
