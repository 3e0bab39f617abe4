"""A transformer of a folder as features; the zoo's models are such folders."""

import shutil

import numpy as np
import pytest

from composer.methods import PartError
from composer.methods.estimators.heads import Head
from composer.methods.estimators.pretrained import Pretrained
from composer.zoo import folder


@pytest.fixture(scope="module")
def features():
    return Pretrained(path=str(folder("general-1")))


def encoded(features, *texts):
    asked = [(text, ()) for text in texts]
    return features.vectors(features.fit(asked), asked).toarray()


def test_vectors_have_length_one(features):
    found = encoded(features, "Add 1 and 2.", "Reverse the word star.")
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1])


def test_padding_changes_nothing(features):
    together = encoded(features, "Add 1 and 2.", "Reverse the word star, and then another.")
    assert together[0] == pytest.approx(encoded(features, "Add 1 and 2.")[0], abs=1e-5)


def test_a_folder_that_was_replaced_is_read_again(tmp_path):
    place = tmp_path / "model"
    shutil.copytree(folder("general-1"), place)
    before = encoded(Pretrained(path=str(place)), "Add 1 and 2.")
    shutil.rmtree(place)
    shutil.copytree(folder("maths"), place)
    after = encoded(Pretrained(path=str(place)), "Add 1 and 2.")
    assert after == pytest.approx(encoded(Pretrained(path=str(folder("maths"))), "Add 1 and 2."))
    assert after != pytest.approx(before)


def test_an_empty_query_has_finite_numbers(features):
    assert np.isfinite(encoded(features, "", "Add 1 and 2.")).all()


def test_a_long_query_is_cut(features):
    short = Pretrained(path=features.path, tokens=4)
    assert encoded(short, "Add 1 and 2.") == pytest.approx(encoded(short, "Add 1 and 2. " * 9))


def test_a_head_learns_from_them(features, labels):
    queries = [f"Add {n} and 3." for n in range(20)] + [
        f"Reverse the word {w}." for w in "abcdefghij"
    ]
    table = labels(queries, [(1, 0)] * 20 + [(0, 1)] * 10)
    part = Head(features=features)
    found = part.predict(part.fit(table, 0), [("Add 40 and 7.", ()), ("Reverse the word z.", ())])
    assert found.mean.argmax(1).tolist() == [0, 1]


def test_a_folder_that_holds_no_model_is_an_error(tmp_path):
    with pytest.raises(PartError, match="cannot load") as caught:
        encoded(Pretrained(path=str(tmp_path)), "x")
    assert caught.value.code == "E505"
