"""Who writes ahead in a token fuse, and what the others do with it: the fusion core's sessions."""

from typing import ClassVar, Literal

from pydantic import Field

from composer.specs.parts import Draft


class Speculative(Draft):
    """Speculative decoding: one member drafts tokens, and the others accept or replace them.

    The `lead` drafts `tokens` tokens; if all of them are accepted, the others propose the next one,
    which the lead checks. Greedy answers are the same as without a draft, and sampled ones have the
    same distribution. By default `tokens` is the ratio of the others' parameters to the lead's,
    from 1, where members of one size take turns, to 8.
    """

    name: ClassVar[str] = "speculative"
    paper: ClassVar[str] = "arXiv:2502.01662"
    where: ClassVar[str] = "composer.methods.draft.speculative:speculative"
    alike: ClassVar[bool] = True

    tokens: int | None = Field(default=None, ge=1, le=64)
    lead: Literal["cheapest", "first"] = "cheapest"


class Safe(Draft):
    """Keep the first member's tokens unless it is unsure and another member disagrees (SAFE).

    The members fuse one token where three conditions are true: the first member gave its token p <
    1/2, a member with another likeliest token gave it q < 1 - p, and tokens of all members begin
    there. `sharpen` is how they fuse: `geometric` by the square root of p q; `prefixes` adds to a
    likely token the probability of likely tokens that begin with it.
    """

    name: ClassVar[str] = "safe"
    paper: ClassVar[str] = "arXiv:2510.15346"
    where: ClassVar[str] = "composer.methods.draft.safe:safe"
    lone: ClassVar[bool] = True

    tokens: int = Field(default=5, ge=1, le=64)
    sharpen: Literal["geometric", "prefixes", "none"] = "geometric"
