"""An output file goes on under the recipe that began it, and under no other."""

import json

import pytest

from composer.recipe import Recipe
from composer.run import Failure, OutputFile, Result

MODELS = 'model A = fake("a")\nmodel B = fake("b")\nparam n: int = 3\n'


def made(text, **how):
    return Recipe.load(MODELS + text, **how).fingerprint


def test_a_fingerprint_is_twelve_digits():
    assert len(made("A")) == 12
    assert int(made("A"), 16) >= 0


def test_what_does_not_change_answers_does_not_change_the_fingerprint():
    plain = made("[A, B] -> vote()")
    assert made("# asks both\n[A, B]\n  -> vote()") == plain
    assert made("[A, B] -> vote()", plain=True) == plain
    assert made('example "Why?"\n[A, B] -> vote()') == plain


def test_what_changes_answers_changes_the_fingerprint():
    found = {
        made("sample(A, n) -> vote()"),
        made("sample(A, n) -> vote()", settings={"n": "4"}),
        made("sample(A, n) -> vote()", seed=1),
        made("sample(B, n) -> vote()"),
        made("sample(A, n) -> vote(ties = first)"),
        made('prompt("""{{ query }}!""") -> A'),
        made('prompt("""{{ query }}?""") -> A'),
    }
    assert len(found) == 7


def test_a_data_file_counts_by_its_content(tmp_path):
    text = 'model R = recorded("{}", "m")\nR'
    row = {"query": "q", "recorded": {"m": {"text": "x"}}}
    for name, said in (("one", "x"), ("two", "x"), ("three", "y")):
        row["recorded"]["m"]["text"] = said
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    one, two, three = (
        Recipe.load(text.format(tmp_path / f"{name}.jsonl")).fingerprint
        for name in ("one", "two", "three")
    )
    assert one == two != three


def write(path, recipe):
    with OutputFile(path, recipe, "r.ens") as rows:
        rows.write(Result("1", "q", "a"))


def test_a_row_says_which_recipe_made_it(tmp_path):
    write(tmp_path / "a.jsonl", "0123456789ab")
    assert json.loads((tmp_path / "a.jsonl").read_text())["recipe"] == "0123456789ab"


def test_another_recipe_is_refused_and_nothing_is_lost(tmp_path):
    path = tmp_path / "a.jsonl"
    write(path, "0123456789ab")
    before = path.read_text() + '{"torn'
    path.write_text(before)
    with pytest.raises(Failure) as caught:
        OutputFile(path, "ba9876543210", "r.ens")
    assert caught.value.code == "E706"
    assert "0123456789ab" in caught.value.message
    assert "`r.ens` is now ba9876543210" in caught.value.message
    assert path.read_text() == before


def refused(path, text, seed=0, **how):
    """Open an output file with a recipe that did not begin it; return what is said."""
    recipe = Recipe.load(MODELS + text, seed=seed, **how)
    with pytest.raises(Failure) as caught:
        OutputFile(path, recipe.fingerprint, "r.ens", recipe.facts)
    return caught.value.message.partition("What has changed: ")[2]


def test_a_refusal_says_what_has_changed(tmp_path):
    path, text = tmp_path / "a.jsonl", "sample(A, n, temperature = 0.5) -> vote(ties = first)"
    recipe = Recipe.load(MODELS + text)
    with OutputFile(path, recipe.fingerprint, "r.ens", recipe.facts) as rows:
        rows.write(Result("1", "q", "a"))
    OutputFile(path, recipe.fingerprint, "r.ens", recipe.facts).__exit__()
    assert refused(path, text, seed=2) == "the seed: 0 before, 2 now"
    assert refused(path, text, settings={"n": "4"}) == "`n` of `sample(A)`: 3 before, 4 now"
    assert refused(path, text.replace("0.5", "0.7")) == (
        "`temperature` of `sample(A)`: 0.5 before, 0.7 now"
    )
    assert refused(path, text, settings={"model.A.says": "x"}) == (
        'the model `A`: fake("a") before, fake("x") now'
    )
    assert refused(path, "A").startswith("the steps: sample, vote before, generate now; ")
    assert " and " in refused(path, "A")


def test_a_prompt_that_differs_beyond_what_is_shown_is_told(tmp_path):
    path, long = tmp_path / "a.jsonl", "x" * 100
    recipe = Recipe.load(f'{MODELS}prompt("{long}") -> A')
    with OutputFile(path, recipe.fingerprint, "r.ens", recipe.facts) as rows:
        rows.write(Result("1", "q", "a"))
    told = refused(path, f'prompt("{long}y") -> A')
    assert told == "`template` of `prompt`: its content has changed"


def test_without_the_file_beside_it_a_refusal_says_only_that_something_changed(tmp_path):
    path = tmp_path / "a.jsonl"
    write(path, "0123456789ab")
    (tmp_path / ".a.jsonl.recipe").write_text("[torn")
    assert refused(path, "A") == ""


def test_rows_that_do_not_say_it_are_accepted(tmp_path):
    path = tmp_path / "a.jsonl"
    write(path, "")
    assert "recipe" not in json.loads(path.read_text())
    with OutputFile(path, "0123456789ab", "r.ens") as rows:
        assert rows.done == {"1": "q"}
