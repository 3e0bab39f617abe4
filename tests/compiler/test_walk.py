"""What a new user stumbled over, said well."""

import pytest

import composer

HEAD = 'model A = fake("x", confidence = 0.5)\nmodel B = fake("y")\nmodel D = fake("z")\n'


def mistakes(text):
    with pytest.raises(composer.Mistakes) as caught:
        composer.load(HEAD + text)
    return [(each.code, each.help) for each in caught.value.diagnostics]


def test_what_stands_behind_a_port_clash_is_checked_too():
    text = "param doubt: float = 0.6\n[A, B] -> cascade(D, acept = confidence >= doubt)"
    assert [code for code, _ in mistakes(text)] == ["E301", "E203"]


def test_a_model_given_text_does_not_hide_the_rest():
    assert [code for code, _ in mistakes("A -> B -> vote(by = exat())")] == ["E303", "E209"]


def test_a_comparison_for_an_arrow_is_seen():
    assert mistakes("[A, B] > vote()") == [
        ("E405", "pass a value on with an arrow: `[A, B] -> vote()`")
    ]


def test_a_condition_without_its_name_is_seen():
    found = mistakes("cascade(A, D, confidence >= 0.5)")
    advice = "use a condition as an option: `cascade(..., accept = confidence >= 0.5)`"
    assert ("E405", advice) in found


def test_a_backend_as_a_step_is_no_unknown_name():
    assert mistakes('zoo("general-1")')[0] == (
        "E202",
        'give the model a name first: `model M = zoo("general-1")`',
    )


def test_answers_named_where_only_a_question_arrives():
    assert mistakes('prompt("""{{ answers[0] }}""") -> A')[0][0] == "E402"
    assert mistakes("prompt(aggregate) -> A")[0][0] == "E402"


def test_a_wrong_value_is_told_once():
    assert [code for code, _ in mistakes("param n: int = 2.5\nsample(A, n) -> vote()")] == ["E401"]


def test_a_rule_that_another_signal_can_settle_is_no_warning():
    rule = "agreement >= 0.5 or confidence >= 0.9"
    recipe = composer.load(HEAD + f"cascade(A, [A, D] -> vote(), D, accept = {rule})")
    assert "W301" not in {each.code for each in recipe.check() if "vote" in each.message}


def test_a_rule_that_is_never_known_is_a_warning():
    recipe = composer.load(HEAD + "cascade(A, D, accept = agreement >= 0.5)")
    assert "W301" in {each.code for each in recipe.check()}


def test_a_score_is_known_after_a_ranking_only():
    ranked = "[A, D] -> rank(by = shortest()) -> best() -> cascade(D, accept = score >= -9)"
    assert "W301" not in {each.code for each in composer.load(HEAD + ranked).check()}
    recipe = composer.load(HEAD + "[A, D] -> vote() -> cascade(D, accept = score >= 0.5)")
    (warning,) = (each for each in recipe.check() if each.code == "W301")
    assert warning.help.startswith("rank first: ")


def test_greedy_work_that_stands_once_needs_no_rule():
    assert not composer.load(HEAD + "A -> cascade(D)").plan().rules
    names = [rule.name for rule in composer.load(HEAD + "[A, A] -> vote()").plan().rules]
    assert names == ["greedy_once"]


def test_places_are_named_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "r.ens").write_text("A\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(composer.Mistakes) as caught:
        composer.load("sub/r.ens")
    assert caught.value.diagnostics[0].place.source.name == "sub/r.ens"


@pytest.mark.parametrize(
    ("accept", "missing"),
    [
        ("thresholds()", []),
        ("thresholds(of = agreement)", ["needs a vote"]),
        ("label_free(risk = 0.1)", ["needs a vote"]),
        ("certified(risk = 0.1, of = score)", ["needs a ranking"]),
        ("pomdp(of = agreement)", []),
    ],
)
def test_a_fitted_acceptance_without_its_signal_is_warned_of(accept, missing):
    recipe = composer.load(f"{HEAD}cascade(A, D, accept = {accept})")
    warnings = [each.message for each in recipe.check() if each.code == "W301"]
    assert len(warnings) == len(missing)
    assert all(text in each for text, each in zip(missing, warnings, strict=True))
