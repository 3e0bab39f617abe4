import subprocess
import sys
from importlib import import_module

import pytest

from composer.steps import STEPS, WHERE
from composer.steps.declare import DECLARED


def test_the_table_says_where_each_step_is_declared():
    for file in WHERE:
        import_module(f"composer.steps.{file}")
    declared = {name: step.function.__module__ for name, step in DECLARED.items()}
    said = {name: f"composer.steps.{file}" for file, names in WHERE.items() for name in names}
    assert declared == said


def test_steps_are_found_by_name():
    assert STEPS["vote"].name == "vote"
    assert "vote" in STEPS
    assert set(STEPS) == set(dict(STEPS))
    assert len(STEPS) == len(list(STEPS))


def test_there_is_no_other_step():
    assert "nothing" not in STEPS
    assert STEPS.get("nothing") is None
    with pytest.raises(KeyError):
        STEPS["nothing"]


def test_a_lookup_imports_the_file_of_that_step_alone():
    code = (
        "import sys; from composer.steps import STEPS; STEPS['cascade'];"
        "print([file for file in sys.modules if file.startswith('composer.steps.')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = ["signature", "site", "traits", "declare"]
    shared = [f"composer.steps.{name}" for name in names]
    own = ["composer.steps.deciding", "composer.steps.early", "composer.steps.cascading"]
    assert run.stdout.strip() == str([*shared, *own])
