"""Neural caching: a student that learns online from its teacher's answers."""

import math

import pytest

from composer.diagnostics import Mistakes
from composer.methods.students import Guess
from composer.recipe import Recipe

TEACHER = """
model D = fake(knows = [["number", "maths"], ["word", "text"]], style = echo)
model other = fake(says = "elsewhere")
model broken = fake(fails = true)
"""
TOPICS = ("number", "word")


@pytest.fixture
def cache(tmp_path):
    """Open `neural_cache(D, ...)`; ensembles are closed when the test ends."""
    ensembles = []

    def make(options="student = logistic(first = 6, every = 4)", teacher="D"):
        path = tmp_path / "r.ens"
        path.write_text(f"{TEACHER}neural_cache({teacher}, {options})\n")
        ensembles.append(Recipe.load(path, root=tmp_path).ready())
        return ensembles[-1]

    yield make
    for each in ensembles:
        each.close()


def questions(count, start=0):
    return [f"The {TOPICS[at % 2]} is {at}" for at in range(start, start + count)]


def writers(results):
    """Say who answered each question."""
    notes = [next(e for e in each.trace.events if e.op == "neural_cache").notes for each in results]
    return [note["answered_by"] for note in notes]


def test_the_teacher_answers_until_a_student_is_trained(cache):
    results = list(cache().map(questions(10)))
    assert writers(results) == ["D"] * 6 + ["student"] * 4
    assert [each.answer for each in results] == ["maths", "text"] * 5


def test_a_student_asks_in_doubt(cache):
    ensemble = cache()
    list(ensemble.map(questions(6)))
    assert writers([ensemble("What now?")]) == ["D"]
    unsure = cache("student = logistic(first = 6), threshold = 1")
    assert writers(unsure.map(questions(8))) == ["D"] * 8


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ("student = logistic(first = 6, every = 2), by = entropy", 6),
        # Four students are trained on 6, 8, 10 and 12 questions; then they agree.
        ("student = logistic(first = 6, every = 2), by = consistency", 12),
    ],
)
def test_doubt_by_entropy_and_by_consistency(cache, options, count):
    found = writers(cache(options).map(questions(16)))
    assert found == ["D"] * count + ["student"] * (16 - count)


def test_a_question_that_was_answered_is_answered_from_the_store(cache):
    ensemble = cache()
    first, again = ensemble("The word is 1"), ensemble("The word is 1")
    assert writers([first, again]) == ["D", "the store"]
    assert first.answer == again.answer


def test_a_budget_is_kept_and_then_the_student_is_alone(cache):
    results = list(cache("student = logistic(first = 100), budget = 4").map(questions(7)))
    assert writers(results) == ["D"] * 4 + ["student"] * 3
    assert [each.answer for each in results[4:]] == ["maths", "text", "maths"]


def test_a_student_that_knows_no_answer_abstains_when_the_budget_is_spent(cache):
    results = list(cache("budget = 2").map(["One", "Two", "Three"]))
    assert writers(results) == ["D", "D", "student"]
    assert results[2].text.answer is None


def test_the_student_lives_on_in_its_store(cache, tmp_path):
    options = 'student = logistic("a.jsonl", first = 6)'
    list(cache(options).map(questions(6)))
    before = (tmp_path / "a.jsonl").read_text()
    assert writers(cache(options, teacher="other").map(questions(4, start=6))) == ["student"] * 4
    assert (tmp_path / "a.jsonl").read_text() == before


def test_a_failed_teacher_teaches_nothing(cache, tmp_path):
    from composer.run import Failure

    with pytest.raises(Failure):
        cache('student = logistic("a.jsonl")', teacher="broken")("Why?")
    assert not (tmp_path / "a.jsonl").exists()


def test_a_rehearsal_learns_nothing(cache, tmp_path):
    from composer.evaluate import read_rows
    from composer.evaluate.estimate import estimate

    data = tmp_path / "rows.jsonl"
    data.write_text("".join(f'{{"query": "{each}"}}\n' for each in questions(5)))
    cache('student = logistic("a.jsonl", first = 2)')
    found = estimate(Recipe.load(tmp_path / "r.ens", root=tmp_path), read_rows(data))
    calls = found.members["D"].amounts.calls
    assert (calls.low, calls.high) == (2, 5)
    assert not (tmp_path / "a.jsonl").exists()


def test_margin_and_entropy_of_a_guess():
    guess = Guess("a", {"a": 0.5, "b": 0.25, "c": 0.25})
    assert guess.margin == 0.25
    assert guess.entropy == pytest.approx(1.5 * math.log(2))
    assert (Guess("a", {"a": 1.0}).margin, Guess("a", {"a": 1.0}).entropy) == (1.0, 0.0)


@pytest.mark.parametrize(
    "options", ['student = logistic("a.txt")', "student = logistic(first = 1)", "budget = 0"]
)
def test_bad_options_are_refused(cache, options):
    with pytest.raises(Mistakes):
        cache(options)
