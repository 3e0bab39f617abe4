"""Reward models made of reward models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from composer.backends.reward_model import RewardModel
from composer.checkpoints.dtypes import Dtype, long_name
from composer.methods import AdamW, Training
from composer.methods.scorers.tournament import Across
from composer.specs import RewardEnsemble, TunedReward
from composer.steps.declare import step
from composer.values import Model, Quorum
from composer.values.capability import Capability
from composer.values.flow import unique
from composer.values.typed import FilePath, MaybeFile

NO_REWARD = (
    "declare a reward model: `reward_model(...)`; or ask `{name}` as a judge: "
    "`rank({name}, by = judge())`"
)


@step(paper="arXiv:2310.02743", needs=Capability.REWARD, instead=NO_REWARD, hidden=("names",))
def rewards(
    *members: Model,
    across: Across = "mean",
    c: Annotated[float, Field(ge=0)] = 0.5,
    standardize: MaybeFile = None,
    min: Quorum = "most",  # noqa: A002 - as everywhere
    names: tuple[str, ...] = (),
) -> RewardEnsemble:
    """Let several reward models reward answers together: a reward model made of reward models.

    `across` says how their rewards become one: the `mean`, the `minimum` (worst case), or
    `penalized`, which is mean - `c` variance (uncertainty-weighted). A model with several heads
    counts with each of them. Models of different scales need `standardize`, a data file of answers
    (`query`, `chosen`, `rejected`): of each reward the mean over these answers is taken off, and
    the rest is divided by the standard deviation over them. `min` says how many members must
    answer. An answer to which a member gives no finite number has no reward.
    """
    return RewardEnsemble(
        members,
        names or unique(member.name for member in members),
        across=across,
        c=c,
        standardize=standardize,
        min=min,
    )


@step(paper="arXiv:2203.02155", hidden=("names",))
def tune_reward(
    member: Model,
    /,
    *,
    pairs: FilePath,
    heads: Annotated[int, Field(ge=1)] = 1,
    bootstrap: bool = True,
    diversity: Annotated[float, Field(ge=0)] = 0.0,
    training: Training = AdamW(),
    dtype: Dtype = "auto",
    device: str = "auto",
    names: tuple[str, ...] = (),
) -> TunedReward:
    """Train a reward model of a language model on pairs of answers, of which one was preferred.

    `pairs` is a data file with `query`, `chosen` and `rejected`. The loss is that of Bradley and
    Terry, -log sigmoid(r_chosen - r_rejected). All weights are trained, with as many `heads` on
    one trunk: each gives a reward, and with `bootstrap` each learns from pairs drawn with
    replacement. `diversity` is the weight of the nuclear norm of the heads' matrix, which keeps
    them apart (after arXiv:2401.00243). It is trained by `compose build`.
    """
    reads = RewardModel(path=".", heads=heads, dtype=dtype, device=device)
    return TunedReward(
        (member,),
        names or (member.name,),
        pairs,
        heads,
        bootstrap and heads > 1,
        diversity,
        training,
        reads,
        dtype=long_name(dtype),
        device=device,
    )
