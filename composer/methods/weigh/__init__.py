"""How weights follow from what members say. The arithmetic is the fusion core's."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from composer.methods.taught import TrainableTensorPart
from composer.specs.parts import Weigh


class Entropy(Weigh):
    """Surer members weigh more: w_m / H(p_m)^power, with H the entropy in nats."""

    name: ClassVar[str] = "entropy"
    where: ClassVar[str] = "composer.methods.weigh.entropy:entropy"

    power: float = Field(default=1.0, ge=0)


class Consistent(Weigh):
    """Tokens and members that are far from the mean distribution weigh less (CoRE, EACL 2026)."""

    name: ClassVar[str] = "consistent"
    where: ClassVar[str] = "composer.methods.weigh.consistent:consistent"

    score: Literal["rbf", "power", "linear", "rec", "sig"] = "rbf"
    sharpness: Annotated[float, Field(gt=0)] | None = None
    tokens: bool = True
    lead: bool = True


class Agreeing(Weigh):
    """A member counts only where its likeliest token is among the `top` of another (EVA)."""

    name: ClassVar[str] = "agreeing"
    paper: ClassVar[str] = "arXiv:2404.09492"
    where: ClassVar[str] = "composer.methods.weigh.agreeing:agreeing"

    top: int = Field(default=5, ge=1)


class LearnedWeights(Weigh, TrainableTensorPart):
    """A small gate over each member's entropy, largest probability and margin, fitted on texts."""

    name: ClassVar[str] = "learned"
    where: ClassVar[str] = "composer.methods.weigh.learned:learned"


class PromptPerplexity(Weigh):
    """Once, from the prompt: softmax(-loss of the prompt / temperature) (PackLLM-sim).

    The loss is the mean over a member's own tokens of the prompt, or over its bytes.
    """

    name: ClassVar[str] = "perplexity"
    paper: ClassVar[str] = "arXiv:2404.11531"
    where: ClassVar[str] = "composer.methods.weigh.perplexity:perplexity"
    once: ClassVar[bool] = True

    temperature: float = Field(default=1.0, gt=0)
    per: Literal["token", "byte"] = "token"


class Search(Weigh):
    """Once, from the prompt: member by member the weight that makes it likeliest (PackLLM-opt)."""

    name: ClassVar[str] = "search"
    paper: ClassVar[str] = "arXiv:2404.11531"
    where: ClassVar[str] = "composer.methods.weigh.search:search"
    once: ClassVar[bool] = True

    steps: int = Field(default=21, ge=2)
    tokens: int = Field(default=256, ge=1)
