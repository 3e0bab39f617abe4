from pathlib import Path

import pytest
from click.testing import CliRunner

from composer.cli.new_ import ORDER, STARTERS
from composer.cli.verbs import compose
from composer.recipe import Recipe


def new(*arguments):
    return CliRunner().invoke(compose, ["new", *arguments], standalone_mode=False)


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_without_a_kind_it_lists_them():
    listed = new().stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(ORDER)


def test_every_starter_is_a_kind():
    assert {path.stem for path in STARTERS.glob("*.ens")} == set(ORDER)


@pytest.mark.parametrize("kind", ORDER)
def test_a_starter_has_no_mistakes_and_no_warnings(kind):
    assert new(kind).exception is None
    assert Recipe.load(Path(f"{kind}.ens")).check() == ()


@pytest.mark.parametrize("kind", ORDER)
def test_a_starter_answers_its_example(kind):
    new(kind)
    recipe = Recipe.load(Path(f"{kind}.ens"))
    assert recipe(recipe.example).answer.strip()


@pytest.mark.parametrize("kind", ORDER)
def test_a_starter_tells_commands_with_its_own_name(kind):
    new(kind, "mine.ens")
    text = Path("mine.ens").read_text()
    assert "FILE" not in text
    assert "compose run mine.ens" in text


def test_nothing_is_overwritten():
    Path("vote.ens").write_text("mine")
    assert "exists already" in str(new("vote").exception)
    assert Path("vote.ens").read_text() == "mine"


def test_a_name_without_ending_gets_one():
    new("vote", "mine")
    assert Path("mine.ens").exists()


def test_a_folder_gets_a_file_named_by_its_kind():
    Path("here").mkdir()
    new("vote", "here")
    assert Path("here/vote.ens").exists()


def test_a_folder_that_is_not_there_is_told_in_words():
    assert "cannot write" in str(new("vote", "nowhere/mine.ens").exception)


def test_an_unknown_kind_is_refused_with_a_suggestion():
    assert "did you mean `cascade`?" in str(new("cascde").exception)
