"""What is wrong with a recipe is wrong with it in YAML too."""

from pathlib import Path

import pytest

from composer.compiler.graph import compile_recipe
from composer.diagnostics import Mistakes, Source
from composer.syntax import parse
from composer.syntax.formatting import to_yaml

GOLDEN = Path(__file__).parent / "golden"
RECIPES = sorted(path.stem for path in GOLDEN.glob("*.ens"))


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """Let `hf("elsewhere")` be a model with a vocabulary of its own."""
    from composer.backends import Capability
    from composer.backends.hf import HF
    from composer.values.card import Card

    able = Capability.TEXT | Capability.LOGITS | Capability.SCORE
    card = Card(able, "elsewhere", vocabulary="another")
    monkeypatch.setattr(HF, "card", lambda _: card)


def codes(source):
    try:
        found = compile_recipe(GOLDEN / source.name, source, root=GOLDEN).warnings
    except Mistakes as mistakes:
        found = mistakes.diagnostics
    return sorted(each.code for each in found), found


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_mistakes_are_found_in_yaml(name):
    text = (GOLDEN / f"{name}.ens").read_text(encoding="utf-8")
    written = to_yaml(parse(Source(f"{name}.ens", text)))
    in_ens, _ = codes(Source(f"{name}.ens", text))
    in_yaml, found = codes(Source(f"{name}.yaml", written))
    assert in_yaml == in_ens
    for each in found:
        assert each.place is None or each.place.line >= 1


def test_there_are_many():
    assert len(RECIPES) >= 60
