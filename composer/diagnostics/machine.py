"""The processor, the GPUs and the torch of this machine, found without loading torch."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

__all__ = ["ask_driver", "gpus", "main_memory", "processor", "torch_version"]


def processor() -> str:
    """Name the processor as the system does, where it does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def main_memory() -> int | None:
    """Return the bytes of main memory, None where the system does not tell."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


@cache
def gpus() -> tuple[str, ...]:
    """Name the GPUs as their driver does, in its order; none, where there is no driver."""
    return tuple(line.strip() for line in ask_driver("name"))


def ask_driver(fields: str) -> list[str]:
    """Ask the tool that comes with the driver of the GPUs; return a line for each, or nothing."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = (tool, f"--query-gpu={fields}", "--format=csv,noheader,nounits")
    try:
        process = subprocess.run(  # noqa: S603 - a fixed command found on the path
            query, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return process.stdout.splitlines()


def torch_version() -> str:
    """Return the version of torch that is installed; empty where it is not."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return ""
