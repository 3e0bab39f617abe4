"""Which models are in memory, and on which device; idle ones are unloaded to make room."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from composer.checkpoints.adapters import adapter_files
from composer.checkpoints.dtypes import SIZES
from composer.checkpoints.quantize import bytes_in_memory
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
    from collections.abc import Callable, Iterable, Mapping

    from composer.engine.rows.remote import NextTokenSource
    from composer.engine.weights.local import LocalModel
    from composer.specs.models import Checkpoint

__all__ = ["ModelPool", "PoolFull", "devices", "weight_bytes"]

Shared = tuple[str, str, str]

_HEADROOM = 0.9  # the rest is for rows and for what a forward pass needs in between


_FORKED: list[int] = []
"""Holds this process's id if it was forked after torch was imported."""

os.register_at_fork(after_in_child=lambda: _FORKED.append(os.getpid()))


class PoolFull(Exception):
    """A model does not fit now, but it will when a busy one is idle."""


class ModelPool:
    """Keeps models in memory, one runner for each set of weights, within each device's room.

    `room` maps devices to bytes (default: `devices()`). The least recently used idle model is
    unloaded first. `attach` loads an adapter beside its base. `ask` gives what asks the server of a
    model, and `wake` is called when one has replied. `stacks` has the models that step as one.
    """

    def __init__(
        self,
        room: Mapping[str, int] | None = None,
        loader: Callable[[Checkpoint, str], LocalModel] = load,
        attach: Callable[[Checkpoint, LocalModel], int] = attach,
        ask: Callable[[Checkpoint], NextTokenSource] | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        if _FORKED:  # OpenMP's threads are not in this process: it would wait for them for ever
            torch.set_num_threads(1)
        self._room = dict(devices() if room is None else room)
        self._loader, self._attach = loader, attach
        self._ask, self._wake = ask, wake
        self._loaded: dict[Shared, tuple[str, int, Runner]] = {}
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
        device, size, runner = self._loaded[key]
        if runner.has(model):
            return
        need = adapter_bytes(model, device)
        if need > self._free(device) and not self._make_room(device, need, pinned | {key}):
            raise PoolFull
        with quiet():
            runner.adopt(model, self._attach)
        self._loaded[key] = device, size + need, runner

    def _load(self, model: Checkpoint, pinned: set[Shared]) -> tuple[str, int, Runner]:
        options = self._devices(model)
        size = {device: weight_bytes(model, device) for device in options}
        device = self._place(model, size, pinned)
        with quiet():
            runner = Runner(self._loader(model, device))
        runner.spare = partial(self._spare, device)
        return device, size[device], runner

    def _spare(self, device: str) -> None:
        """Give up what ended answers have left on a device."""
        for where, _, runner in self._loaded.values():
            if where == device:
                runner.prefixes.clear()

    def _devices(self, model: Checkpoint) -> list[str]:
        """The devices that the model may be loaded to; the one with most room first."""
        if model.weights.device == "auto":
            return sorted(self._room, key=lambda device: (device == "cpu", -self._free(device)))
        device = "cuda:0" if model.weights.device == "cuda" else model.weights.device
        if device not in self._room:
            raise ModelError(
                "E602",
                f"{model.name} asks for the device {device}, which this machine does not have",
                f"use one of: {', '.join(self._room)}",
            )
        return [device]

    def _place(self, model: Checkpoint, size: Mapping[str, int], pinned: set[Shared]) -> str:
        for device, need in size.items():
            if need <= self._free(device):
                return device
        for device, need in size.items():
            if self._make_room(device, need, pinned):
                return device
        if any(need <= self._room[device] for device, need in size.items()):
            raise PoolFull
        device, need = next(iter(size.items()))
        raise ModelError(
            "E601",
            f"{model.name} needs {_size(need)}, but {device} has only {_size(self._room[device])}",
            "use a smaller `dtype`, or another device",
        )

    def _make_room(self, device: str, need: int, pinned: set[Shared]) -> bool:
        """Unload idle models, least recently used first; False if that makes too little room."""
        idle = [
            keys
            for keys in self.stacks.together(self._loaded)
            if all(self._is_idle(key, device) and key not in pinned for key in keys)
        ]
        if need > self._free(device) + sum(self._loaded[key][1] for keys in idle for key in keys):
            return False
        for keys in idle:
            if need <= self._free(device):
                break
            for key in keys:
                del self._loaded[key]
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
        return True

    def _is_idle(self, key: Shared, device: str) -> bool:
        where, _, runner = self._loaded[key]
        return where == device and runner.idle

    def _free(self, device: str) -> int:
        used = sum(size for where, size, _ in self._loaded.values() if where == device)
        return self._room[device] - used


def devices() -> dict[str, int]:
    """Return the devices of this machine, and the bytes that models may take on each."""
    gpus = {
        f"cuda:{n}": int(_HEADROOM * torch.cuda.mem_get_info(n)[0])
        for n in range(torch.cuda.device_count())
    }
    return {**gpus, "cpu": int(_HEADROOM * _memory())}


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


def _memory() -> int:
    """Bytes of main memory, as the system reports them; 16 GiB if it does not."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 34


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
