"""What is planned for every recipe that ships, and for small ones that use every step."""

import json
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIBRARIES = {"zoo.ens", "strategies.ens"}
SHIPPED = sorted(each.relative_to(ROOT / "recipes") for each in (ROOT / "recipes").rglob("*.ens"))
SMALL = sorted(each.name for each in (HERE / "recipes").glob("*.ens"))


def lines_of(plan):
    """Return a plan as rows: its head, each model, each step, and what follows."""
    lists = [name for name, value in plan.items() if isinstance(value, list)]
    head = {name: value for name, value in plan.items() if name not in lists}
    return [head, *({name: each} for name in lists for each in plan[name])]


@pytest.fixture
def hold(compose, golden, portable):
    """Hold both forms of a plan against one kept file."""

    def check(recipe, path):
        status, text, said = compose("plan", recipe)
        assert status == 0
        rows = lines_of(json.loads(compose("plan", recipe, "--json")[1]))
        lines = [text, *said.splitlines(), *(json.dumps(row, ensure_ascii=False) for row in rows)]
        golden(HERE / "golden" / "plans" / path, portable("\n".join(lines)))

    return check


@pytest.mark.parametrize(
    "recipe", [each for each in SHIPPED if each.name not in LIBRARIES], ids=str
)
def test_a_shipped_recipe_is_planned_as_before(recipe, hold, monkeypatch):
    monkeypatch.chdir(ROOT)
    hold(f"recipes/{recipe}", f"shipped/{recipe.with_suffix('.txt')}")


@pytest.mark.parametrize("recipe", SMALL)
def test_a_small_recipe_is_planned_as_before(recipe, hold, monkeypatch):
    monkeypatch.chdir(HERE / "recipes")
    hold(recipe, Path(recipe).with_suffix(".txt"))


def test_every_step_and_every_kind_of_part_is_in_a_plan(compose):
    kept = "".join(each.read_text() for each in (HERE / "golden" / "plans").rglob("*.txt"))
    steps = json.loads(compose("ls", "steps", "--json")[1])
    assert [each["name"] for each in steps if f":= {each['name']}(" not in kept] == []
    parts = json.loads(compose("ls", "parts", "--json")[1])
    planned = {each["kind"] for each in parts if re.search(rf"\b{each['name']}\(", kept)}
    # A chat template and a key are of a model's declaration, and those of the recipes are fakes; a
    # grader stands in no recipe.
    others = {"chatfile", "grader", "key"}
    assert {each["kind"] for each in parts} - others == planned - {"grader"}
