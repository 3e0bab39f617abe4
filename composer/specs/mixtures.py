"""Mixtures of experts made of dense models: their MLPs side by side, and a gate in each layer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from composer.specs.derived import SIZES, Derived, recast
from composer.specs.experts import active_parameters
from composer.specs.headers import TensorHeader, read_json
from composer.specs.layouts import LAYOUTS
from composer.specs.problems import SpecProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from composer.specs.layouts import Layout
    from composer.specs.parts import Router
    from composer.values.card import Card

__all__ = ["Mixture", "Piece"]

MLP = re.compile(r"model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj\.weight")
"""The tensors of a dense layer's MLP."""

TABLES = ("rotary_emb.inv_freq",)
"""Ends of the names of tables that older versions stored; they are left out."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A tensor of a mixture: the mean of some donors' `name`, else the gate of a `layer`.

    Without either it is zero.
    """

    header: TensorHeader
    name: str = ""
    donors: tuple[int, ...] = ()
    layer: int | None = None


@dataclass(frozen=True)
class Mixture(Derived):
    """A mixture of experts: the MLPs of dense models, of which each token uses `top`.

    The first donor is the base: with `shared` of "base" all but the MLPs comes from it, with "mean"
    it is the mean of all donors. Its own MLPs are an expert too unless `base_expert` is false.
    """

    word: ClassVar[str] = "moe"
    together: ClassVar[str] = "mixed"
    related: ClassVar[bool] = True

    gate: Router
    top: int = 2
    base_expert: bool = True
    shared: Literal["base", "mean"] = field(default="base", kw_only=True)

    @property
    def experts(self) -> tuple[int, ...]:
        """The places of the donors whose MLPs are experts."""
        return tuple(range(0 if self.base_expert else 1, len(self.donors)))

    @property
    def making(self) -> tuple[object, ...]:
        """The gates, how their prompts are written, and which parts come from whom."""
        chat = self.sources[0].weights.chat.content()
        return self.gate, self.top, self.base_expert, self.shared, chat

    def option_problems(self) -> Iterator[SpecProblem]:
        """Yield why so many experts cannot be chosen, or not by this gate."""
        count = len(self.experts)
        if count < 2:  # noqa: PLR2004 - one expert is a dense model
            text = f"`moe` needs at least two experts, and here {('are none', 'is one')[count]}"
            yield SpecProblem("E206", text, "add a member")
        elif self.top > count:
            text = f"a token cannot use {self.top} experts, because there are {count}"
            help_ = f"write `top = {count}`, or add a member"
            yield SpecProblem("E403", text, help_, "too many", field="top")
        else:
            yield from self.gate.problems(tuple(self.labels[e] for e in self.experts), self.top)

    def donor_problems(self) -> Iterator[SpecProblem]:
        """Yield which donors cannot be experts of one model."""
        folders = [source.folder for source in self.sources]
        problems = list(self.misfits(folders))
        yield from problems or super().donor_problems()

    def misfits(self, folders: Sequence[Path | None]) -> Iterator[SpecProblem]:
        """Yield why the models in folders cannot be experts; one without a folder is passed by."""
        configs = [None if each is None else _config(each) for each in folders]
        first = configs[0]
        for place, config in enumerate(configs):
            if config is None:
                continue
            reason = _unfit(config) or (_unlike(first, config) if first is not None else "")
            if reason:
                text = f"`{self.labels[place]}` cannot be an expert of this model: {reason}"
                help_ = f"use models of one type among: {', '.join(LAYOUTS)}"
                yield SpecProblem("E306", text, help_, "is no such model", member=place)
        if first is not None and not _unfit(first):
            yield from self._inexpressible(self.sources[0].tensors)

    def _inexpressible(self, tensors: Mapping[str, TensorHeader]) -> Iterator[SpecProblem]:
        layout = self.layout
        odd = [name for name in tensors if not _known(name, layout)]
        if layout is not None and odd:
            text = (
                f"`{self.labels[0]}` has the tensor `{odd[0]}`, for which a model of type "
                f"{layout.kind} has no place"
            )
            yield SpecProblem("E306", text, "use models without it", "is no such model", member=0)

    @property
    def layout(self) -> Layout | None:
        """How such a mixture is stored; None where that is not known before a download."""
        folder = self.sources[0].folder
        config = {} if folder is None else _config(folder)
        return LAYOUTS.get(str(config.get("model_type")))

    def formula(self, names: Sequence[str]) -> str:
        """Say which MLPs are the experts, and how many of them a token uses."""
        experts = ", ".join(names[place] for place in self.experts)
        rest = names[0] if self.shared == "base" else "the mean of all"
        return f"{self.top} of the MLPs of {experts} at each token; all else of {rest}"

    @property
    def card(self) -> Card:
        """That of the base as a mixture: its type, and how many parameters a token uses."""
        card, layout = super().card, self.layout
        if layout is None or not self.tensors:
            return replace(card, parameters=None, bytes=None)
        config = {"num_experts": len(self.experts), "num_experts_per_tok": self.top}
        active = active_parameters(config, self.tensors)
        return replace(card, architecture=layout.kind, active=active)

    @property
    def tensors(self) -> Mapping[str, TensorHeader]:
        """The tensors to be built."""
        layout = self.layout
        pieces = {} if layout is None else self.pieces_of(layout, self.sources[0].tensors)
        return {name: piece.header for name, piece in pieces.items()}

    @property
    def memory(self) -> int:
        """The bytes that building needs: the base too if the gates are made by running it."""
        base = self.sources[0].tensors.values() if self.gate.runs_base else ()
        return super().memory + sum(each.count for each in base) * SIZES["F32"]

    def pieces_of(self, layout: Layout, base: Mapping[str, TensorHeader]) -> Mapping[str, Piece]:
        """Return the tensors to be built of a base's, in their order, gates before experts."""
        pieces: dict[str, Piece] = {}
        for name, header in recast(base, self.dtype).items():
            if name.endswith(TABLES):
                continue
            found = MLP.fullmatch(name)
            if found is None:
                donors = tuple(range(len(self.donors))) if self.shared == "mean" else (0,)
                pieces[name] = Piece(header, name, donors)
            else:
                pieces |= dict(self._experts(layout, int(found[1]), found[2], name, header))
        return pieces

    def _experts(
        self, layout: Layout, layer: int, which: str, name: str, header: TensorHeader
    ) -> Iterator[tuple[str, Piece]]:
        """Yield what one tensor of a dense MLP becomes; the gate stands before the first."""
        size = header.shape[1]
        if which == "gate":
            gate = _sized(header, (len(self.experts), size))
            yield layout.gate.format(layer=layer), Piece(gate, layer=layer)
            for zero, shape in layout.zeros(size).items():
                yield zero.format(layer=layer), Piece(_sized(header, shape))
        for expert, place in enumerate(self.experts):
            named = layout.expert.format(layer=layer, expert=expert, which=layout.names[which])
            yield named, Piece(header, name, (place,))


def _sized(like: TensorHeader, shape: tuple[int, ...]) -> TensorHeader:
    sized = TensorHeader(like.dtype, shape, 0)
    return replace(sized, bytes=sized.count * like.bytes // like.count)


def _config(folder: Path) -> dict[str, Any]:
    return read_json(folder / "config.json")


def _known(name: str, layout: Layout | None) -> bool:
    return layout is None or name.endswith(TABLES) or bool(layout.known.fullmatch(name))


def _unfit(config: Mapping[str, Any]) -> str:
    """Say why no mixture is made of models with a configuration; empty if one can be."""
    kind = str(config.get("model_type"))
    if kind not in LAYOUTS:
        return f"there is no mixture of models of type {kind}"
    if config.get("use_sliding_window"):
        return "some of its layers attend within windows"
    return ""


def _unlike(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Say what of two models' MLPs differs, beside their shapes."""
    for key, default in (("model_type", None), ("hidden_act", "silu")):
        one, two = (config.get(key, default) for config in (first, other))
        if one != two:
            return f"its `{key}` is {two}, and that of the first member is {one}"
    return ""
