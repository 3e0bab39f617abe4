"""Names of devices, as a recipe writes them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

__all__ = ["DeviceName"]

DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


def _device(name: str) -> str:
    """Refuse a word that names no device on any machine."""
    if not DEVICE.fullmatch(name):
        raise ValueError(f'`{name}` is not a device; write `auto`, `cpu`, `cuda` or `"cuda:1"`')
    return name


DeviceName = Annotated[str, AfterValidator(_device)]
"""`auto`, `cpu`, `cuda` or `cuda:N`. Whether a machine has it, only a plan says."""
