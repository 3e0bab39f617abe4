"""What a head of a router is trained towards: losses of scores [n, m] against outcomes [n, m].

Outcomes are NaN where unknown; an unknown outcome has no part in any loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from composer.heavy import np, torch

if TYPE_CHECKING:
    from torch import Tensor

    from composer.methods.estimators.values import Floats, Labels

Goal = Literal["right", "score", "best", "soft"]
"""Which loss: each outcome by itself, its value, the best choice, or all of them softly."""

_CLOSE = 1e-9


def rewards(labels: Labels, own: float, cost: float) -> Floats:
    """Return own x r + (1 - own) x mean of r over the rows with the row's tags.

    r is the quality less `cost` x dollars per thousand answers. This is Zooter's tag-based label
    enhancement (arXiv:2311.08692); `own` = 0 leaves the means of the tags alone, which are
    Bench-CoE's labels by subject.
    """
    from composer.methods.estimators.costs import required_costs
    from composer.methods.estimators.means import membership, prior, shrunk

    reward = labels.quality
    if cost:
        reward = reward - cost * 1000 * required_costs(labels, "head")
    if own >= 1:
        return reward
    _, member = membership(labels.tags)
    tagged = member.sum(axis=1) > 0
    means = shrunk(member, reward, prior(reward), 0.0)
    each = member / np.maximum(member.sum(1, keepdims=True), 1)
    smooth = np.where(tagged[:, None], each @ means, prior(reward))
    out: Floats = np.where(np.isnan(reward), np.nan, own * reward + (1 - own) * smooth)
    return out


def targets(goal: Goal, reward: Floats, temperature: float) -> Floats:
    """Return what the scores should become [n, m]: probabilities for `best` and `soft`.

    `best` shares 1 among the choices that did best: a tie is no reason to prefer the first.
    `soft` is softmax(r / temperature).
    """
    from composer.methods.estimators.nets import softmax

    if goal in ("right", "score"):
        return reward
    rewards = np.where(np.isnan(reward), -np.inf, reward)
    has_reward = np.isfinite(rewards).any(axis=1)
    rewards[~has_reward] = 0
    if goal == "soft":
        shares = softmax(rewards, temperature)
    else:
        won = rewards >= rewards.max(axis=1, keepdims=True) - _CLOSE
        shares = won / won.sum(axis=1, keepdims=True)
    shares[~has_reward] = np.nan
    out: Floats = shares
    return out


def loss(goal: Goal, scores: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean loss of a batch; `weight` [m] counts the positives of `right`.

    `right` is binary cross-entropy, `score` squared error, `best` and `soft` are KL(target ||
    softmax of the scores), less the target's entropy, over the choices whose outcome is known.
    """
    observed = ~target.isnan()
    filled = target.nan_to_num()
    if goal == "right":
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            scores, filled, pos_weight=weight, reduction="none"
        )
    elif goal == "score":
        each = (scores - filled) ** 2
    else:
        rows = observed.any(dim=1)
        masked = torch.where(
            observed & (filled > 0) | observed, scores, torch.full_like(scores, -1e9)
        )
        logs = torch.nn.functional.log_softmax(masked, dim=1)
        return -(filled * logs).sum(dim=1)[rows].sum() / rows.sum().clip(min=1)
    return (each * observed).sum() / observed.sum().clip(min=1)
