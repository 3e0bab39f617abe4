"""Cascades token by token: at each token, whether the cheaper member's distribution will do.

Speculative cascades, arXiv:2405.19261. Here `q` is the distribution of the cheaper member and `p`
that of the rest. The rules go by the members' own probabilities. What is then drawn is drawn from
their probabilities after temperature and filters. So a rule that never keeps `q` gives exactly the
last member, and one that always keeps it gives exactly the first, at any temperature.

With `draft = speculative()` the first member drafts, and the distribution of the cascade is what
its tokens are accepted by. The answer is distributed as without a draft.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.engine.distribution import Distributions
from composer.engine.parts import Combine
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, MemberWeight, Process

__all__ = ["Chow", "Diff", "Lossy", "Opt", "TokenCascade", "TokenRule"]


class TokenCascade(Combine):
    """Members as the stages of a cascade, asked anew at each token.

    More than two members are a cascade of the first and of the cascade of the others.
    """

    paper: ClassVar[str] = "arXiv:2405.19261"
    cascade: ClassVar[bool] = True

    @abstractmethod
    def target(self, q: Tensor, p: Tensor, drawn_q: Tensor, drawn_p: Tensor) -> Tensor:
        """Return the probabilities [row, column] of the cascade of `q` and `p`.

        `q` and `p` are as the members give them, `drawn_q` and `drawn_p` what each alone would be
        drawn by. The result is made of the latter.
        """

    def combine(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> Distributions:
        """Return the cascade's distribution, which is made anew for every temperature."""
        stages = [Distributions(aligned.log_scores(n)) for n in range(len(weights))]
        own = [stage.probabilities() for stage in stages]
        present = [w.nonzero_rows(p) for w, p in zip(weights, own, strict=True)]

        def remake(process: Process, rows: Sequence[int]) -> Tensor:
            drawn = [process(stage) for stage in stages]
            some = list(rows)
            return self._joined([p[some] for p in own], drawn, [there[some] for there in present])

        return Distributions(self._joined(own, own, present), linear=True, remake=remake)

    def _joined(
        self, own: Sequence[Tensor], drawn: Sequence[Tensor], present: Sequence[Tensor]
    ) -> Tensor:
        """Join the stages from the last to the first; one that is not present changes nothing."""
        p, drawn_p, rest = own[-1], drawn[-1], present[-1]
        for q, drawn_q, there in list(zip(own, drawn, present, strict=True))[-2::-1]:
            joined, both = self.target(q, p, drawn_q, drawn_p), there & rest
            drawn_p = torch.where(both, joined, torch.where(there, drawn_q, drawn_p))
            p = torch.where(both, self.target(q, p, q, p), torch.where(there, q, p))
            rest = there | rest
        return drawn_p


class _Rule(TokenCascade):
    """A rule that keeps `q` at some tokens; the probability of the others is drawn from `p`.

    `lenience` is how much worse `q` may be: 0 hardly anything, 1 always. Below 0, `p` alone counts.
    """

    lenience: float = Field(default=0.1, ge=-1, le=1)

    @abstractmethod
    def keeps(self, q: Tensor, p: Tensor, drawn_q: Tensor, drawn_p: Tensor) -> Tensor:
        """Say where `q` is kept: [row, 1], or [row, column] for each token by itself."""

    def target(self, q: Tensor, p: Tensor, drawn_q: Tensor, drawn_p: Tensor) -> Tensor:
        """Return `q` at the tokens that are kept, and the rest of its probability by `p`."""
        keeps = self.keeps(q, p, drawn_q, drawn_p)
        rest = torch.where(keeps, 0.0, drawn_q).sum(-1, keepdim=True)
        return torch.where(keeps, drawn_q, 0.0) + rest * drawn_p


class Chow(_Rule):
    """Keep the first member's distribution where its largest probability is 1 - lenience or more.

    The rule reads the first member alone.
    """

    name: ClassVar[str] = "chow"

    def keeps(self, q: Tensor, p: Tensor, drawn_q: Tensor, drawn_p: Tensor) -> Tensor:
        """Compare the largest probability [row, 1] with the threshold."""
        del p, drawn_q, drawn_p
        return _most(q) >= 1 - self.lenience


class Diff(_Rule):
    """Keep the first member's distribution unless the others are surer by more than `lenience`.

    One is surer than another by the difference of their largest probabilities.
    """

    name: ClassVar[str] = "diff"

    def keeps(self, q: Tensor, p: Tensor, drawn_q: Tensor, drawn_p: Tensor) -> Tensor:
        """Compare the largest probabilities [row, 1]."""
        del drawn_q, drawn_p
        return _most(q) >= _most(p) - self.lenience


class Opt(_Rule):
    """Keep the first member's distribution where it is nearly as sure, or differs much.

    The rule of `diff()` with `lenience` times the share of drafted tokens that would be refused
    (the total variation distance of the two distributions).
    """

    name: ClassVar[str] = "opt"

    def keeps(self, q: Tensor, p: Tensor, drawn_q: Tensor, drawn_p: Tensor) -> Tensor:
        """Compare the largest probabilities [row, 1], with the distance of what is drawn by."""
        distance = (drawn_q - drawn_p).clamp(min=0.0).sum(-1, keepdim=True)
        return _most(q) >= _most(p) - self.lenience * distance


class TokenRule(_Rule):
    """Keep the first member's probability of each good token; the rest goes to the others.

    With P the others' largest probability, a token is good if the first member (`version = 1`) or
    the others (2) give it P - lenience or more, or if the others give it (1 - lenience) P or more
    (3).
    """

    name: ClassVar[str] = "token_rule"

    version: Literal[1, 2, 3] = 3

    def keeps(self, q: Tensor, p: Tensor, drawn_q: Tensor, drawn_p: Tensor) -> Tensor:
        """Say which tokens [row, column] are good."""
        del drawn_q, drawn_p
        if self.version == 3:  # noqa: PLR2004
            return p >= (1 - self.lenience) * _most(p)
        return (q if self.version == 1 else p) >= _most(p) - self.lenience


class Lossy(TokenCascade):
    """Accept the first member's tokens more often than the others' distribution allows.

    Lossy speculative decoding: a drafted token is accepted with probability p / ((1 - lenience) q).
    Greedy answers are those of the last member.
    """

    name: ClassVar[str] = "lossy"
    paper: ClassVar[str] = "arXiv:2211.17192"

    lenience: float = Field(default=0.1, ge=0, le=1)

    def target(self, q: Tensor, p: Tensor, drawn_q: Tensor, drawn_p: Tensor) -> Tensor:
        """Return `q`, but no more than p / (1 - lenience) and no less than a multiple of p.

        The multiple is what the probabilities then need to add up to 1.
        """
        del q, p
        if self.lenience == 1:
            return drawn_q
        low = torch.minimum(drawn_q, drawn_p / (1 - self.lenience))
        ratio = torch.where(drawn_p > 0, low / drawn_p, torch.inf)
        ratio, order = ratio.sort(-1)
        filled = drawn_p.gather(-1, order).cumsum(-1)
        kept = low.sum(-1, keepdim=True) - low.gather(-1, order).cumsum(-1)
        last = ((ratio * filled + kept <= 1).sum(-1, keepdim=True) - 1).clamp(min=0)
        multiple = (1 - kept.gather(-1, last)) / filled.gather(-1, last)
        return torch.maximum(low, multiple * drawn_p)


def _most(probabilities: Tensor) -> Tensor:
    """The largest probability of each row [row, 1]."""
    return probabilities.amax(-1, keepdim=True)
