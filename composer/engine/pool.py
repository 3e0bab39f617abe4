"""Which models are in memory, and on which device; idle ones are unloaded to make room."""

from __future__ import annotations

import gc
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from composer.checkpoints.adapters import adapter_files
from composer.checkpoints.demands import CPU, Demand, Device, Placement
from composer.checkpoints.dtypes import SIZES
from composer.checkpoints.layers import layer_bytes
from composer.checkpoints.placement import place
from composer.checkpoints.quantize import bytes_in_memory
from composer.diagnostics.machine import main_memory
from composer.engine.rows.remote import RemoteRunner
from composer.engine.rows.runner import AnyRunner, Runner
from composer.engine.stacks import Stacks
from composer.engine.weights.local import attach, load
from composer.engine.weights.precision import usual_dtype
from composer.engine.weights.tokenizers import load_tokens
from composer.heavy import torch
from composer.quiet import quiet
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from composer.engine.rows.remote import NextTokenSource
    from composer.engine.weights.local import LocalModel
    from composer.specs.models import Checkpoint

__all__ = ["ModelPool", "PoolFull", "devices", "weight_bytes"]

Shared = tuple[str, str, str]

_HEADROOM = 0.9  # the rest is for rows and for what a forward pass needs in between
_MEMORY = 1 << 34  # of a machine that does not tell how much it has


_FORKED: list[int] = []
"""Holds this process's id if it was forked after torch was imported."""

os.register_at_fork(after_in_child=lambda: _FORKED.append(os.getpid()))


class PoolFull(Exception):
    """A model does not fit now, but it will when a busy one is idle."""


class ModelPool:
    """Keeps models in memory, one runner for each set of weights, within each device's room.

    `room` maps devices to bytes (default: `devices()`). The least recently used idle model is
    unloaded first. `attach` loads an adapter beside its base. `ask` gives what asks the server of a
    model, and `wake` is called when one has replied. `forget` is called when models are unloaded:
    nothing else may keep them in memory then. `stacks` has the models that step as one.
    """

    def __init__(  # noqa: PLR0913  # all have defaults
        self,
        room: Mapping[str, int] | None = None,
        loader: Callable[[Checkpoint, str], LocalModel] = load,
        attach: Callable[[Checkpoint, LocalModel], int] = attach,
        ask: Callable[[Checkpoint], NextTokenSource] | None = None,
        wake: Callable[[], None] = lambda: None,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        if _FORKED:  # OpenMP's threads are not in this process: it would wait for them for ever
            torch.set_num_threads(1)
        self._room = dict(devices() if room is None else room)
        self._loader, self._attach = loader, attach
        self._ask, self._wake, self._forget = ask, wake, forget
        self._loaded: dict[Shared, tuple[str, int, Runner]] = {}
        self._taken: dict[Shared, Mapping[str, int]] = {}
        self._remote: dict[Checkpoint, RemoteRunner] = {}
        self.stacks = Stacks()

    def get(self, models: Iterable[Checkpoint]) -> list[AnyRunner]:
        """Return runners of all models, loaded together if need be.

        Raises PoolFull if they do not fit now; ModelError if they never will (E601), the device
        does not exist (E602) or the files cannot be loaded (E5xx).
        """
        checkpoints = list(models)
        pinned = {model.weights.shared for model in checkpoints if model.in_engine}
        runners = [
            self._get(model, pinned) if model.in_engine else self._reach(model)
            for model in checkpoints
        ]
        self.stacks.make(self._loaded)
        return runners

    def runners(self) -> list[Runner]:
        """All runners in memory, least recently used first."""
        return [runner for _, _, runner in self._loaded.values()]

    def _reach(self, model: Checkpoint) -> RemoteRunner:
        """Return the runner of a model behind a server, whose tokenizer is loaded once."""
        if model not in self._remote:
            access = model.token_access
            if access is None or self._ask is None:
                raise ModelError("E302", f"the next tokens of `{model.name}` cannot be read here")
            tokens = load_tokens(model.name, access)
            self._remote[model] = RemoteRunner(model, tokens, access, self._ask(model), self._wake)
        return self._remote[model]

    def _get(self, model: Checkpoint, pinned: set[Shared]) -> Runner:
        key = model.weights.shared
        entry = self._loaded.pop(key, None)
        if entry is None:
            entry = self._load(model, pinned)
        self._loaded[key] = entry  # the last in order is the last used
        if model.weights.adapter is not None:
            self._adopt(model, pinned)
        return entry[2]

    def _adopt(self, model: Checkpoint, pinned: set[Shared]) -> None:
        """Load a model's adapter beside its base, unless it is there."""
        key = model.weights.shared
        place, size, runner = self._loaded[key]
        if runner.has(model):
            return
        device = next(iter(self._taken[key]))
        need = adapter_bytes(model, device)
        if not self._make_room(device, need, pinned | {key}):
            raise PoolFull
        with quiet():
            runner.adopt(model, self._attach)
        self._loaded[key] = place, size + need, runner
        self._taken[key] = {**self._taken[key], device: self._used(key, device) + need}

    def _load(self, model: Checkpoint, pinned: set[Shared]) -> tuple[str, int, Runner]:
        placed = self._place(demand_of(model), pinned)
        with quiet():
            runner = Runner(self._loader(model, placed.place))
        runner.spare = partial(self._spare, placed.devices)
        self._taken[model.weights.shared] = placed.devices
        return placed.place, sum(placed.devices.values()), runner

    def _spare(self, devices: Iterable[str]) -> None:
        """Give up what ended answers have left on some devices."""
        for key, (_, _, runner) in self._loaded.items():
            if not self._taken[key].keys().isdisjoint(devices):
                runner.prefixes.clear()

    def _place(self, demand: Demand, pinned: set[Shared]) -> Placement:
        """Find a place, beside all models or instead of idle ones, which are unloaded then."""
        for room in (self._free, partial(self._free_at_most, pinned)):
            placed = _fitting(demand, {device: room(device) for device in self._room})
            if isinstance(placed, Placement):
                for device, need in placed.devices.items():
                    self._make_room(device, need, pinned)
                return placed
        placed = _fitting(demand, self._room)
        if isinstance(placed, Placement):
            raise PoolFull
        raise placed

    def _make_room(self, device: str, need: int, pinned: set[Shared]) -> bool:
        """Unload idle models, least recently used first; False if that makes too little room."""
        if need > self._free_at_most(pinned, device):
            return False
        for keys in self._idle(pinned, device):
            if need <= self._free(device):
                break
            self._unload(keys)
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
        return True

    def _unload(self, keys: Iterable[Shared]) -> None:
        """Unload models; their memory is free when this returns."""
        for key in keys:
            del self._loaded[key], self._taken[key]
        self._forget()
        gc.collect()  # modules and their caches know one another

    def _idle(self, pinned: set[Shared], device: str) -> list[Sequence[Shared]]:
        """The models of a device that can be unloaded, those together that step as one."""
        return [
            keys
            for keys in self.stacks.together(self._loaded)
            if all(self._is_idle(key, device) and key not in pinned for key in keys)
        ]

    def _is_idle(self, key: Shared, device: str) -> bool:
        return device in self._taken[key] and self._loaded[key][2].idle

    def _free(self, device: str) -> int:
        return self._room[device] - sum(self._used(key, device) for key in self._loaded)

    def _free_at_most(self, pinned: set[Shared], device: str) -> int:
        """What is free if all idle models are unloaded."""
        idle = (key for keys in self._idle(pinned, device) for key in keys)
        return self._free(device) + sum(self._used(key, device) for key in idle)

    def _used(self, key: Shared, device: str) -> int:
        return self._taken[key].get(device, 0)


def _fitting(demand: Demand, room: Mapping[str, int]) -> Placement | ModelError:
    return place([demand], [Device(*each) for each in room.items()])[demand.name]


def demand_of(model: Checkpoint) -> Demand:
    """Return what the weights of a model take; the rest of a device is for rows."""
    on_gpu, on_cpu = weight_bytes(model, "cuda:0"), weight_bytes(model, CPU)
    stored = sum(each.bytes for each in model.tensors.values())
    layers = tuple(n * on_gpu // stored for n in layer_bytes(model.tensors))
    return Demand(model.name, on_gpu, on_cpu, model.weights.device, layers=layers)


def devices() -> dict[str, int]:
    """Return the devices of this machine, and the bytes that models may take on each."""
    gpus = {
        f"cuda:{n}": int(_HEADROOM * torch.cuda.mem_get_info(n)[0])
        for n in range(torch.cuda.device_count())
    }
    return {**gpus, "cpu": int(_HEADROOM * (main_memory() or _MEMORY))}


def weight_bytes(model: Checkpoint, device: str) -> int:
    """Return the bytes of the weights in memory, by the headers of files; 0 without files here."""
    return bytes_in_memory(
        model.tensors, _dtype(model, device), model.weights.quantize, model.folder
    )


def adapter_bytes(model: Checkpoint, device: str) -> int:
    """Return the bytes of a model's adapter in memory; 0 if it is not here."""
    adapter = model.weights.adapter
    if adapter is None or not adapter.local:
        return 0
    files = adapter_files(Path(adapter.location))
    size = SIZES.get(_dtype(model, device))
    return files.bytes if size is None else size * files.parameters


def _dtype(model: Checkpoint, device: str) -> str:
    """Return the type of numbers in which a model is loaded; `auto` is the stored one."""
    dtype = model.weights.dtype
    return usual_dtype(device) if dtype == "auto" else dtype
