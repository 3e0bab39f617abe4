from dataclasses import replace

import pytest
import torch
from fusing import LOGS, MEAN

from composer.engine.distribution import Aligned, Distributions, MemberWeight
from composer.engine.sample import draw, filtered
from composer.values import Sampling

mean, logs = MEAN.combine, LOGS.combine


P = torch.tensor([[0.1, 0.4, 0.2, 0.3]])
RANKED = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()


def kept(**how):
    return (~filtered(RANKED, [Sampling(1.0, **how)]).isneginf()[0]).sum().item()


def test_temperature_zero_takes_the_likeliest():
    assert draw(Distributions(P, linear=True), [0], [Sampling()], [0.99]).tolist() == [1]


@pytest.mark.parametrize(("uniform", "entry"), [(0.05, 0), (0.3, 1), (0.6, 2), (0.95, 3)])
def test_a_uniform_draw_picks_by_cumulated_probability(uniform, entry):
    for said in (Distributions(P, linear=True), Distributions(P.log() + 3)):
        assert draw(said, [0], [Sampling(1.0)], [uniform]).tolist() == [entry]


def test_low_temperature_sharpens():
    uniforms = [0.05]
    assert draw(Distributions(P.log()), [0], [Sampling(0.05)], uniforms).tolist() == [1]


@pytest.mark.parametrize(("k", "count"), [(1, 1), (3, 3), (0, 4), (9, 4)])
def test_top_k(k, count):
    assert kept(top_k=k) == count


@pytest.mark.parametrize(("p", "count"), [(0.1, 1), (0.41, 2), (0.75, 3), (1.0, 4)])
def test_top_p_keeps_what_reaches_it(p, count):
    assert kept(top_p=p) == count


@pytest.mark.parametrize(("p", "count"), [(0.9, 1), (0.6, 2), (0.45, 3), (0.0, 4)])
def test_min_p_is_relative_to_the_likeliest(p, count):
    assert kept(min_p=p) == count


def test_the_likeliest_is_always_kept():
    assert kept(top_p=0.0) == 1


def test_draws_do_not_depend_on_neighbours():
    torch.manual_seed(0)
    said = Distributions(torch.randn(4, 50))
    how = [Sampling(1.0), Sampling(0.7, top_p=0.8), Sampling(), Sampling(1.3, top_k=5)]
    uniforms = [0.2, 0.5, 0.1, 0.9]
    together = draw(said, [0, 1, 2, 3], how, uniforms).tolist()
    alone = [draw(said, [n], [how[n]], [uniforms[n]]).item() for n in range(4)]
    assert together == alone


def test_frequencies_follow_the_distribution():
    lucks = [(n + 0.5) / 1000 for n in range(1000)]
    for how in (Sampling(1.0), replace(Sampling(1.0), top_k=4)):
        drawn = draw(
            Distributions(P.expand(1000, -1), linear=True), range(1000), [how] * 1000, lucks
        )
        assert (drawn.bincount(minlength=4) / 1000).tolist() == pytest.approx(
            P[0].tolist(), abs=2e-3
        )


def shares(*weights):
    return [
        MemberWeight(list(column), torch.device("cpu")) for column in zip(*weights, strict=True)
    ]


def test_mean_and_logs_by_their_formulas():
    torch.manual_seed(0)
    a, b = torch.randn(2, 5), torch.randn(2, 5)
    members, given = [Distributions(a), Distributions(b)], [(0.3, 0.7), (0.6, 0.4)]
    w = torch.tensor(given)
    linear = w[:, :1] * a.softmax(-1) + w[:, 1:] * b.softmax(-1)
    log = (w[:, :1] * a.log_softmax(-1) + w[:, 1:] * b.log_softmax(-1)).log_softmax(-1)
    rows = torch.tensor([0, 1])
    for combine, expected in ((mean, linear.log()), (logs, log)):
        said = combine(Aligned(members, 5), shares(*given))
        assert torch.allclose(said.logprobs_of(rows, rows), expected[rows, rows], atol=1e-6)
        assert torch.allclose(said.logprobs([1, 0]), expected[[1, 0]], atol=1e-6)


@pytest.mark.parametrize("combine", [mean, logs])
def test_a_member_of_weight_zero_has_no_say_whatever_its_numbers(combine):
    good, bad = torch.randn(2, 5), torch.full((2, 5), torch.nan)
    said = combine(
        Aligned([Distributions(good), Distributions(bad)], 5), shares((1.0, 0.0), (1.0, 0.5))
    )
    assert torch.allclose(said.logprobs([0]), good[:1].log_softmax(-1), atol=1e-6)


def test_what_a_member_rules_out_stays_out_under_a_negative_weight():
    a = torch.zeros(1, 3)
    b = torch.tensor([[0.0, -torch.inf, 0.0]])
    said = logs(Aligned([Distributions(a), Distributions(b)], 3), shares((1.0, -0.5)))
    assert said.logprobs([0]).exp()[0].tolist() == pytest.approx([0.5, 0.0, 0.5])


@pytest.mark.parametrize("width", [1, 255, 256, 257, 512, 1000])
def test_the_likeliest_is_the_first_of_the_largest(width):
    from composer.engine.sample import likeliest

    dice = torch.Generator().manual_seed(width)
    scores = torch.randint(0, 9, (5, width), generator=dice).float()
    scores[1] = -torch.inf
    wide = torch.cat((scores, scores.new_full((5, 3), 99.0)), 1)[:, :width]
    expected = [row.index(max(row)) for row in scores.tolist()]
    assert likeliest(scores).tolist() == expected
    assert likeliest(wide).tolist() == expected


def test_a_member_whose_columns_weigh_unlike_speaks_where_any_of_them_does():
    share = MemberWeight([1.0, 1.0], torch.device("cpu")).scaled(
        torch.tensor([[0.5, 0.0], [0.0, 0.0]])
    )
    assert share.nonzero_rows(torch.zeros(2, 2)).tolist() == [[True], [False]]
    assert MemberWeight([1.0], torch.device("cpu")).nonzero_rows(torch.zeros(2, 2)).tolist() == [
        [True],
        [True],
    ]
