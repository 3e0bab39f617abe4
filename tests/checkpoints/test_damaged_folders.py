"""Folders that are damaged in any way are read, or refused in our words; quickly, and once."""

import random
import time
from contextlib import suppress

import pytest
from damage import damage
from folders import copied

import composer
from composer.run import Failure

RECIPE = 'model M = hf("model")\nM(max_tokens = 3)\n'
CODES = {"E505", "E506", "E507", "E508"}
SECONDS = 1.0


def read(tmp_path, seed):
    """Check a recipe over a damaged folder, and lock it; return what was wrong, and the recipe."""
    how = damage(copied(tmp_path), seed)
    (tmp_path / "r.ens").write_text(RECIPE)
    began, found, recipe = time.process_time(), (), None
    try:
        recipe = composer.load(tmp_path / "r.ens")
        recipe.plan()
        recipe.lock()
    except composer.Mistakes as mistakes:
        found = mistakes.diagnostics
    assert time.process_time() - began < SECONDS, how
    assert {each.code for each in found} <= CODES, how
    assert all(each.message and each.help for each in found), how
    return None if found else recipe


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_folder_is_read_or_refused(tmp_path, seed):
    read(tmp_path, seed)


@pytest.mark.slow
def test_a_thousand_damaged_folders_are_read_or_refused(tmp_path):
    for seed in range(1000):
        (tmp_path / str(seed)).mkdir()
        read(tmp_path / str(seed), seed)


@pytest.mark.slow
def test_what_passes_the_check_answers_or_fails_in_our_words(tmp_path):
    for seed in random.Random(0).sample(range(1000, 9000), 60):
        (tmp_path / str(seed)).mkdir()
        recipe = read(tmp_path / str(seed), seed)
        if recipe is not None:
            with recipe.ready() as ensemble, suppress(Failure):
                assert ensemble("What is 1 plus 1?").text is not None
