"""Joining a Ray cluster, or starting one of this machine; nothing of Ray reaches the screen."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from composer.diagnostics.amounts import in_seconds
from composer.quiet import quiet
from composer.run.result import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LOCAL", "connect", "disconnect"]

LOCAL = "local"
"""The address of a cluster that is started for this process, of this machine alone."""

OBJECTS = 200 << 20
"""Bytes of shared memory of a cluster of this machine: messages are small."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_worker_niceness": "0",
}
"""What Ray reads from the environment, where the user has set nothing.

It reports to nobody, warns of nothing, and starts no process that nobody asked for; replicas have
no less of the processor than this process.
"""

SHARES = 4
"""Replicas that share a core of this machine, where no other one is there to take them."""

PROBE = """
import sys
import ray
try:
    ray.init(address=sys.argv[1], logging_level="critical", log_to_driver=False)
except RuntimeError as error:
    print(error)
    sys.exit(3)
"""
"""Joins a cluster in a process of its own, since Ray waits and prints where nobody answers."""


RUNNING = "auto"
"""Ray's own word for the cluster that this machine is a part of."""

ADDRESS = re.compile(r"(ray://)?\S+:\d+")
"""What an address of a cluster looks like: `HOST:PORT`."""


def connect(address: str, within: float, objects: int = OBJECTS) -> tuple[Any, bool]:
    """Return the module of Ray, joined to the cluster at an address, or to a new one (`local`).

    Say whether it was joined here: a program that has joined one before stays in that. Raises
    Failure: E735 if Ray is not installed, E731 if nobody answers within so many seconds, E732 if
    the cluster has another version of Ray or Python.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    ray = _imported()
    if ray.is_initialized():
        return ray, False
    options: dict[str, object] = {"logging_level": "critical", "log_to_driver": False}
    if address == LOCAL:
        cores = SHARES * (os.cpu_count() or 1)
        options |= {
            "include_dashboard": False,
            "num_cpus": cores,
            "object_store_memory": objects,
        }
    else:
        _demand_answer(address, within)
    with quiet(), _signals_kept():
        try:
            ray.init(address=address, **options)
        except (RuntimeError, OSError) as error:
            raise _silent(address, within, str(error)) from error
    _let_print(allowed=False)
    return ray, True


def disconnect(ray: Any) -> None:  # noqa: ANN401 - the module
    """Leave the cluster that was joined here."""
    with quiet():
        ray.shutdown()
    _let_print(allowed=True)


def _let_print(*, allowed: bool) -> None:
    """Let Ray print, or not. It prints deaths of processes, whatever it is told of its log.

    They go to standard output, where answers are; Ray has no public switch for that.
    """
    worker: Any = sys.modules.get("ray._private.worker")
    if hasattr(worker, "_worker_logs_enabled"):
        worker._worker_logs_enabled = allowed  # noqa: SLF001 - as above


def _imported() -> Any:  # noqa: ANN401 - the module
    try:
        with quiet():
            import ray
    except ImportError as error:
        text = "Ray is not installed"
        raise Failure("E735", text, "pip install 'ensemble-composer[ray]'") from error
    return ray


def _demand_answer(address: str, within: float) -> None:
    """Raise Failure unless a cluster of our versions answers at an address."""
    if address != RUNNING:
        _demand_port(address, within)
    try:
        found = subprocess.run(  # noqa: S603 - a fixed program and an address
            (sys.executable, "-c", PROBE, address),
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _silent(address, within, "") from None
    if found.returncode == 3:  # noqa: PLR2004 - of the probe
        text = f"the cluster at {address} has other versions: {' '.join(found.stdout.split())}"
        raise Failure("E732", text, "install the same versions on all machines")
    if found.returncode != 0:
        raise _silent(address, within, (found.stderr.strip().splitlines() or [""])[-1])


def _demand_port(address: str, within: float) -> None:
    """Raise Failure unless an address has its form, and something listens there."""
    if ADDRESS.fullmatch(address) is None:
        text = f"`{address}` is no address of a Ray cluster"
        raise Failure("E731", text, "give HOST:PORT, as `ray start --head` prints it, or `local`")
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), within).close()
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise _silent(address, within, why or str(error)) from error


def _silent(address: str, within: float, why: str) -> Failure:
    if address == LOCAL:
        return Failure("E731", f"Ray cannot be started on this machine: {why}")
    reason = f": {why}" if why else f" within {in_seconds(within)}"
    if address == RUNNING:
        text = "this machine is a part of no Ray cluster that answers"
        return Failure("E731", text, "give the address of one, HOST:PORT, or `local`")
    text = f"no Ray cluster answers at {address}{reason}"
    help_ = "start one there: `ray start --head`; give the address that it prints, HOST:PORT"
    return Failure("E731", text, help_)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray would replace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
