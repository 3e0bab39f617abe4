"""The certificate: exact limits, what is dropped, what it holds for, and the audit."""

import json

import pytest

from composer.evaluate import Grading, certify, read_rows
from composer.evaluate.certificate import bound_of
from composer.evaluate.grades import recorded_grades
from composer.evaluate.selection import selection
from composer.metrics import lower_limit, upper_limit
from composer.recipe import Recipe
from composer.run import Failure

MODELS = """
model A = fake("1")
model B = fake("2")
model J = fake("1")
"""


@pytest.mark.parametrize(
    ("count", "rows", "low", "high"),
    [
        (17, 330, 0.0303, 0.0812),
        (0, 330, 0, 0.0111),
        (1, 124, 0.0002, 0.0441),
        (330, 330, 0.9889, 1),
    ],
)
def test_limits_of_a_share_are_those_of_clopper_and_pearson(count, rows, low, high):
    assert lower_limit(count, rows, 0.025) == pytest.approx(low, abs=5e-5)
    assert upper_limit(count, rows, 0.025) == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(
    ("best", "rows", "all_wrong", "best_low", "max_gain"),
    [(326, 330, 0, 0.9521, 0.0479), (119, 124, 1, 0.8636, 1 - 0.0002 - 0.8636)],
)
def test_the_best_member_pays_for_having_been_chosen(best, rows, all_wrong, best_low, max_gain):
    right = {"best": best} | {f"m{at}": best - 1 for at in range(66)}
    bound = bound_of(right, all_wrong, rows)
    assert bound.best == "best"
    assert bound.best_low == pytest.approx(best_low, abs=5e-5)
    assert bound.max_gain == pytest.approx(max_gain, abs=1e-4)


@pytest.mark.parametrize(
    ("answer", "members", "exceptions"),
    [
        ("[A, B] -> extract(number()) -> vote()", ("A", "B"), ()),
        ("route(by = length()) -> [A, B]", ("A", "B"), ()),
        ("cascade(A, B) | J", ("A", "B", "J"), ()),
        ("[A, B] -> rank(J, by = judge()) -> top(1) -> select(J)", ("A", "B"), ()),
        ("[A, B] -> regenerate(J)", ("A", "B"), ("`regenerate` writes new answers with `J`",)),
        (
            "[A, B] -> prompt('{{ answers }}') -> J",
            ("A", "B"),
            ("`J` is asked with a prompt of the recipe",),
        ),
        ("sample(A, 3) -> vote()", ("A",), ("`sample` writes new answers with `A`",)),
        (
            "[A(temperature = 1), A(temperature = 1), B] -> vote()",
            ("A", "B"),
            ("`A` is sampled more than once",),
        ),
    ],
)  # fmt: skip
def test_steps_say_whether_a_recipe_only_selects(answer, members, exceptions):
    chosen = selection(Recipe.load(MODELS + answer.replace("'", '"') + "\n"))
    assert set(chosen.members) == set(members)
    assert chosen.exceptions == exceptions
    assert chosen.selects == (not exceptions)


def test_a_fuse_of_tokens_writes_its_own_answer():
    chosen = selection(Recipe.load('use "zoo.ens" (general, maths)\ntoken_fuse(general, maths)\n'))
    assert set(chosen.members) == {"general", "maths"}
    assert chosen.exceptions == ("`token_fuse` writes new answers",)


def graded(*rows):
    """Make rows of how A and B were graded, None where they were not."""
    lines = []
    for at, (a, b, *audit) in enumerate(rows):
        outcomes = {
            name: {"correct" if value in (0, 1) else "score": value, "text": f"{name}{at}"}
            for name, value in (("A", a), ("B", b))
            if value is not None
        }
        row = {"id": f"q{at}", "query": f"question {at}", "recorded": outcomes}
        lines.append(row | ({"audit": audit[0]} if audit else {}))
    return lines


@pytest.fixture
def certificate(tmp_path):
    """Certify `[A, B] -> vote()` on graded rows."""

    def make(*rows, **options):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in graded(*rows)))
        recipe, data = Recipe.load(MODELS + "[A, B] -> vote()\n"), read_rows(path)
        return certify(
            recipe, data, recorded_grades(recipe, ("A", "B"), data, Grading()), **options
        )

    return make


def test_rows_without_all_grades_are_left_out(certificate):
    one = certificate((1, 0), (0, 0), (1, None), (0, 1))
    assert (one.graded.rows, one.incomplete) == (3, 1)
    assert dict(one.graded.right) == {"A": 1, "B": 1}
    assert [row.id for row in one.failures] == ["q1"]
    assert one.answers == {"q1": {"A": "A1", "B": "B1"}}


def test_rows_with_a_mistaken_grade_are_left_out_of_the_audited_bound(certificate):
    rows = [(1, 0)] * 8 + [(0, 0, "grader"), (0, 0, "confirmed"), (0, 0)]
    one = certificate(*rows, mistakes=("q10",))
    assert (one.mistakes, one.confirmed) == (2, 1)
    assert (one.graded.all_wrong, one.graded.rows) == (3, 11)
    assert one.audited is not None
    assert (one.audited.all_wrong, one.audited.rows) == (1, 9)
    assert one.valid is one.audited


def test_a_margin_gives_a_verdict(certificate):
    rows = [(1, 1)] * 400
    assert certificate(*rows).worth_it is None
    assert certificate(*rows, margin=0.005).worth_it is True
    assert certificate(*rows, margin=0.02).worth_it is False


def test_scores_need_a_threshold(certificate):
    with pytest.raises(Failure, match=r"score of 0\.7") as caught:
        certificate((0.7, 0.4), (0.2, 0.9))
    assert caught.value.code == "E717"
    one = certificate((0.7, 0.4), (0.2, 0.9), threshold=0.8)
    assert dict(one.graded.right) == {"A": 0, "B": 1}


def test_without_a_complete_row_there_is_no_certificate(certificate):
    with pytest.raises(Failure, match="`B` on 0"):
        certificate((1, None), (0, None))
