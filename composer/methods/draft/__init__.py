"""Who writes ahead in a token fuse, and what the others do with it: the fusion core's sessions."""

from typing import ClassVar, Literal

from pydantic import Field

from composer.specs.parts import Draft


class Speculative(Draft):
    """The others accept or replace what was drafted: the answer is the fuse's, sooner.

    The lead drafts `tokens` tokens; where all of them are accepted, the others propose the next
    one, which the lead judges. Greedy answers are the same as without, drawn ones are distributed
    the same. The smaller the lead, the more tokens pay: by default as many as the others have
    times its parameters, from 1, where members of one size take turns, to 8.
    """

    name: ClassVar[str] = "speculative"
    paper: ClassVar[str] = "arXiv:2502.01662"
    where: ClassVar[str] = "composer.methods.draft.speculative:speculative"
    alike: ClassVar[bool] = True

    tokens: int | None = Field(default=None, ge=1, le=64)
    lead: Literal["cheapest", "first"] = "cheapest"


class Safe(Draft):
    """The first member's tokens stand unless it is unsure and another one disagrees (SAFE).

    Where it gave its token p < 1/2, a member whose likeliest token is another gave q < 1 - p, and
    tokens of all members begin, they fuse once. `sharpen` says how: `geometric` by the square
    root of p q, `prefixes` with likely tokens given what likely tokens that begin with them have.
    """

    name: ClassVar[str] = "safe"
    paper: ClassVar[str] = "arXiv:2510.15346"
    where: ClassVar[str] = "composer.methods.draft.safe:safe"
    lone: ClassVar[bool] = True

    tokens: int = Field(default=5, ge=1, le=64)
    sharpen: Literal["geometric", "prefixes", "none"] = "geometric"
