"""What a student learns of its teachers: their distributions, or their answers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from composer.methods.distillation.base import Blend, Interpolation, Match, Objective
from composer.methods.distillation.blends import LeastTeacher
from composer.methods.distillation.matches import NearestTokens
from composer.values.capability import Capability

__all__ = ["TeacherAnswers", "TeacherDistributions"]


class TeacherDistributions(Objective):
    """Learn the teachers' next-token distributions at each token of the corpus.

    The loss is `target` times the cross-entropy with the text, plus the rest times the divergence
    from the teachers' distribution: `forward` is KL(teachers, student), `reverse` KL(student,
    teachers). The `top` likeliest tokens are stored, and the probability of all others as one
    number; the divergence is that of these. Teachers with another vocabulary are brought to the
    student's tokens by `align`; where they do not match, the text itself is the target. Several
    become one by `fuse`. With `interpolate` the target moves from the student's own distribution to
    theirs.
    """

    name: ClassVar[str] = "distributions"
    paper: ClassVar[str] = "arXiv:2401.10491"
    needs: ClassVar[Capability] = Capability.LOGITS
    here: ClassVar[bool] = True

    target: float = Field(default=0.9, ge=0, le=1)
    align: Match = NearestTokens()
    fuse: Blend = LeastTeacher()
    divergence: Literal["forward", "reverse"] = "forward"
    temperature: float = Field(default=1.0, gt=0)
    top: int = Field(default=32, ge=1)
    interpolate: Interpolation | None = None


class TeacherAnswers(Objective):
    """Learn the texts that teachers answer the corpus's questions with (sequence-level).

    Each teacher answers each question `n` times, at a `temperature`, in at most `max_tokens`
    tokens; the student is trained on these by cross-entropy. Answers of the corpus are not used.
    """

    name: ClassVar[str] = "answers"
    paper: ClassVar[str] = "arXiv:1606.07947"
    needs: ClassVar[Capability] = Capability.TEXT

    n: int = Field(default=1, ge=1)
    temperature: float = Field(default=0.0, ge=0)
    max_tokens: int = Field(default=512, ge=1)
