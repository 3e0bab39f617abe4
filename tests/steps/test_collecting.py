"""Lists of several candidates become one."""

import json

import pytest

from composer.methods import PartError
from composer.methods.aggregation import Borda, Kemeny, Reciprocal, Union
from composer.methods.agreements.cosine import Terms
from composer.methods.readers.structured import JsonField
from composer.steps.collecting import collect

LISTS = ([0, 1, 2], [1, 0], [1, 3])


def test_a_union_has_the_items_of_all_lists_or_of_enough():
    assert Union().order(LISTS, 4) == [0, 1, 2, 3]
    assert Union(least=2).order(LISTS, 4) == [0, 1]
    assert Union(share=0.7).order(LISTS, 4) == [1]
    assert Union(share=2 / 3).order(LISTS, 4) == [0, 1]


def test_points_are_worked_by_hand():
    """Of four items: A 3, 2, .5; B 2, 3, 3; C 1, .5, .5; D 0, .5, 2."""
    assert Borda().order(LISTS, 4) == [1, 0, 3, 2]


def test_reciprocal_ranks_are_worked_by_hand():
    """With k = 1: A 1/2 + 1/3, B 1/3 + 1/2 + 1/2, C 1/4, D 1/3."""
    assert Reciprocal(k=1).order(LISTS, 4) == [1, 0, 3, 2]


def test_kemeny_finds_the_order_with_the_fewest_disagreements():
    assert Kemeny().order(([0, 1, 2], [0, 1, 2], [2, 1, 0]), 3) == [0, 1, 2]
    cycle = ([0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2])
    assert Kemeny().order(cycle, 3) == [0, 1, 2]
    assert Kemeny().order(LISTS, 4)[0] == 1


def test_kemeny_refuses_long_lists_in_words():
    with pytest.raises(PartError, match="at most 12 different items, and these lists have 13"):
        Kemeny().order([list(range(13))], 13)


def collected(answers, ask, run, **options):
    return json.loads(run(collect(answers, ask=ask, **options)).text)


def test_lists_in_any_form_become_one(answers, ask, run):
    lists = ("- Flu\n- Cold", '["cold", "covid"]', "Cold, Flu and fever")
    each = answers(*lists, "I am sorry, but this is a thing that only a doctor can tell you.")
    assert collected(each, ask, run) == ["Flu", "Cold", "covid", "fever"]
    assert ask.notes["abstained"] == ["D"]
    assert ask.notes["items"] == {"Flu": 2, "Cold": 3, "covid": 1, "fever": 1}
    assert collected(each, ask, run, by=Union(least=2)) == ["Flu", "Cold"]
    assert collected(each, ask, run, by=Borda())[0] == "Cold"


def test_items_may_be_compared_by_degree(answers, ask, run):
    each = answers("1. the common cold\n2. flu", "1. flu\n2. common cold")
    joined = collected(each, ask, run, same=Terms(), by=Union(least=2))
    assert joined == ["the common cold", "flu"]


def test_lists_may_stand_in_a_field(answers, ask, run):
    each = answers('{"found": ["a"]}', '{"found": ["b", 2]}', '{"found": 5}')
    assert collected(each, ask, run, read=JsonField(path="found")) == ["a", "b", "2"]
    assert ask.notes["abstained"] == ["C"]


def test_empty_lists_are_lists(answers, ask, run):
    assert collected(answers("none", "[]"), ask, run, by=Reciprocal()) == []


def test_no_list_at_all_is_a_mistake(answers, ask, run):
    with pytest.raises(PartError, match="no answer holds a list"):
        collected(answers("", ""), ask, run)
