"""What a student loses on a text, and against its teachers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.engine.top_tokens import NONE

if TYPE_CHECKING:
    from torch import Tensor

    from composer.engine.top_tokens import TopTokens
    from composer.methods.distillation.objectives import TeacherDistributions

__all__ = ["distillation_loss", "divergence"]

LEAST = 1e-6
"""The least probability of all other tokens: a sum in float32 does not tell less from 0."""

TINY = 1e-30
"""The least probability of a token, so that its logarithm is a number."""

NOTHING = -1e4
"""A logarithm of 0 with which gradients stay numbers."""


def distillation_loss(
    logits: Tensor,
    labels: Tensor,
    targets: TopTokens,
    objective: TeacherDistributions,
    part: float | None = None,
) -> Tensor:
    """Return the loss [place] of logits [place, token], in nats.

    `part` is the teachers' part of the target, where it is interpolated. The divergence at a
    temperature T counts T squared, so that its gradients keep their size (arXiv:1503.02531).
    """
    heat = objective.temperature
    text = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    student, teachers = _log_probabilities(logits / heat, targets)
    apart = divergence(student, teachers, objective.divergence, part)
    return objective.target * text + (1 - objective.target) * heat**2 * apart


def divergence(student: Tensor, teachers: Tensor, way: str, part: float | None = None) -> Tensor:
    """Return the divergence [place] of log-probabilities [place, event].

    The events are the likeliest tokens of the teachers, and any other token.
    """
    if part is not None:
        teachers = (part * teachers + (1 - part) * student.detach()).log_softmax(-1)
    first, second = (teachers, student) if way == "forward" else (student, teachers)
    return (first.exp() * (first - second)).sum(-1)


def _log_probabilities(logits: Tensor, targets: TopTokens) -> tuple[Tensor, Tensor]:
    """Log-probabilities [place, event] of the student and of its teachers."""
    absent = targets.ids == NONE
    own = logits.log_softmax(-1).gather(-1, targets.ids.long().clamp(min=0))
    own = own.masked_fill(absent, NOTHING)
    rest = (1 - own.exp().sum(-1, keepdim=True)).clamp(min=LEAST).log()
    theirs = targets.probabilities.clamp(min=TINY).log().masked_fill(absent, NOTHING)
    other = targets.rest[:, None].clamp(min=LEAST).log()
    return torch.cat([own, rest], -1), torch.cat([theirs, other], -1)
