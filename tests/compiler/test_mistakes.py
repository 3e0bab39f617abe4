"""Every mistake of these recipes, drawn as a user sees it, is kept beside them."""

from pathlib import Path

import pytest

from composer.backends.hf import HF
from composer.compiler.graph import compile_recipe
from composer.diagnostics import CODES, Mistakes, Source, draw
from composer.values.card import Card

GOLDEN = Path(__file__).parent / "golden"
RECIPES = sorted(path.stem for path in GOLDEN.glob("*.ens"))


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """Let `hf("elsewhere")` be a model with a vocabulary of its own."""
    from composer.backends import Capability

    able = Capability.TEXT | Capability.LOGITS | Capability.SCORE | Capability.WEIGHTS
    card = Card(able, "elsewhere", vocabulary="another")
    monkeypatch.setattr(HF, "card", lambda _: card)


def drawn(name):
    """Compile a recipe of this folder; return what is wrong with it, drawn, and the codes."""
    source = Source(f"{name}.ens", (GOLDEN / f"{name}.ens").read_text(encoding="utf-8"))
    try:
        found = compile_recipe(GOLDEN / f"{name}.ens", source, root=GOLDEN).warnings
    except Mistakes as mistakes:
        found = mistakes.diagnostics
    text = "\n\n".join(draw(each) for each in found)
    return text.replace(str(GOLDEN), "HERE"), found


@pytest.mark.parametrize("name", RECIPES)
def test_every_mistake_of_a_recipe_is_drawn(name, golden):
    golden(GOLDEN / f"{name}.txt", drawn(name)[0])


@pytest.mark.parametrize("name", RECIPES)
def test_every_mistake_has_a_known_code_a_place_and_words_under_it(name):
    for each in drawn(name)[1]:
        assert each.code in CODES
        assert each.place is not None or name == "no_answer"
        assert each.label or name == "no_answer"


@pytest.mark.parametrize("name", RECIPES)
def test_no_message_speaks_of_python(name):
    text = drawn(name)[0]
    for word in ("pydantic", "Traceback", "<class", "NoneType", "None", "object at", "validation"):
        assert word not in text


def test_most_codes_of_the_compiler_are_seen():
    seen = {each.code for name in RECIPES for each in drawn(name)[1]}
    wanted = {code for code in CODES if code[:2] in ("E2", "E3", "E4") or code in ("E501", "E502")}
    # Those of settings, of model folders and of a query's options have tests of their own.
    assert wanted - seen <= {"E404", "E408", "E409", "E410"}
