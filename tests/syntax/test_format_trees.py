import importlib.util
from dataclasses import replace
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from composer.diagnostics import Source
from composer.syntax import parse
from composer.syntax.formatting import formatted

_spec = importlib.util.spec_from_file_location("recipes", Path(__file__).with_name("recipes.py"))
recipes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipes)

moderate = settings(max_examples=30, deadline=None)
notations = st.sampled_from(["ens", "yaml"])


def read(text, notation):
    return parse(Source(f"r.{notation}", text))


def comments(file):
    return sorted(text for _, text in file.comments)


@moderate
@given(recipes.files, notations)
def test_what_is_formatted_is_read_back_the_same_and_stays_as_it_is(file, to):
    text = formatted(file, to)
    back = read(text, to)
    assert back.statements == file.statements
    assert formatted(back) == text


@moderate
@given(recipes.files)
def test_there_and_back_across_the_notations_is_the_same_text(file):
    ens = formatted(file, "ens")
    yaml = formatted(read(ens, "ens"), "yaml")
    apart = read(formatted(read(yaml, "yaml"), "ens"), "ens")
    assert apart.statements == file.statements
    assert formatted(read(formatted(apart, "yaml"), "yaml")) == formatted(apart, "yaml")


@moderate
@given(st.data(), recipes.files, notations)
def test_comments_survive_wherever_they_stand_and_stay_where_they_were_put(data, file, to):
    text, written = data.draw(recipes.commented(formatted(file, "ens")))
    given_ = read(text, "ens")
    assert comments(given_) == sorted(written)
    once = formatted(given_, to)
    again = read(once, to)
    assert comments(again) == sorted(written)
    assert again.statements == given_.statements == file.statements
    assert formatted(again) == once


@moderate
@given(st.data(), recipes.files)
def test_comments_survive_the_way_back_from_yaml(data, file):
    text, written = data.draw(recipes.commented(formatted(file, "ens")))
    yaml = read(formatted(read(text, "ens"), "yaml"), "yaml")
    ens = formatted(yaml, "ens")
    back = read(ens, "ens")
    assert comments(back) == sorted(written)
    assert formatted(back) == ens


@moderate
@given(st.data(), recipes.files)
def test_comments_in_yaml_survive_and_stay(data, file):
    plain = formatted(file, "yaml")
    assume("|" not in plain)
    text, written = data.draw(recipes.commented_lines(plain))
    given_ = read(text, "yaml")
    assert (given_.statements, comments(given_)) == (file.statements, sorted(written))
    for to in ("yaml", "ens"):
        once = formatted(given_, to)
        again = read(once, to)
        assert comments(again) == sorted(written)
        assert formatted(again) == once


def test_a_tree_made_by_a_program_is_written_without_places():
    file = read("let x = f(a)\n", "ens")
    made = replace(file, statements=(replace(file.statements[0], place=None),))
    assert formatted(made) == "let x = f(a)\n"
