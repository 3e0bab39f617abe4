"""How a token fuse lines up the vocabularies of its members. The tables are the fusion core's."""

from typing import ClassVar, Literal

from pydantic import Field

from composer.methods.taught import TrainableTensorPart
from composer.specs.parts import Align


class Shared(Align):
    """The members' tokenizers are the same: nothing is aligned."""

    name: ClassVar[str] = "shared"
    where: ClassVar[str] = "composer.methods.align.shared:shared"
    alike: ClassVar[bool] = True
    whole: ClassVar[bool] = True


class Union(Align):
    """Every member's distribution is written over the union of the vocabularies."""

    name: ClassVar[str] = "union"
    paper: ClassVar[str] = "arXiv:2406.12585"
    where: ClassVar[str] = "composer.methods.align.union:union"
    vanishes: ClassVar[bool] = True
    whole: ClassVar[bool] = True


class TopK(Align):
    """The members' `k` likeliest tokens, and what each member thinks of the others'.

    With `renormalize` a member's probabilities of the candidates add up to 1. A candidate that a
    member has no single token for is read at its first token of it; where that token stands for
    another candidate already, the candidate is ruled out (`drop`), gets the logit 0 (`zero`, as in
    the paper's code for byte-level vocabularies) or the same logit (`keep`, its code for others).
    """

    name: ClassVar[str] = "topk"
    paper: ClassVar[str] = "arXiv:2410.03777"
    where: ClassVar[str] = "composer.methods.align.topk:topk"

    k: int = Field(default=10, ge=1, le=1000)
    renormalize: bool = True
    duplicates: Literal["drop", "zero", "keep"] = "drop"


class Relative(Align):
    """Distributions over likeness to the tokens that all members have; the first member writes.

    A token is described by softmax(cos / |cos| / temperature) over those anchors. The first
    member's distribution is moved, in `steps` of AdamW at `rate`, to where its description is the
    combined one. Of a distribution the `k` likeliest tokens are looked at, less those below
    `floor`; of a description the `nearest` anchors are kept, and the rest is spread evenly.
    """

    name: ClassVar[str] = "relative"
    paper: ClassVar[str] = "arXiv:2404.12715"
    where: ClassVar[str] = "composer.methods.align.relative:relative"

    k: int = Field(default=10, ge=1, le=1000)
    floor: float = Field(default=0.01, ge=0, lt=1)
    nearest: int = Field(default=64, ge=1)
    temperature: float = Field(default=0.01, gt=0)
    steps: int = Field(default=5, ge=0, le=1000)
    rate: float = Field(default=0.15, gt=0)
    embeddings: Literal["input", "output"] = "input"


class Mapped(Align, TrainableTensorPart):
    """Learnt mappings of the other members' tokens onto the first one's.

    They are learnt from the models' output embeddings, rotated onto each other. Of each
    distribution the `k` likeliest tokens count. Without `normalize` a token gives to each of those
    it is mapped to as much as it is like it.
    """

    name: ClassVar[str] = "mapped"
    paper: ClassVar[str] = "arXiv:2404.09492"
    where: ClassVar[str] = "composer.methods.align.mapped:mapped"

    k: int = Field(default=320, ge=1)
    normalize: bool = True


class Edits(Align):
    """To each token of the first member the other's nearest, by the fewest edits of bytes."""

    name: ClassVar[str] = "edits"
    paper: ClassVar[str] = "arXiv:2404.11531"
    where: ClassVar[str] = "composer.methods.align.edits:edits"
    vanishes: ClassVar[bool] = True
