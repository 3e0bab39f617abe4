"""Draws depend on the run's seed, the query's id and the occurrence, and on nothing else."""

import pytest

RECIPE = (
    "[free(temperature = 1), sample(free, 3), free(temperature = 0.5)] -> prompt(aggregate) -> say"
)


def draws(load, text=RECIPE, query="Why?", **how):
    """Answer a query, and return what the model drew."""
    with load(text, **how).ready() as ensemble:
        result = ensemble(query)
    return sorted(a.text for e in result.trace.events for a in e.asked if a.model == "free")


def test_one_seed_gives_the_same_draws(load):
    assert draws(load, seed=3) == draws(load, seed=3)


def test_another_seed_gives_others(load):
    assert not set(draws(load, seed=3)) & set(draws(load, seed=4))


def test_all_draws_of_a_recipe_differ(load):
    assert len(set(draws(load))) == 5


@pytest.mark.parametrize("seed", range(3))
def test_the_rules_change_no_draw(load, seed):
    assert draws(load, seed=seed) == draws(load, seed=seed, plain=True)


def test_another_id_gives_others(load):
    one, two = ({"id": each, "query": "Why?"} for each in "12")
    assert not set(draws(load, query=one)) & set(draws(load, query=two))


def test_greedy_answers_do_not_look_at_the_seed(load):
    assert draws(load, "free", seed=1) == draws(load, "free", seed=2)


def test_draws_do_not_depend_on_what_else_is_asked(load):
    rows = [{"id": str(at), "query": "Why?"} for at in range(12)]
    with load(RECIPE).ready() as ensemble:
        together = [each.answer for each in ensemble.map(rows)]
        apart = [ensemble(row).answer for row in reversed(rows)]
    assert together == apart[::-1]


def test_draws_do_not_depend_on_steps_that_are_not_theirs(load):
    assert set(draws(load, "free(temperature = 1)")) <= set(draws(load))


def test_ties_and_random_routes_follow_the_seed(load):
    for text in ("[A, B, C] -> vote()", "route(by = random()) -> [A, B, C]"):
        said = []
        for seed in (*range(9), *range(9)):
            with load(text, seed=seed).ready() as ensemble:
                said.append(ensemble("?").answer)
        assert said[:9] == said[9:]
        assert len(set(said)) > 1


def test_separate_routes_draw_apart_but_equal_ones_are_one(load):
    text = "let r = route(by = random()) -> [A, B, C]\n[r, r] -> vote()"
    for seed in range(9):
        with load(text, seed=seed).ready() as ensemble:
            assert len(ensemble("?").members) == 1


def test_recorded_draws_are_the_recorded_ones_in_order(load, tmp_path):
    row = '{"id": "q1", "query": "a", "recorded": {"m": {"text": "g", "answers": ["0", "1", "2"]}}}'
    (tmp_path / "kept.jsonl").write_text(row + "\n")
    models = 'model R = recorded("kept.jsonl", "m")\nmodel say = fake(style = echo)\n'
    show = 'prompt("""{{ answers | join(" ", attribute="text") }}""") -> say'
    text = f"[R, sample(R, 2), sample(R, 1)] -> {show}"
    for plain in (True, False):
        with load(text, models=models, plain=plain).ready() as ensemble:
            assert ensemble({"query": "a", "id": "q1"}).answer == "g 0 1 2"
            assert ensemble({"query": "a", "id": "q1"}).answer == "g 0 1 2"


def drawn(load, rows):
    """Answer rows that have no id by drawing; return the rows' answers."""
    with load("free(temperature = 1)").ready(cache=False) as ensemble:
        return [each.answer for each in ensemble.map(rows)]


def test_draws_do_not_depend_on_the_place_of_a_row_without_an_id(load):
    rows = [f"Why {at}?" for at in range(9)]
    assert drawn(load, rows) == drawn(load, rows[::-1])[::-1]
    assert drawn(load, ["Another?", *rows])[1:] == drawn(load, rows)


def test_equal_rows_without_an_id_draw_apart_wherever_they_stand(load):
    found = drawn(load, ["Why?", "How?", "Why?", "Why?"])
    assert len(set(found)) == 4
    assert sorted(drawn(load, ["Why?", "Why?", "Why?", "How?"])) == sorted(found)


def test_rows_draw_apart_by_all_that_they_ask(load):
    rows = [{"query": "Why?"}, {"query": "Why?", "system": "s"}, {"query": "Why?", "topic": "sky"}]
    assert len(set(drawn(load, rows))) == 3


def test_what_a_row_says_of_right_answers_changes_no_draw(load):
    rows = [
        {"query": "Why?", "reference": "x", "recorded": {}, "tags": ["a"]},
        {"question": "Why?"},
    ]
    assert drawn(load, rows[:1]) == drawn(load, rows[1:]) == drawn(load, ["Why?"])
