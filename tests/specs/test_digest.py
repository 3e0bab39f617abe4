"""One digest of a model: all that its answers depend on, and nothing else."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from fusing import SpanFuse

from composer.backends.fake import Fake
from composer.backends.zoo import Zoo
from composer.methods import Align, Combine, Logs, Mean, Shared, Template, Union
from composer.methods.gate import Critical
from composer.specs import Declared, Prompted, TokenFuse
from composer.specs.content import json_digest
from composer.specs.digest import digest
from composer.values import Fitted, State

A, B = (Declared(name, Fake(says=name)) for name in "AB")


def test_the_digest_of_json_never_changes_since_files_of_users_are_named_by_it():
    kept = "c9d79c00bdf3d06497582df02a47ec62de6b3ed045e414ef3931f579ce9c2815"

    assert json_digest({"b": [1, None, "é"], "a": 0.5}) == kept
    assert json_digest({"a": 0.5, "b": [1, None, "é"]}) == kept


def fuse(*members, combine=None, **options):
    names = ("x", "y", "z")[: len(members)]
    return TokenFuse(members, names, combine=combine or Mean(), align=Shared(), **options)


def test_equal_values_have_one_digest():
    assert digest(fuse(A, B)) == digest(fuse(A, B))


@pytest.mark.parametrize(
    "other",
    [
        fuse(B, A),
        fuse(A, B, weights=(2.0, 1.0)),
        fuse(A, B, combine=Logs()),
        fuse(A, B, plausible=0.1),
        fuse(A, Prompted(B, Template(text="{{ query }}!"))),
        SpanFuse((A, B), ("x", "y")),
    ],
)
def test_what_changes_the_answer_changes_the_digest(other):
    assert digest(other) != digest(fuse(A, B))


def test_two_templates_are_two_models():
    one, two = (Prompted(A, Template(text=text)) for text in ("{{ query }}", "{{ query }}."))
    assert digest(one) != digest(two)


def test_how_a_model_is_called_and_where_it_runs_do_not_matter():
    one = Declared("one", Zoo(model="general-1"))
    assert digest(one) == digest(Declared("two", Zoo(model="general-1", device="cpu")))
    assert digest(one) != digest(Declared("one", Zoo(model="general-1", dtype="bf16")))


def test_what_a_part_has_learnt_matters():
    gate = Critical()
    taught = [gate.bound(Fitted((), 1, lambda: {"state": State()}, digest=d)) for d in "ab"]
    assert len({digest(fuse(A, B, gate=each)) for each in (gate, *taught)}) == 3


def test_a_part_keeps_its_digest_when_it_moves_to_another_file(monkeypatch):
    before = digest(fuse(A, B))
    for part in (Mean, Shared):
        monkeypatch.setattr(part, "__module__", f"{part.__module__}_of_another_file")
    assert digest(fuse(A, B)) == before


def test_parts_of_one_name_differ_by_their_kinds_and_packages():
    class Average(Combine):
        """A part of another package, or so it says."""

        name = "mean"
        combine = Mean.combine

    class AlignMean(Align):
        """A part of another kind."""

        name = "mean"
        prepare = Shared.prepare

    digests = {digest(part) for part in (Mean(), Average(), AlignMean())}
    assert len(digests) == 3


def test_what_a_file_holds_matters_and_not_its_name(tmp_path):
    for name, content in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(content)
    one, same, other = (digest(Critical(file=str(tmp_path / name))) for name in "abc")
    assert one == same != other


def test_a_value_of_an_unknown_type_is_refused():
    class Strange:
        """Nothing that a digest knows."""

    class Odd(Union):
        """A part with an option of that kind."""

        strange: Strange

    with pytest.raises(TypeError, match="value of type Strange"):
        digest(Odd(strange=Strange()))


def test_values_of_other_packages_are_digested_by_their_fields():
    @dataclass(frozen=True)
    class Knob:
        """A plain value."""

        turns: int

    assert digest(Knob(1)) != digest(Knob(2))


def test_a_dataclass_that_is_renamed_keeps_its_digest_by_the_old_name():
    @dataclass(frozen=True)
    class Old:
        x: int

    @dataclass(frozen=True)
    class New:
        digest_name: ClassVar[str] = "Old"
        x: int

    assert digest(New(1)) == digest(Old(1)) != digest(New(2))
