import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import get_args, get_origin

import pytest

from composer import methods as package
from composer.methods import (
    PARTS,
    Agreement,
    Confidence,
    Exact,
    Reader,
    Signal,
    Template,
    find_part,
    kind_of,
    kinds_of,
)
from composer.methods.table import BUILT_IN, _add
from composer.specs import OptionModel
from composer.values import Model, Typed


class Mine(Agreement):
    """Nothing agrees."""

    name = "mine"

    def same(self, left, right):
        return float(left is right is None)


def plugin(value, name="mine"):
    return EntryPoint(name, value, "composer.parts")


@pytest.fixture
def loaded(monkeypatch):
    def as_if(part):
        monkeypatch.setattr(EntryPoint, "load", lambda _self: part)
        return plugin("some.module:Mine")

    return as_if


def test_parts_are_found_by_kind_and_name():
    assert PARTS["agreement"]["exact"] is Exact


def test_the_table_says_of_each_part_what_it_says_itself():
    said = {(kind, name) for kind, named in BUILT_IN.items() for name in named}
    own = {(kind_of(part), part.name) for kind in PARTS.values() for part in kind.values()}
    assert said == own


def test_every_public_name_is_found_and_every_found_name_is_public():
    found = {name for names in package.WHERE.values() for name in names}
    assert {*found, "PARTS"} == set(package.__all__)
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_one_part_is_found_without_the_others():
    code = (
        "import sys; from composer.methods.table import find_part; find_part('agreement', 'exact');"
        "print({'composer.methods.scorers.judging', 'importlib.metadata'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
    assert find_part("agreement", "exact") is Exact
    assert find_part("agreement", "nothing") is None
    assert find_part("nothing", "exact") is None


def test_a_kind_is_the_class_right_below_typed():
    assert kind_of(Exact) == "agreement"
    assert kind_of(Agreement) == "agreement"


def test_an_annotation_says_its_kinds():
    assert kinds_of(Agreement) == ("agreement",)
    assert kinds_of(Agreement | None) == ("agreement",)
    assert kinds_of(tuple[Reader, ...] | Agreement) == ("reader", "agreement")
    assert kinds_of(Exact) == ("agreement",)


def test_what_is_no_part_has_no_kind():
    assert kinds_of(float) == ()
    assert kinds_of(Typed) == ()
    assert kinds_of(int | None) == ()


@pytest.mark.parametrize("part", [part for kind in PARTS.values() for part in kind.values()])
def test_every_part_has_a_name_and_a_sentence(part):
    assert part.name
    assert part.summary().endswith((".", ")"))
    assert part.__doc__ != part.__mro__[1].__doc__


def _value(name, annotation):
    if name == "store":
        return "solved.jsonl"
    if annotation is Signal:
        return Confidence()
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)[0]
        return (_value(name, inner),) if get_origin(inner) is tuple else ("x",)
    if annotation is Model:
        return OptionModel("M", 0)
    if annotation is Template:
        return Template(text="x")
    return 1.0 if annotation is float else "x"


@pytest.mark.parametrize(
    "part",
    # `sum` is written as arithmetic, and never without scorers.
    [part for kind in PARTS.values() for name, part in kind.items() if name != "sum"],
)
def test_every_part_can_be_hashed_and_compared(part, monkeypatch):
    monkeypatch.setenv("x", "a-key-of-this-test-alone")
    required = {name: f for name, f in part.model_fields.items() if f.is_required()}
    options = {name: _value(name, f.annotation) for name, f in required.items()}
    assert hash(part(**options)) == hash(part(**options))
    assert part(**options) == part(**options)


def test_a_plugin_adds_a_part(loaded):
    table = {"agreement": {}}
    _add(table, loaded(Mine))
    assert table == {"agreement": {"mine": Mine}}


def test_a_plugin_does_not_replace_a_part(loaded):
    table = {"agreement": {"mine": Exact}}
    with pytest.warns(UserWarning, match="there is already a part `mine`"):
        _add(table, loaded(Mine))
    assert table == {"agreement": {"mine": Exact}}


@pytest.mark.parametrize("wrong", [int, Agreement, 3])
def test_a_plugin_must_be_a_part(loaded, wrong):
    with pytest.warns(UserWarning, match="it is not a part"):
        _add({}, loaded(wrong))


def test_a_plugin_that_fails_is_left_out():
    with pytest.warns(UserWarning, match="cannot be imported"):
        _add({}, plugin("composer.nowhere:Mine"))


def test_importing_the_parts_is_light():
    heavy = "{'numpy', 'sklearn', 'scipy', 'torch', 'jinja2', 'asyncio'} & set(sys.modules)"
    code = f"import sys, composer.methods; composer.methods.PARTS; print({heavy})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
