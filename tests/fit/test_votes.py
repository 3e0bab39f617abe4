"""Learned votes: `compose fit` asks the members, and `data` is learnt from when a vote is used."""

import json

import pytest

from composer.cli import main
from composer.diagnostics import Mistakes
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.recipe import Recipe
from composer.run.result import Failure

MODELS = "".join(f'model {m.upper()} = recorded("rows.jsonl", "{m}")\n' for m in "abc")


@pytest.fixture
def folder(tmp_path):
    """Rows on which `a` is right, and the others say the same wrong thing on each second one."""
    rows = [
        {
            "query": f"q{at}",
            "reference": f"answer {at}",
            "recorded": {
                "a": {"text": f"It is answer {at}", "correct": True},
                "b": {"text": f"answer {at}" if at % 2 else f"wrong {at}", "correct": bool(at % 2)},
                "c": {"text": f"answer {at}" if at % 2 else f"wrong {at}", "correct": bool(at % 2)},
            },
        }
        for at in range(40)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def recipe(folder, tail, extract=' -> extract(pattern("(\\\\w+ [0-9]+)$"))'):
    path = folder / "r.ens"
    path.write_text(f"{MODELS}[a: A, b: B, c: C]{extract} -> {tail}\n")
    return path


def test_a_vote_is_fitted_and_used(folder, capsys):
    path = recipe(folder, "vote(reduce = log_odds(choices = 10))")
    with pytest.raises(Mistakes, match="not fitted yet"), Recipe.load(path).ready():
        pass
    with pytest.raises(SystemExit) as left:
        main(["fit", str(path), "--data", str(folder / "rows.jsonl")])
    printed = capsys.readouterr().out
    assert left.value.code in (0, None)
    assert "quality of the choice: 1 [1, 1]" in printed
    assert "quality of a plain vote: 0.5 [" in printed
    with Recipe.load(path).ready() as ensemble:
        result = ensemble("q4")
    assert result.answer == "answer 4"


def without(folder, member, rows):
    """Write the rows again; a member has no answer on some of them."""
    path = folder / "rows.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for at in rows:
        del lines[at]["recorded"][member]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_member_may_be_missing_on_the_first_row(folder):
    without(folder, "a", [0, 3])
    path = recipe(folder, "vote(reduce = log_odds(choices = 10))")
    fit(FitSettings(Recipe.load(path), folder / "rows.jsonl"))
    with Recipe.load(path).ready() as ensemble:
        assert ensemble("q4").answer == "answer 4"


def test_a_member_that_never_answers_is_named(folder):
    path = recipe(folder, "vote(reduce = log_odds(choices = 10))")
    path.write_text(path.read_text().replace('recorded("rows.jsonl", "b")', "fake(fails = true)"))
    with pytest.raises(Mistakes, match="`b` has no answer on any row"):
        fit(FitSettings(Recipe.load(path), folder / "rows.jsonl"))


def test_a_branch_may_give_several_answers(folder):
    path = folder / "r.ens"
    path.write_text(f"{MODELS}[sample(B, 2), A, C] -> vote(reduce = log_odds(choices = 10))\n")
    fit(FitSettings(Recipe.load(path), folder / "rows.jsonl"))
    with Recipe.load(path).ready() as ensemble:
        assert ensemble("q5").answer == "answer 5"


def test_a_vote_needs_no_labels_to_be_fitted(folder):
    path = recipe(folder, 'vote(reduce = log_odds(source = "agreement", choices = 10))')
    outcome = fit(FitSettings(Recipe.load(path), folder / "rows.jsonl"))
    assert outcome.manifest.entries[0].rows == 40
    assert outcome.manifest.entries[0].report["held_out"]["plurality"][0] == 0.5
    bare = folder / "bare.jsonl"
    bare.write_text("".join(json.dumps({"query": f"q{at}"}) + "\n" for at in range(40)))
    again = fit(FitSettings(Recipe.load(path), bare))
    assert again.manifest.entries[0].report == {"rows": 40}


def test_data_are_learnt_from_when_the_vote_is_used(folder):
    path = recipe(folder, 'vote(reduce = log_odds(data = "rows.jsonl"))', extract="")
    with Recipe.load(path).ready() as ensemble:
        assert ensemble("q4").answer == "It is answer 4"


@pytest.mark.parametrize(
    ("bank", "code"),
    [("[a: A, b: B, c: C] -> extract(number())", "E509"), ("[A, B, C]", "E504")],
    ids=["answers are read by extract", "the data have other names"],
)
def test_data_that_do_not_fit_the_recipe_are_refused(folder, bank, code):
    path = folder / "r.ens"
    path.write_text(f'{MODELS}{bank} -> vote(reduce = log_odds(data = "rows.jsonl"))\n')
    with Recipe.load(path).ready() as ensemble, pytest.raises(Failure) as caught:
        ensemble("q4")
    assert caught.value.code == code
