"""Coefficients that are searched: each method on scores worked by hand, and what a state gives."""

import numpy as np
import pytest
import torch

from composer.fit.coefficients.history import History
from composer.fit.coefficients.search import tried
from composer.methods.edits.adaptive import Masked
from composer.methods.edits.average import Average
from composer.methods.edits.bayesian import Bayesian, expected_improvement
from composer.methods.edits.evolve import Evolve
from composer.methods.edits.greedy import Greedy
from composer.methods.edits.paths import Paths, decoded
from composer.methods.edits.searched import Space, query_digests, row_of
from composer.methods.edits.ties import Ties
from composer.specs.parts import TensorPlace
from composer.values import Fitted, ModelError, State


def space(size, members=2):
    return Space(np.full(size, 0.3), np.zeros(size), np.ones(size), members)


def place(layer, layers=4):
    return TensorPlace("w", layer, layers)


def hill(point):
    """Return a score that is greatest, 0, where all coefficients are 0.7."""
    return -float(np.sum((point - 0.7) ** 2))


def found(part, size, score=hill, *, seed=0, history=None):
    return tried(part, space(size), score, seed, history or History())


def test_neighbouring_layers_share_a_row_and_other_tensors_have_the_first():
    assert [row_of(place(layer), 3) for layer in (None, 0, 1, 2, 3)] == [0, 1, 1, 2, 2]
    assert [row_of(place(layer), 1) for layer in (None, 3)] == [0, 0]


def test_a_greedy_soup_keeps_the_members_that_make_it_no_worse():
    """By hand: B is best (3); with A it falls to 2, with C it stays at 3: so half B, half C."""
    scores = {(0, 0): 2.0, (1, 0): 3.0, (0, 1): 1.0, (0.5, 0): 2.0, (0.5, 0.5): 3.0}
    three = space(2, members=3)
    result = tried(Greedy(), three, lambda point: scores[tuple(point)], 0, History())
    assert result.point.tolist() == [0.5, 0.5]
    assert result.scores == (2.0, 3.0, 1.0, 2.0, 3.0)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize(
    "part", [Evolve(generations=12, population=8), Bayesian(rounds=12, initial=6, candidates=400)]
)
def test_a_search_climbs_a_hill_from_the_coefficients_of_the_recipe(part, size):
    result = found(part, size)
    assert result.scores[0] == pytest.approx(hill(np.full(size, 0.3)))
    assert max(result.scores) > 0.2 * result.scores[0]
    assert hill(result.point) == max(result.scores)


@pytest.mark.parametrize("part", [Evolve(generations=3), Bayesian(rounds=2, initial=3)])
def test_a_search_that_was_stopped_finds_what_one_without_a_stop_finds(part, tmp_path):
    whole, calls = found(part, 2), []

    def interrupted(point):
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(point)
        return hill(point)

    path = tmp_path / "h.jsonl"
    with pytest.raises(KeyboardInterrupt):
        found(part, 2, interrupted, history=History(path))
    with path.open("a") as file:
        file.write('{"point": [0.1')
    again = []
    result = found(part, 2, lambda p: again.append(p) or hill(p), history=History(path))
    assert result.point.tolist() == whole.point.tolist()
    assert result.scores == whole.scores
    assert len(again) == len(whole.scores) - 4


def test_another_seed_draws_other_points_and_the_same_seed_the_same():
    one, same, other = (found(Evolve(generations=1), 2, seed=seed) for seed in (0, 0, 1))
    assert one.scores == same.scores != other.scores


def test_the_global_random_numbers_stay_as_they_are():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - that of others
    found(Evolve(generations=1), 2)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_improvement_is_expected_where_scores_rise_and_not_where_they_are_known():
    tried_points = [np.array([x]) for x in (0.0, 0.25, 0.5, 0.75)]
    gains = expected_improvement(tried_points, [0.0, 1.0, 2.0, 3.0], np.array([[0.0], [0.9]]))
    assert gains[1] > 0.05 > gains[0] >= 0


def test_a_likelier_reference_decides_between_equal_qualities_and_never_against_a_right_answer():
    part, right = Evolve(), np.array([1.0, 0.0])
    likely, unlikely = np.full(2, -0.01), np.full(2, -9.0)
    assert part.score(right, likely, ()) > part.score(right, unlikely, ())
    assert part.score(right, unlikely, ()) > part.score(np.zeros(2), likely, ())


def test_rows_with_the_tag_safety_count_with_their_weight():
    """By hand: quality 1 on two other rows, 0 on the one with the tag; likelihoods vanish."""
    quality, likelihood = np.array([1.0, 0.0, 1.0]), np.full(3, -1e3)
    tags = [(), ("safety",), ("maths",)]
    assert Evolve(safety=0.25).score(quality, likelihood, tags) == pytest.approx(0.75)
    assert Evolve().score(quality, likelihood, tags) == pytest.approx(2 / 3)


def bound(part, **arrays):
    names = {name: np.array(each, dtype=float) for name, each in arrays.items()}
    return part.bound(Fitted.of(("A", "B"), 1, state=State(names, {"part": part.name})))


def test_a_fitted_part_gives_the_coefficients_of_each_group_and_the_options_of_the_edit():
    part = bound(
        Evolve(groups=2, options=("density",)),
        coefficients=[[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]],
        options=[0.4],
    )
    given = (0.5, 0.5)
    rows = [part.at(place(layer), given) for layer in (None, 1, 2)]
    assert rows == [[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]]
    assert part.edit(Ties(density=0.2)) == Ties(density=0.4)


def test_coefficients_for_another_number_of_members_are_refused():
    with pytest.raises(ModelError, match="wrong shape"):
        bound(Evolve(), coefficients=[[0.5, 0.5]]).at(place(0), (0.3, 0.3, 0.4))


def test_a_mask_keeps_some_changes_and_scales_them_by_the_share():
    """By hand: the mean of 1 and 2 changes 1 by 0.5; two of three numbers are kept, so by 0.75."""
    state = State({"mask.w": np.packbits([1, 0, 1]), "share": np.array([2 / 3])})
    tensors = [torch.ones(3), torch.full((3,), 2.0)]
    made = Masked(inner=Average(), state=state).merged(tensors, (0.5, 0.5), place(0))
    assert made.tolist() == [1.75, 1.0, 1.75]


def test_a_path_keeps_the_layers_whose_indicator_is_above_one_half():
    part, point = Paths(), np.array([0.9, 0.2, 0.51, 1.2, 0.7, 0.8])
    fitted = part.bound(Fitted.of((), 1, state=decoded(point, 3)))
    assert part.found is False
    assert (fitted.found, fitted.kept(3), fitted.scales(3)) == (True, [0, 2], [1.2, 0.8])


def test_a_path_keeps_the_likeliest_layer_where_none_is_above_one_half():
    fitted = Paths().bound(Fitted.of((), 1, state=decoded(np.array([0.1, 0.4]), 2)))
    assert (fitted.kept(2), fitted.scales(2)) == ([1], [1.0])


def test_equal_questions_have_equal_digests_whatever_stands_around_them():
    one, same, other = query_digests(["2 + 2?", " 2 + 2?\n", "2 + 3?"])
    assert one == same != other
