import math

import pytest
import torch
from fusing import MEAN, aligning
from torch import nn

from composer.engine.distribution import Distributions
from composer.methods.align.anchor_rows import AnchorRows
from composer.values import ModelError

relative, mean = aligning("relative"), MEAN.combine


CPU = torch.device("cpu")
PIECES = [bytes([97 + n]) for n in range(12)]


@pytest.fixture(scope="module")
def pair(side):
    """Twelve tokens and an end; nine and an end, the first seven of them common."""
    torch.manual_seed(3)
    one = side("A", [*PIECES, None], ends={12}, vectors=torch.randn(13, 6))
    other = [*PIECES[:7], b"xy", b"z", None]
    return one, side("B", other, ends={9}, vectors=torch.randn(10, 5))


def matrix(vectors, anchors, temperature=100.0):
    """R as the code of DeePEn makes it."""
    cosines = torch.cosine_similarity(vectors[:, None], vectors[anchors][None], dim=-1)
    return nn.functional.softmax(nn.functional.normalize(cosines, p=2, dim=-1) * temperature, -1)


def reference(logits, rows, target, rate=0.15, steps=5):
    """The search of DeePEn's code: torch's own AdamW on all logits of one row."""
    with torch.enable_grad():
        z = logits.clone().requires_grad_()
        optimizer = torch.optim.AdamW([z], lr=rate, betas=(0.9, 0.999))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10, eta_min=rate / 4)
        for _ in range(steps):
            loss = nn.KLDivLoss()(torch.log(z.softmax(-1) @ rows), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return z.detach()


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.2, 0.8)])
def test_with_all_tokens_and_anchors_it_is_the_papers(pair, fuse, weights):
    one, two = pair
    anchors = [[*range(7), 12], [*range(7), 9]]
    first, second = (
        matrix(each.model.embeddings("input"), at) for each, at in zip(pair, anchors, strict=True)
    )
    torch.manual_seed(4)
    said = [2 * torch.randn(6, len(one.space)), 2 * torch.randn(6, len(two.space))]
    fused = fuse(relative(pair, CPU, k=13, floor=0.0, nearest=8), said, mean, weights)
    for row in range(6):
        p, q = (each[row : row + 1] for each in said)
        target = weights[0] * p.softmax(-1) @ first + weights[1] * q.softmax(-1) @ second
        expected = reference(p, first, target)[0]
        found = fused.to_dense(13).scores[row]
        assert (found - expected).abs().max() < 1e-3
        assert (expected - p[0]).abs().max() > 0.3


def test_an_anchors_row_by_hand():
    vectors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    rows = AnchorRows(vectors, torch.tensor([0, 1]), 2, 0.5)
    made = rows.of(torch.tensor([[2, 0]]))
    dense = made.mix(torch.tensor([[1.0, 0.0]])), made.mix(torch.tensor([[0.0, 1.0]]))
    assert dense[0][0].tolist() == pytest.approx([0.5, 0.5])  # as near to both
    sure = 1 / (1 + math.exp(-2))  # cosines 1 and 0, over .5
    assert dense[1][0].tolist() == pytest.approx([sure, 1 - sure])


def test_what_is_not_kept_of_a_row_is_spread_evenly():
    torch.manual_seed(0)
    vectors = torch.randn(30, 8)
    whole = AnchorRows(vectors, torch.arange(20), 20, 0.01)
    short = AnchorRows(vectors, torch.arange(20), 5, 0.01)
    tokens = torch.tensor([[3, 25], [29, 0]])
    for token in range(2):
        p = torch.zeros(2, 2)
        p[:, token] = 1.0
        full, cut = whole.of(tokens).mix(p), short.of(tokens).mix(p)
        assert torch.allclose(cut.sum(-1), torch.ones(2))
        best = full.topk(5, -1)
        assert torch.allclose(cut.gather(1, best.indices), best.values, atol=1e-6)
        rest = cut.scatter(1, best.indices, -1.0)
        for row, value in enumerate((1 - best.values.sum(-1)) / 15):
            left = rest[row][rest[row] >= 0]
            assert left.tolist() == pytest.approx([value.item()] * 15, abs=1e-6)


def test_a_product_with_rows_equals_the_dense_one():
    torch.manual_seed(1)
    rows = AnchorRows(torch.randn(3000, 8), torch.arange(40), 6, 0.01)
    made = rows.of(torch.randint(0, 3000, (3, 2000)))
    p, over = torch.rand(3, 2000), torch.rand(3, 40)
    p /= p.sum(-1, keepdim=True)
    dense = made.level[:, :, None].expand(-1, -1, 40).scatter_add(2, made.index, made.above)
    assert torch.allclose(made.project(over), (dense * over[:, None]).sum(-1), atol=1e-4)
    assert torch.allclose(made.mix(p), (dense * p[:, :, None]).sum(1), atol=1e-5)


def test_a_member_who_agrees_changes_next_to_nothing(pair, fuse):
    """Where there is nothing to learn, Adam follows what rounding leaves, up to its epsilon."""
    one = pair[0]
    said = [torch.randn(4, 13)] * 2
    fused = fuse(relative((one, one), CPU, k=13, floor=0.0, nearest=9), said, mean)
    assert torch.allclose(fused.to_dense(13).scores, said[0], atol=0.15)


def test_few_of_the_tokens_do_as_well_as_all(pair, fuse):
    torch.manual_seed(8)
    said = [4 * torch.randn(50, len(each.space)) for each in pair]
    whole = fuse(relative(pair, CPU, k=13, floor=0.0, nearest=8), said, mean).to_dense(13)
    few = fuse(relative(pair, CPU, k=5, nearest=5), said, mean).to_dense(13)
    same = whole.scores.argmax(-1) == few.scores.argmax(-1)
    assert same.float().mean() > 0.9


def test_the_first_member_alone_is_itself(pair, fuse):
    said = torch.randn(2, 13)
    assert torch.equal(fuse(relative(pair, CPU), [said], mean).scores, said.softmax(-1))


def test_rows_do_not_depend_on_their_neighbours(pair, fuse):
    made = relative(pair, CPU, k=4)
    said = [torch.randn(5, len(each.space)) for each in pair]
    whole = fuse(made, said, mean).to_dense(13).scores
    alone = [fuse(made, [s[n : n + 1] for s in said], mean).to_dense(13).scores for n in range(5)]
    assert torch.allclose(whole, torch.cat(alone), atol=1e-5)


def test_a_member_with_probabilities_is_as_good(pair, fuse):
    made = relative(pair, CPU, k=4)
    said = [torch.randn(3, len(each.space)) for each in pair]
    linear = [Distributions(said[0]), Distributions(said[1].softmax(-1), linear=True)]
    one, two = fuse(made, said, mean), fuse(made, linear, mean)
    assert torch.allclose(one.to_dense(13).scores, two.to_dense(13).scores, atol=1e-5)


def test_members_without_a_common_token_are_named(side):
    one = side("Ann", [b"a", None], ends={1}, vectors=torch.randn(2, 3))
    two = side("Bob", [b"b", None], ends={1}, vectors=torch.randn(2, 3))
    with pytest.raises(ModelError, match="Ann, Bob have no token in common") as told:
        relative((one, two), CPU)
    assert told.value.code == "E305"


def test_a_fuse_has_no_embeddings(pair, side):
    with pytest.raises(ModelError, match="AB is a fuse") as told:
        relative((pair[0], side("AB", [b"a", b"b"])), CPU)
    assert told.value.code == "E302"
