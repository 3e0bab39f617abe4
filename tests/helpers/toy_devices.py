"""Devices that are none: tensors that say on which device they lie, and compute on the CPU.

They refuse what real devices refuse, such as adding tensors of two devices, and they note each copy
between devices and each wait for a result. So what several GPUs would do can be tested on a CPU,
with real numbers.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "toy"
ATEN = torch.ops.aten
WAITS = {ATEN._local_scalar_dense.default, ATEN.nonzero.default, ATEN.masked_select.default}
COPIES = {ATEN.to, ATEN._to_copy, ATEN.copy_}
MIXES = {ATEN.index.Tensor, ATEN.index_put_.default}  # they take places from the CPU
_LOG: list[Toys] = []


@dataclass
class Toys:
    """What was done: copies from a device to another one, and waits for results."""

    copies: list[tuple[str, str]] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)

    def clear(self):
        self.copies.clear()
        self.waits.clear()


class Placed(torch.Tensor):
    """A tensor on a toy device."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner, device):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=device,
        )

    def __init__(self, inner, _device):
        self.inner = inner

    def __repr__(self):
        return f"Placed({self.inner!r}, {self.device})"

    def tolist(self):
        _note("waits", "tolist")
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _note(kind, what):
    for toys in _LOG:
        getattr(toys, kind).append(what)


def _run(func, args, kwargs):
    if func is ATEN._has_compatible_shallow_copy_type.default:
        return False  # so that modules that move get new parameters
    leaves = tree_leaves((args, kwargs))
    tensors = [x for x in leaves if isinstance(x, torch.Tensor)]
    devices = {x.device for x in tensors if isinstance(x, Placed)}
    target = next((x for x in leaves if isinstance(x, torch.device)), None)
    device = target or next(iter(devices), None)
    if func is ATEN.copy_.default:
        device = args[0].device
    if func.overloadpacket in COPIES and tensors[-1].device != device:
        _note("copies", (str(tensors[-1].device), str(device)))
    elif devices and target is None:
        _demand_one_device(func, tensors, devices)
    if func in WAITS or (func is ATEN.index.Tensor and _has_mask(args[1])):
        _note("waits", func.__name__)
    args_on_cpu, kwargs_on_cpu = tree_map(_on_cpu, (args, kwargs))
    out = func(*args_on_cpu, **kwargs_on_cpu)
    if isinstance(args[0] if args else None, Placed) and func._schema.is_mutable:
        return args[0]
    if device is None or device.type != NAME:
        return out
    return tree_map(lambda x: Placed(x, device) if isinstance(x, torch.Tensor) else x, out)


def _demand_one_device(func, tensors, devices):
    stray = [x for x in tensors if not isinstance(x, Placed) and x.ndim and func not in MIXES]
    if len(devices) > 1 or stray:
        where = sorted({str(x.device) for x in tensors})
        raise RuntimeError(f"{func}: tensors are on several devices: {', '.join(where)}")


def _has_mask(index):
    return any(x is not None and x.dtype == torch.bool for x in index)


def _on_cpu(x):
    if isinstance(x, torch.device) and x.type == NAME:
        return torch.device("cpu")
    return x.inner if isinstance(x, Placed) else x


@contextmanager
def toy_devices():
    """Let `toy:0`, `toy:1`, ... be devices inside the block; gives the notes of what is done."""
    if torch._C._get_privateuse1_backend_name() != NAME:
        _setup_privateuseone_for_python_backend(NAME)
    toys = Toys()
    lift = torch._C._only_lift_cpu_tensors()
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch._C._set_only_lift_cpu_tensors(True)  # noqa: FBT003
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    _LOG.append(toys)
    try:
        with _Mode():
            yield toys
    finally:
        _LOG.remove(toys)
        torch._C._set_only_lift_cpu_tensors(lift)
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
