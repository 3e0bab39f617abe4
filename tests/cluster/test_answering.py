"""The class that Ray Data's map_batches takes, without Ray: columns in, columns out."""

import math

import numpy as np
import pytest

import composer
from composer import Mistakes
from composer.cluster.answering import Answering

FAKE = 'model A = fake(says = "42", confidence = 0.9)\nA'


def test_rows_keep_their_order_and_columns_and_have_their_answers():
    recipe = 'model A = fake(style = "echo")\nprompt("{{ query }} {{ fields.unit }}") -> A'
    rows = Answering(recipe)(
        {"id": np.array([7, 8]), "query": np.array(["a", "b"], object), "unit": ["m", "s"]}
    )
    assert rows["id"].tolist() == [7, 8]
    assert rows["answer"] == ["a m", "b s"]
    assert rows["error"] == ["", ""]


def test_a_row_that_cannot_be_asked_has_its_error_and_the_others_their_answers():
    rows = Answering(FAKE)({"query": np.array(["a", None, "c"], object)})
    assert rows["answer"] == ["42", None, "42"]
    assert rows["error"][1].startswith("[E504]")
    assert math.isnan(rows["confidence"][1])


def test_a_row_whose_model_fails_has_its_error():
    rows = Answering("model A = fake(seconds = 5, timeout = 0.01)\nA")({"query": ["a"]})
    assert rows["answer"] == [None]
    assert "E702" in rows["error"][0]


def test_columns_of_the_row_with_the_same_name_are_kept():
    rows = Answering(FAKE)({"query": ["a"], "answer": ["41"], "cost": [3]})
    assert (rows["row_answer"], rows["answer"], rows["row_cost"]) == (["41"], ["42"], [3])


def test_answers_are_those_of_the_recipe_whatever_the_batches_are():
    recipe = 'use "zoo.ens" (A, B)\n[A(max_tokens = 4), B(max_tokens = 4)] -> vote()'
    questions = [f"{n} + 3" for n in range(4)]
    with composer.load(recipe).ready() as ensemble:
        expected = [result.answer for result in ensemble.map(questions)]
    answering = Answering(recipe)
    batches = [
        answering({"query": np.array(each, object)}) for each in (questions[:1], questions[1:])
    ]
    assert [answer for batch in batches for answer in batch["answer"]] == expected


def test_conversations_in_arrays_are_read():
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]
    messages = np.empty(1, object)
    messages[0] = np.array([*turns, {"role": "user", "content": "2 + 2?"}], object)
    assert Answering(FAKE)({"messages": messages})["answer"] == ["42"]


def test_a_recipe_with_mistakes_is_refused_at_once():
    with pytest.raises(Mistakes):
        Answering('model A = zoo("genral-1")\nA')


def test_settings_are_those_of_the_recipe():
    answering = Answering('param text: str = "a"\nmodel A = fake(text)\nA', {"text": '"b"'})
    assert answering({"query": ["x"]})["answer"] == ["b"]
