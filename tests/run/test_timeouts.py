"""Time limits: what takes too long is cancelled, and the failure is an ordinary one."""

import time

import pytest

from composer.diagnostics import Mistakes
from composer.recipe import Recipe
from composer.run import Failure

MODELS = """
model A = fake(says = "a", confidence = 0.9)
model other = fake(says = "o")
model endless = fake(says = "e", seconds = 1000)
model brief = fake(says = "b", seconds = 1000, timeout = 0.2)
"""


@pytest.fixture
def fails(ready):
    """Answer a query that fails; return the failure, and how long it took."""

    def run(text, **how):
        ensemble = ready(text, models=MODELS, **how)
        began = time.perf_counter()
        with pytest.raises(Failure) as caught:
            ensemble("?")
        assert time.perf_counter() - began < 5
        return caught.value

    return run


@pytest.mark.parametrize(
    "text",
    [
        "brief",
        "endless(timeout = 0.2)",
        "default generate(timeout = 0.2)\nendless",
        "sample(endless, 3, timeout = 0.2) -> vote()",
        "cascade(A, endless, accept = false, timeout = 0.2)",
        "[A, A(top_k = 1)] -> regenerate(brief)",
        "[A, A(top_k = 1)] -> select(endless, timeout = 0.2)",
        "[A, other] -> rank(endless, timeout = 0.2) -> best()",
        "let slow = endless(timeout = 0.2)\nslow",
        "def timed(M) = M(timeout = 0.2)\ntimed(endless)",
    ],
)
def test_what_takes_too_long_fails(fails, text):
    failure = fails(text)
    assert failure.code == "E702"
    assert "within 0.2 seconds" in failure.message


def test_the_model_that_took_too_long_is_named(fails):
    assert fails("brief").message == "`brief` gave no answer within 0.2 seconds"


def test_a_query_has_a_limit_too(load):
    ready = load("endless", models=MODELS).ready(timeout=0.2)
    with ready as ensemble, pytest.raises(Failure) as caught:
        ensemble("?")
    assert caught.value.code == "E702"
    assert "waited for `endless`" in caught.value.message
    assert caught.value.result.seconds < 5


@pytest.mark.parametrize(
    "text", ["endless(timeout = 1e-9)", "sample(endless, 2, timeout = 1e-9) -> vote()"]
)
def test_a_limit_that_is_over_at_once_is_a_limit(fails, text):
    assert "within 0.000000001 seconds" in fails(text).message


def test_a_recipe_carries_the_limit_of_its_queries(load):
    with load("endless", models=MODELS).within(0.2).ready() as ensemble:
        (result,) = ensemble.map(["?"])
    assert result.error.startswith("[E702]")


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(load, seconds):
    with pytest.raises(Failure) as caught:
        load("A").ready(timeout=seconds)
    assert caught.value.code == "E402"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("A(timeout = 0)", "E402"),
        ("A(timeout = -1)", "E402"),
        ('A(timeout = "soon")', "E401"),
        ("model M = fake(timeout = 0)\nM", "E402"),
        ("model M = fake(timout = 3)\nM", "E203"),
        ("A -> rank() -> best(timeout = 3)", "E203"),
        ("default bank(timeout = 3)\nA", "E203"),
    ],
)
def test_a_limit_is_checked_where_it_is_written(load, text, code):
    with pytest.raises(Mistakes) as caught:
        load(text)
    assert {each.code for each in caught.value.diagnostics} == {code}


def test_a_limit_misspelt_is_recognized(load):
    with pytest.raises(Mistakes) as caught:
        load("model M = fake(timout = 3)\nM")
    assert "timeout" in caught.value.diagnostics[0].help


def test_a_limit_can_be_set_from_outside(load):
    recipe = load("endless", models=MODELS, settings={"model.endless.timeout": "0.2"})
    with recipe.ready() as ensemble, pytest.raises(Failure) as caught:
        ensemble("?")
    assert caught.value.code == "E702"


def test_a_limit_in_yaml_is_the_same(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("model: {M: {fake: {seconds: 1000, timeout: 0.2}}}\nanswer: M\n")
    with Recipe.load(path).ready() as ensemble, pytest.raises(Failure) as caught:
        ensemble("?")
    assert caught.value.code == "E702"


def test_a_fallback_takes_over_from_what_took_too_long(ready):
    assert ready("brief | A", models=MODELS)("?").answer == "a"


def test_the_limit_of_a_step_ends_the_branches_that_it_runs(ready):
    text = "cascade(A, endless, accept = false, timeout = 0.2) | A"
    assert ready(text, models=MODELS)("?").answer == "a"


def test_what_two_steps_wait_for_goes_on_when_one_gives_up(ready):
    models = MODELS + 'model late = fake(says = "late", seconds = 0.5)\n'
    text = "let d = late\n[cascade(A, d, accept = false, timeout = 0.1) | A, d, d(top_k = 1)]"
    result = ready(text + " -> vote(ties = first())", models=models)("?")
    assert sorted(result.members) == ["A", "late"]
    assert result.answer == "late"


def test_work_that_was_given_up_can_be_asked_for_again(ready):
    models = MODELS + 'model late = fake(says = "late", seconds = 0.4)\n'
    text = "let d = late\ncascade(A, d, accept = false, timeout = 0.1) | d"
    assert ready(text, models=models)("?").answer == "late"


def test_a_limit_changes_no_answer_and_no_seed(load):
    plain, limited = (
        load(f"sample(free, 3{more}) -> rank(by = longest()) -> best()")
        for more in ("", ", timeout = 60")
    )
    with plain.ready() as one, limited.ready() as other:
        assert one("?").answer == other("?").answer
    assert plain.fingerprint == limited.fingerprint


def test_what_took_too_long_is_not_kept(load, tmp_path):
    models = 'model M = fake(says = "m", seconds = 0.5)\n'
    kept = tmp_path / "answers.sqlite"
    with load("M", models=models).ready(cache=kept, timeout=0.1) as ensemble:
        assert next(ensemble.map(["?"])).answer is None
    with load("M", models=models).ready(cache=kept) as ensemble:
        assert ensemble("?").answer == "m"


def test_others_are_untouched_by_one_that_took_too_long(ready):
    models = 'model M = fake(knows = [["slow", "never"]], says = "m")\n' + MODELS
    text = "route(by = length(threshold = 20)) -> [M, brief]"
    ensemble = ready(text, models=models)
    queries = ["short", "a question that is rather long indeed", "short too"]
    assert [each.answer for each in ensemble.map(queries)] == ["m", None, "m"]


def test_loading_a_model_does_not_count(load, monkeypatch):
    from composer.engine import engine

    load_model = engine.load
    slow = lambda *given: time.sleep(1) or load_model(*given)  # noqa: E731
    monkeypatch.setattr("composer.engine.weights.local.load", slow)
    recipe = load('model Z = zoo("general-1", timeout = 20)\nZ(max_tokens = 2)', models="")
    with recipe.ready(timeout=0.9) as ensemble:
        assert ensemble("What is 1 plus 1?").error is None


def test_a_local_model_stops_within_its_limit_and_others_go_on(load):
    models = 'model Z = zoo("general-1")\nmodel W = zoo("general-1", timeout = 0.05)\n'
    text = "[Z(max_tokens = 3), W(max_tokens = 100000), Z(max_tokens = 2)] -> vote(ties = first())"
    with load(text, models=models).ready() as ensemble:
        ensemble("warm up")
        result = ensemble("What is 1 plus 1?")
        assert result.answer is not None
        for _ in range(100):
            live = sum(
                len(each.rows.live) for each in ensemble._resources._host._engine._pool.runners()
            )
            if not live:
                break
            time.sleep(0.02)
        assert live == 0
