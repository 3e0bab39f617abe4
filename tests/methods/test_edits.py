"""Ways to merge tensors, each against arithmetic by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from composer.methods.edits.average import Average
from composer.methods.edits.dare import Dare, DareTies
from composer.methods.edits.dppa import Dppa
from composer.methods.edits.gradient import Gradient
from composer.methods.edits.slerp import Slerp
from composer.methods.edits.ties import Ties
from composer.methods.edits.variation import Sce, Varm
from composer.specs.parts import TensorPlace, tensor_places

PLACE = TensorPlace("model.layers.1.mlp.up_proj.weight", 1, 3)
OTHER = TensorPlace("model.layers.2.mlp.up_proj.weight", 2, 3)
NUMBERS = st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=9)


def merged(edit, *tensors, by, place=PLACE):
    return edit.merged([torch.tensor(each) for each in tensors], by, place).tolist()


def random(*shape, count=2):
    draws = torch.Generator().manual_seed(7)
    return [torch.randn(*shape, generator=draws) for _ in range(count)]


def test_an_average_is_the_weighted_sum():
    assert merged(Average(), [1.0, 2.0], [3.0, -2.0], by=(0.25, 0.5)) == [1.75, -0.5]


def test_ties_trims_elects_and_averages():
    """Four numbers: kept of both, one sign elected, kept of one, trimmed in both."""
    base = [1.0, 1.0, 1.0, 1.0]
    first = [5.0, 4.0, 1.5, 1.25]  # differences 4, 3, 0.5, 0.25: the largest two are kept
    second = [3.0, 0.0, 2.0, 1.25]  # differences 2, -1, 1, 0.25: of -1 and 1 both are
    made = merged(Ties(density=0.5), base, first, second, by=(-1.0, 1.0, 1.0))
    assert made == [1 + (4 + 2) / 2, 1 + 3, 1 + 1, 1]


def test_ties_with_a_sum_does_not_divide():
    by = (0.0, 0.5, 0.5)
    made = merged(Ties(density=1, combine="sum"), [0.0, 0.0], [4.0, 2.0], [2.0, -1.0], by=by)
    assert made == [0.5 * 4 + 0.5 * 2, 0.5 * 2]


def test_coefficients_weigh_the_vote_for_a_sign():
    assert merged(Ties(density=1), [0.0], [2.0], [-1.0], by=(0, 1.0, 3.0)) == [-3.0]
    assert merged(Ties(density=1), [0.0], [2.0], [-2.0], by=(0, 1.0, 1.0)) == [2.0]


def test_ties_is_what_peft_makes_of_the_differences():
    from peft.utils.merge_utils import ties

    base, *others = random(20, 30, count=4)
    differences = [other - base for other in others]
    wanted = base + ties(differences, torch.tensor([0.7, 0.7, 0.7]), 0.3)
    made = Ties(density=0.3).merged([base, *others], (-1.1, 0.7, 0.7, 0.7), PLACE)
    assert torch.allclose(made, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("edit", [Ties(density=1), Dare(density=1), DareTies(density=1)])
def test_where_all_is_kept_one_difference_is_added_whole(edit):
    assert merged(edit, [1.0, 2.0], [3.0, 1.0], by=(0.5, 0.5)) == [2.0, 1.5]


@given(NUMBERS)
def test_a_small_density_keeps_the_largest_change(changes):
    kept = merged(Ties(density=0.01), [0.0] * len(changes), changes, by=(0.0, 1.0))
    most = max(map(abs, changes))
    assert kept == [change if abs(change) == most else 0.0 for change in changes]


def test_dare_keeps_about_its_density_and_the_rest_is_divided_by_it():
    base, tuned = torch.zeros(100, 100), torch.ones(100, 100)
    made = Dare(density=0.3).merged([base, tuned], (0.0, 1.0), PLACE)
    assert made.unique().tolist() == pytest.approx([0, 1 / 0.3])
    assert (made > 0).float().mean().item() == pytest.approx(0.3, abs=0.02)


def test_norm_rescales_to_the_same_sum_of_magnitudes():
    base, tuned = random(50, 50)
    made = Dare(density=0.2, rescale="norm").merged([base, tuned], (0.0, 1.0), PLACE) - base
    assert made.abs().sum().item() == pytest.approx((tuned - base).abs().sum().item(), rel=1e-5)


def test_without_rescaling_what_is_kept_stays():
    base, tuned = torch.zeros(40), torch.full((40,), 3.0)
    made = Dare(density=0.5, rescale="none").merged([base, tuned], (0.0, 1.0), PLACE)
    assert made.unique().tolist() == [0, 3]


def test_draws_follow_from_seed_tensor_and_member_alone():
    base, first, second = torch.zeros(64), torch.ones(64), torch.full((64,), 2.0)
    by = (0.0, 1.0, 1.0)
    dare = Dare(density=0.5)
    once = dare.merged([base, first, second], by, PLACE)
    assert torch.equal(once, dare.merged([base, first, second], by, PLACE))
    assert not torch.equal(once, dare.merged([base, first, second], by, OTHER))
    assert not torch.equal(once, Dare(density=0.5, seed=1).merged([base, first, second], by, PLACE))
    assert set(once.tolist()) == {0.0, 2.0, 4.0, 6.0}  # each member has draws of its own


def test_dare_ties_elects_among_what_was_not_dropped():
    base, up, down = torch.zeros(200), torch.full((200,), 2.0), torch.full((200,), -1.0)
    made = DareTies(density=0.5, rescale="none").merged([base, up, down], (0.0, 1.0, 1.0), PLACE)
    assert set(made.tolist()) == {-1.0, 0.0, 2.0}


@pytest.mark.parametrize(("share", "wanted"), [(0.0, [1, 0]), (1.0, [0, 1]), (0.5, [0.5**0.5] * 2)])
def test_slerp_goes_along_the_arc(share, wanted):
    made = merged(Slerp(), [1.0, 0.0], [0.0, 1.0], by=(1 - share, share))
    assert made == pytest.approx(wanted)


def test_slerp_keeps_a_third_of_the_angle():
    made = merged(Slerp(), [1.0, 0.0], [0.0, 1.0], by=(2 / 3, 1 / 3))
    assert made == pytest.approx([3**0.5 / 2, 0.5])


@pytest.mark.parametrize("second", [[2.0, 2.0], [-1.0, -1.0], [0.0, 0.0], [2.0, 2.001]])
def test_slerp_is_linear_where_there_is_no_arc(second):
    made = merged(Slerp(), [1.0, 1.0], second, by=(0.75, 0.25))
    assert made == pytest.approx([0.75 + 0.25 * each for each in second])


def test_a_place_says_how_far_up_a_layer_is():
    places = tensor_places(
        ["embed.weight", "model.layers.0.a.weight", "model.layers.4.a.weight", "h.2.b.bias"]
    )
    assert [place.depth for place in places.values()] == [None, 0.0, 1.0, 0.5]
    assert {place.layers for place in places.values()} == {5}


def test_the_only_layer_is_the_lowest():
    assert tensor_places(["layers.0.w"])["layers.0.w"].depth == 0.0


def at(gradient, name, given=(0.0, 1.0)):
    names = [f"model.layers.{n}.mlp.w" for n in range(5)] + [name]
    return list(gradient.at(tensor_places(names)[name], given))


@pytest.mark.parametrize(("layer", "factor"), [(0, 0.0), (1, 0.25), (2, 0.5), (3, 1.25), (4, 2.0)])
def test_a_gradient_goes_in_straight_lines_over_the_depth(layer, factor):
    made = at(Gradient(layers=(0.0, 0.5, 2.0)), f"model.layers.{layer}.mlp.w")
    assert made == [1 - factor, factor]


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("model.layers.0.self_attn.q_proj.weight", 3.0),
        ("model.layers.4.self_attn.q_proj.weight", 5.0),
        ("model.layers.4.mlp.up_proj.weight", 0.5),
        ("model.layers.4.post_attention_layernorm.weight", 7.0),
        ("model.embed_tokens.weight", 0.0),
        ("model.norm.weight", 7.0),
        ("lm_head.weight", 2.0),
    ],
)
def test_kinds_of_tensors_have_factors_of_their_own(name, factor):
    gradient = Gradient(layers=(0.0, 2.0), attention=(3.0, 5.0), mlp=0.5, norms=7.0)
    assert at(gradient, name) == [1 - factor, factor]


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=5), st.integers(0, 4))
def test_a_gradient_keeps_the_sum_of_the_coefficients(factors, layer):
    given = (0.3, 0.2, 0.5)
    made = at(Gradient(layers=tuple(factors)), f"model.layers.{layer}.mlp.w", given)
    assert sum(made) == pytest.approx(sum(given))


def test_the_mean_keeps_what_a_factor_takes_from_the_others():
    assert at(Gradient(layers=0.5), "model.layers.0.mlp.w", (0.5, 0.5)) == [0.75, 0.25]


def test_varm_weighs_by_the_squares_of_the_changes():
    made = merged(Varm(), [1.0, 1.0], [3.0, 1.0], [1.0, 5.0], by=(-1, 1, 1))
    assert made == pytest.approx([1 + 0.2 * 2, 1 + 0.8 * 4])  # squares 4 and 16


def test_varm_of_what_did_not_change_is_the_base():
    assert merged(Varm(), [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], by=(-1, 1, 1)) == [1, 2]


def test_sce_selects_weighs_and_erases():
    base = [1.0, 0.0, 0.0, 0.0]
    first = [4.0, -1.0, 1.0, 0.0]  # differences 3, -1, 1, 0
    second = [0.0, 3.0, 1.0, 0.5]  # differences -1, 3, 1, 0.5; variances 4, 4, 0, 0.0625
    made = merged(Sce(density=0.67), base, first, second, by=(-1, 1, 1))
    # Two of the three that vary are selected; each keeps its majority's difference alone.
    assert made == pytest.approx([1 + 3, 3, 0, 0])


def test_sce_divides_by_the_weights_of_those_that_agree():
    made = merged(Sce(density=1), [0.0, 0.0], [2.0, 0.0], [1.0, 1.0], by=(-1, 1, 1))
    assert made == pytest.approx([(2 * 4 + 1 * 2) / 6, 1])  # squares 4 and 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sce_selects_all_numbers_of_half_precision_that_vary_alike(dtype):
    """The same three numbers in another order of the members, over other bases in float32."""
    (base, *_), numbers = random(3, 100)
    members = numbers.to(dtype).float()
    orders = [torch.cat([*members[at:], *members[:at]]) for at in range(3)]
    bases = torch.cat([base, base.roll(1), base.roll(2)])
    for count in range(10, 300, 30):  # one of three that vary alike is the last that is needed
        merge = Sce(density=(count + 0.5) / 300).merged([bases, *orders], (-2, 1, 1, 1), PLACE)
        first, *others = (merge != bases).reshape(3, 100).tolist()
        assert others == [first, first]


def test_sce_of_one_change_is_that_change():
    assert merged(Sce(), [1.0, 1.0], [2.0, 0.5], by=(0, 1)) == [2.0, 0.5]


def surveyed(edit, tensors):
    held = {name: torch.tensor(each) for name, each in tensors.items()}
    places = tensor_places(held)
    return edit.surveyed((places[n], [torch.zeros_like(each), each]) for n, each in held.items())


def test_dppa_keeps_more_where_there_are_outliers():
    even, odd = [1.0] * 10, [0.01] * 9 + [1.0]
    layers = ("h.0.attn.w", "h.0.mlp.w", "h.1.attn.w", "h.1.mlp.w")
    held = dict(zip(layers, (even, odd, even, even), strict=True))
    edit = surveyed(Dppa(density=0.5, outlier=3, spread=0.1), held)
    places = tensor_places(held)
    densities = [edit.density_of(1, places[name]) for name in layers]
    # Layer 0 has more outliers than layer 1, and in it the second tensor more than the first.
    assert densities == pytest.approx([0.5 + 0.1 - 0.1, 0.5 + 0.1 + 0.1, 0.4, 0.4])


def test_dppa_amplifies_the_largest_part_most():
    tensors = {"h.0.w": [4.0, -3.0, 2.0, 1.0, 0.5]}
    edit = surveyed(Dppa(density=0.8, amplify=(3.0, 2.0), spread=0), tensors)
    place = tensor_places(tensors)["h.0.w"]
    made = merged(edit, [0.0] * 5, tensors["h.0.w"], by=(0, 1), place=place)
    assert made == [12, -9, 4, 2, 0]
