"""How a token fuse lines up the vocabularies of its members. The tables are the fusion core's."""

from typing import ClassVar, Literal

from pydantic import Field

from composer.methods.taught import TrainableTensorPart
from composer.specs.parts import Align


class Shared(Align):
    """No alignment: the members have the same tokenizer."""

    name: ClassVar[str] = "shared"
    where: ClassVar[str] = "composer.methods.align.shared:shared"
    alike: ClassVar[bool] = True
    whole: ClassVar[bool] = True


class Union(Align):
    """The distribution of every member is written over the union of the vocabularies."""

    name: ClassVar[str] = "union"
    paper: ClassVar[str] = "arXiv:2406.12585"
    where: ClassVar[str] = "composer.methods.align.union:union"
    vanishes: ClassVar[bool] = True
    whole: ClassVar[bool] = True


class TopK(Align):
    """The `k` likeliest tokens of each member, with every member's probability of each of them.

    With `renormalize` the probabilities of a member over the candidates have the sum 1. If a member
    has no single token for a candidate, it reads its first token of the candidate. If that token
    already stands for another candidate, `duplicates` decides: the candidate is removed (`drop`),
    gets the logit 0 (`zero`, as in the paper's code for byte-level vocabularies) or the same logit
    (`keep`, as in its code for others).
    """

    name: ClassVar[str] = "topk"
    paper: ClassVar[str] = "arXiv:2410.03777"
    where: ClassVar[str] = "composer.methods.align.topk:topk"

    k: int = Field(default=10, ge=1, le=1000)
    renormalize: bool = True
    duplicates: Literal["drop", "zero", "keep"] = "drop"


class Relative(Align):
    """Distributions over similarities to the tokens that all members have; the first member writes.

    The common tokens are the anchors: a token is described by softmax(cos / |cos| / temperature)
    over them. The distribution of the first member is moved with `steps` steps of AdamW at `rate`
    until its description is the combined one. Of a distribution, only the `k` likeliest tokens with
    a probability of at least `floor` are used; of a description, only the `nearest` anchors, and
    the rest is distributed evenly.
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
    """Fitted mappings from the tokens of the other members to those of the first member.

    They are fitted on the output embeddings of the models, rotated onto each other. Only the `k`
    likeliest tokens of each distribution are used. Without `normalize`, a token gives to each of
    its targets a weight equal to their similarity.
    """

    name: ClassVar[str] = "mapped"
    paper: ClassVar[str] = "arXiv:2404.09492"
    where: ClassVar[str] = "composer.methods.align.mapped:mapped"

    k: int = Field(default=320, ge=1)
    normalize: bool = True


class Edits(Align):
    """Match each token of the first member with the token of the other by the fewest byte edits."""

    name: ClassVar[str] = "edits"
    paper: ClassVar[str] = "arXiv:2404.11531"
    where: ClassVar[str] = "composer.methods.align.edits:edits"
    vanishes: ClassVar[bool] = True
