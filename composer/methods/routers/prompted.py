"""Gates that are made of prompts, which show what each expert is good at."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from composer.diagnostics.amounts import counted
from composer.heavy import torch
from composer.specs.parts import Router
from composer.specs.problems import SpecProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.specs.parts import RouterBase

__all__ = ["Embeddings", "Hidden"]

Texts = tuple[Annotated[str, Field(min_length=1)], ...]


class Prompted(Router):
    """Gates whose rows are means over prompts, of length 1.

    `prompts` has a list for each expert, and so has `negative`, whose mean is taken away.
    """

    prompts: tuple[Texts, ...]
    negative: tuple[Texts, ...] = ()

    def problems(self, experts: Sequence[str], top: int) -> Iterator[SpecProblem]:
        """Yield which expert has no prompts."""
        del top
        listed = {"prompts": self.prompts, "negative": self.negative}
        for option, lists in listed.items():
            if len(lists) != len(experts) and (lists or option == "prompts"):
                text = (
                    f"`{self.name}` has {counted(len(lists), 'list')} of {option} for "
                    f"{counted(len(experts), 'expert')}: {', '.join(experts)}"
                )
                help_ = "give one list for each expert, in their order"
                yield SpecProblem("E403", text, help_, f"should be {len(experts)}", field="gate")
        for name, texts in zip(experts, self.prompts, strict=False):
            if not texts:
                text = f"the expert `{name}` has no prompts"
                help_ = "list some prompts that it should answer"
                yield SpecProblem("E403", text, help_, "has no prompts", field="gate")

    def rows(self, base: RouterBase, experts: int) -> Tensor:
        """Return the difference of the means, divided by its length."""
        rows = [self.mean(base, prompts) for prompts in self.prompts[:experts]]
        for expert, prompts in enumerate(self.negative):
            if prompts:
                rows[expert] = rows[expert] - self.mean(base, prompts)
        return torch.nn.functional.normalize(torch.stack(rows, 1), dim=-1)

    @abstractmethod
    def mean(self, base: RouterBase, prompts: Sequence[str]) -> Tensor:
        """Return the mean over prompts [layer, size]."""


class Hidden(Prompted):
    """In each layer, what its MLP reads on average while the base reads an expert's prompts.

    That is the mean over all tokens. Departure from mergekit's `hidden`, which takes the hidden
    states before the norm: a gate reads those behind it.
    """

    name: ClassVar[str] = "hidden"
    paper: ClassVar[str] = "mergekit-moe, github.com/arcee-ai/mergekit"
    runs_base: ClassVar[bool] = True

    def mean(self, base: RouterBase, prompts: Sequence[str]) -> Tensor:
        """Run the base."""
        return base.hidden(prompts)


class Embeddings(Prompted):
    """The mean embedding of the tokens of an expert's prompts, alike in all layers: no model runs.

    mergekit calls it `cheap_embed`.
    """

    name: ClassVar[str] = "embeddings"
    paper: ClassVar[str] = "mergekit-moe, github.com/arcee-ai/mergekit"

    def mean(self, base: RouterBase, prompts: Sequence[str]) -> Tensor:
        """Read the embeddings."""
        return base.embedded(prompts).expand(base.layers, -1)
