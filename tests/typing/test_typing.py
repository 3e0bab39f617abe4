"""Type checkers see the package's types: one mistake is made, and one is found."""

import subprocess
import sys
from pathlib import Path

import pytest

USE = Path(__file__).with_name("use.py")
ALONE = Path(__file__).with_name("alone.ini")
WRONG = next(
    number
    for number, line in enumerate(USE.read_text(encoding="utf-8").splitlines(), 1)
    if line.startswith("wrong")
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "checker",
    [
        ["mypy", f"--config-file={ALONE}", "--cache-dir=.mypy_cache/alone"],
        ["basedpyright", "--level", "error", "--pythonpath", sys.executable],
        pytest.param(
            ["mypy", "--strict", "--config-file=", "--cache-dir=.mypy_cache/use"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=["mypy", "pyright", "mypy with all that is imported"],
)
def test_a_checker_finds_the_one_mistake(checker):
    done = subprocess.run(
        [sys.executable, "-m", *checker, str(USE)], capture_output=True, text=True, check=False
    )
    errors = [line for line in done.stdout.splitlines() if "error:" in line or " - error" in line]
    assert len(errors) == 1, done.stdout + done.stderr
    assert f"use.py:{WRONG}:" in errors[0]
