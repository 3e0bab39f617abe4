"""LoRA adapters over one set of weights in memory; each row of a batch may have another one.

The adapters of a layer lie side by side: their A in one matrix [ranks, inputs], their B in one
[outputs, ranks]. A pass multiplies by both once, for all rows, and sets to zero between the two
what belongs to other adapters than a row's own. So what a row reads does not depend on the others.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from torch.nn.functional import embedding

from composer.checkpoints.adapters import HEADS, adapter_files
from composer.diagnostics.amounts import counted
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from composer.checkpoints.adapters import AdapterFiles, LowRank

__all__ = ["NONE", "Adapters"]

NONE = 0
"""The number of no adapter: the base alone."""


@dataclass(frozen=True)
class _Pass:
    """Which adapter each line of a pass has; `kinds` are all of them."""

    lines: Sequence[int]
    kinds: frozenset[int]
    owners: dict[torch.device, Tensor] = field(default_factory=dict)

    @property
    def one(self) -> int | None:
        """The adapter of all lines, if they have the same."""
        return next(iter(self.kinds)) if len(self.kinds) == 1 else None

    def of_tokens(self, count: int, device: torch.device) -> Tensor:
        """The adapters of so many tokens [token], which lie line by line."""
        if device not in self.owners:
            self.owners[device] = torch.tensor(self.lines, device=device)
        times, rest = divmod(count, len(self.lines))
        if rest:
            lines = counted(len(self.lines), "line")
            raise ModelError("E515", f"an adapted layer read {count} tokens of {lines}")
        return self.owners[device].repeat_interleave(times) if times > 1 else self.owners[device]


class Adapters:
    """The adapters of one model: `add` gives each a number, `use` says which rows have which.

    An adapter that is added again has the number of before. `heads` says whether one of them
    changes the output layer.
    """

    def __init__(self, module: nn.Module) -> None:
        self.heads = False
        self._module = module
        self._layers: dict[str, _Layer] = {}
        self._numbers: dict[Path, int] = {}
        self._pass: _Pass | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, folder: Path) -> int:
        """Load an adapter; return its number. Raises ModelError (E505, E515) if it does not fit."""
        if folder not in self._numbers:
            files = adapter_files(folder)
            made = self._made(files)
            number = len(self._numbers) + 1
            for name, change in made.items():
                self._layer(name).put(number, change)
                self.heads |= name.rpartition(".")[2] in HEADS
            self._numbers[folder] = number
        return self._numbers[folder]

    @contextmanager
    def use(self, lines: Sequence[int]) -> Iterator[None]:
        """Let each line of the passes inside have one of the adapters, or `NONE`.

        A line is a row of a batch [line, token]; in a packed pass [1, token], each token is one.
        """
        if not self._numbers:
            yield
            return
        before, self._pass = self._pass, _Pass(lines, frozenset(lines))
        try:
            yield
        finally:
            self._pass = before

    def _made(self, files: AdapterFiles) -> dict[str, _Product | nn.Module]:
        """Read the tensors of an adapter, as its layers compute with them."""
        made: dict[str, _Product | nn.Module] = {}
        with safe_open(files.file, framework="pt") as file:
            read = partial(_read, files, file.get_tensor)
            for name, low in files.added.items():
                made[name] = self._product(files, low, read(low.down), read(low.up))
            parts: dict[str, dict[str, Tensor]] = {}
            for place, stored in files.whole.items():
                name, _, part = place.rpartition(".")
                parts.setdefault(name, {})[part] = read(stored)
        return made | {name: self._replaced(files, name, new) for name, new in parts.items()}

    def _product(self, files: AdapterFiles, low: LowRank, down: Tensor, up: Tensor) -> _Product:
        weight = self._weight(files, low.layer)
        stored = low.shape[::-1] if files.transposed and not low.embedding else low.shape
        if weight.ndim > 1 and weight.shape != stored:
            raise _misfit(files, low.layer)
        up = low.scale * up.float()
        return _Product(down.to(weight), up.to(weight), embedding=low.embedding)

    def _replaced(self, files: AdapterFiles, name: str, tensors: dict[str, Tensor]) -> nn.Module:
        """A copy of a layer with other weights; what is not replaced is shared."""
        weight, layer = self._weight(files, name), _unhooked(self._found(files, name))
        known = dict(layer.named_parameters(recurse=False))
        for part, tensor in tensors.items():
            if part not in known or known[part].shape != tensor.shape:
                raise _misfit(files, f"{name}.{part}")
            new = torch.nn.Parameter(tensor.to(weight), requires_grad=False)
            layer.register_parameter(part, new)
        return layer

    def _weight(self, files: AdapterFiles, name: str) -> Tensor:
        """The weights of a layer, whose type of numbers and device those of the adapter become."""
        weight = getattr(self._found(files, name), "weight", None)
        if not isinstance(weight, torch.Tensor):
            raise _misfit(files, name)
        if weight.is_floating_point():
            return weight
        like = next(each for each in self._module.parameters() if each.is_floating_point())
        return like.new_empty(0, device=weight.device)  # quantized weights

    def _found(self, files: AdapterFiles, name: str) -> nn.Module:
        try:
            return self._module.get_submodule(name)
        except AttributeError:
            raise _misfit(files, name) from None

    def _layer(self, name: str) -> _Layer:
        if name not in self._layers:
            layer = self._layers[name] = _Layer()
            self._module.get_submodule(name).register_forward_hook(partial(self._change, layer))
        return self._layers[name]

    def _change(
        self, layer: _Layer, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor
    ) -> Tensor | None:
        """Change what a layer has computed, where a line of the pass has an adapter."""
        now = self._pass
        if now is None or now.kinds == {NONE}:
            return None
        return layer.changed(now, inputs[0], output)


@dataclass(frozen=True)
class _Product:
    """What is added to a layer: `up` B [outputs, rank], with its scale, times `down` A."""

    down: Tensor
    up: Tensor
    embedding: bool


class _Layer:
    """A layer of the model, and what the adapters do to it."""

    def __init__(self) -> None:
        self._down: Tensor | None = None
        self._up: Tensor | None = None
        self._owners: Tensor | None = None
        self._spans: dict[int, slice] = {}
        self._embedding = False
        self._whole: dict[int, nn.Module] = {}

    def put(self, number: int, change: _Product | nn.Module) -> None:
        """Add what an adapter does."""
        if not isinstance(change, _Product):
            self._whole[number] = change
            return
        start = 0 if self._down is None else len(self._down)
        self._spans[number] = slice(start, start + len(change.down))
        owners = torch.full((len(change.down),), number, device=change.down.device)
        self._embedding = change.embedding
        self._down = _joined(self._down, change.down, 0)
        self._up = _joined(self._up, change.up, 1)
        self._owners = _joined(self._owners, owners, 0)

    def changed(self, now: _Pass, read: Tensor, output: Tensor) -> Tensor:
        """Return a layer's output as the adapters of the lines change it."""
        for number, layer in self._whole.items():
            output = _replaced(layer, number, now, read, output)
        spans = [span for number, span in self._spans.items() if number in now.kinds]
        if not spans:
            return output
        part = slice(min(each.start for each in spans), max(each.stop for each in spans))
        return output + self._added(part, now, read).view_as(output)

    def _added(self, part: slice, now: _Pass, read: Tensor) -> Tensor:
        """What is added at each token [token, outputs]."""
        assert self._down is not None
        assert self._up is not None
        assert self._owners is not None
        if self._embedding:
            low = embedding(read.reshape(-1), self._down[part].T)
        else:
            low = read.reshape(-1, read.shape[-1]).to(self._down.dtype) @ self._down[part].T
        if now.one is None:
            own = now.of_tokens(len(low), low.device)[:, None] == self._owners[part]
            low = torch.where(own, low, 0)
        return low @ self._up[:, part].T


def _unhooked(module: nn.Module) -> nn.Module:
    """A copy of a layer that shares its tensors, without what is called after the layer."""
    layer = copy(module)  # shares these two dictionaries, and torch has no public way to part them
    layer._parameters = dict(layer._parameters)  # noqa: SLF001 - so a change is the copy's alone
    layer._forward_hooks = OrderedDict()  # noqa: SLF001 - else it would be changed by itself
    return layer


def _joined(table: Tensor | None, more: Tensor, along: int) -> Tensor:
    return more if table is None else torch.cat((table, more), along)


def _replaced(layer: nn.Module, number: int, now: _Pass, read: Tensor, output: Tensor) -> Tensor:
    """Put the output of a layer of other weights where the lines have its adapter."""
    if now.one is not None:
        whole: Tensor = layer(read) if now.one == number else output
        return whole
    flat = output.reshape(-1, output.shape[-1])
    places = (now.of_tokens(len(flat), flat.device) == number).nonzero()[:, 0]
    if not len(places):
        return output
    tokens = read.reshape(len(flat), *read.shape[output.ndim - 1 :])[places]
    return flat.index_copy(0, places, layer(tokens).to(flat.dtype)).view_as(output)


def _read(files: AdapterFiles, read: Callable[[str], Tensor], name: str) -> Tensor:
    """Read a tensor; raises ModelError (E505) for numbers that are not finite."""
    tensor = read(name)
    if not bool(tensor.isfinite().all()):
        text = f"`{files.file}`: the tensor `{name}` has numbers that are not finite"
        raise ModelError("E505", text, "train the adapter again, or use an earlier checkpoint")
    return tensor


def _misfit(files: AdapterFiles, name: str) -> ModelError:
    text = f"the adapter `{files.folder}` changes `{name}`, which the loaded base does not have so"
    of = f": {files.base}" if files.base else ""
    return ModelError("E515", text, f"name the base that it was trained on{of}")
