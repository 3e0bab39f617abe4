"""Running programs in the sandbox: a few at once, each in processes of its own, never in this one.

A run is started and awaited in a thread, so that no event loop waits; as many run at once as there
are processors. A run that nobody awaits any more is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache
from typing import Any

from composer.sandbox.process.boot import BOOT, FLAGS, compiled, message
from composer.sandbox.process.jobs import WALLS, Job, Outcome, Record, WallError

_GRACE = 5.0
"""Seconds that the guard has beyond the limit before it is ended itself."""

_HERE = "composer.sandbox.process."
_WORKER = (f"{_HERE}plain", f"{_HERE}worker")
_NAMES = ("plain", "worker", "tester", "walls", "boot", "usage", "inside", "guard")


async def run(job: Job) -> Outcome:
    """Run a program; raises WallError where this system cannot hold what was not given up."""
    ended = threading.Event()
    work = asyncio.wrap_future(_threads().submit(_Run(job, ended).outcome))
    try:
        return await work
    finally:
        ended.set()


def run_blocking(job: Job) -> Outcome:
    """Run a program, and wait for it."""
    return _threads().submit(_Run(job, threading.Event()).outcome).result()


@cache
def missing_walls() -> dict[str, str]:
    """Return the walls that this system cannot hold, and why, as a run of nothing finds out."""
    try:
        return dict(run_blocking(Job("", allow=frozenset(WALLS))).walls)
    except WallError as error:
        return {name: str(error) for name in WALLS}


def cores() -> int:
    """Return how many processors this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable is not None else os.cpu_count() or 1


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(cores(), 1), thread_name_prefix="sandbox")


@cache
def _codes() -> dict[str, str]:
    """Return the code of each module that runs inside, those first that others import."""
    from importlib.resources import files

    folder = files(_HERE.rstrip("."))
    texts = {n: folder.joinpath(f"{n}.py").read_text(encoding="utf-8") for n in _NAMES}
    return {_HERE + name: compiled(name, text) for name, text in texts.items()}


class _Run:
    """One run of a guard."""

    def __init__(self, job: Job, ended: threading.Event) -> None:
        self.job, self.ended = job, ended

    def outcome(self) -> Outcome:
        """Run the job to its end."""
        if self.ended.is_set():
            return Outcome("", "", "cancelled")
        if not hasattr(os, "fork"):
            raise WallError(dict.fromkeys(WALLS, "this system has no `fork`"))
        with tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as folder:
            report = self._report(folder)
        missing = report.get("missing", {})
        refused = {name: why for name, why in missing.items() if name not in self.job.allow}
        if refused:
            raise WallError(refused)
        if "broken" in report:
            raise WallError({"folder": f"the sandbox cannot be started ({report['broken']})"})
        return _outcome(self.job, report)

    def _report(self, folder: str) -> dict[str, Any]:
        """Start a guard, and return its report."""
        python = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
        guard = subprocess.Popen(  # noqa: S603 - the interpreter that runs this
            [python, *FLAGS, BOOT, "0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={},
            start_new_session=True,
        )
        with guard:
            watch = threading.Thread(target=self._watch, args=(guard,), daemon=True)
            watch.start()
            try:
                return _reply(guard, message(_codes(), "guard", self._task()))
            finally:
                self.ended.set()
                watch.join()

    def _watch(self, guard: subprocess.Popen[bytes]) -> None:
        """End a guard when the run is over, or takes too long."""
        self.ended.wait(self.job.bounds.seconds + _GRACE)
        guard.kill()

    def _task(self) -> dict[str, Any]:
        job = self.job
        return {
            "program": job.program,
            "tests": job.tests,
            "values": job.values,
            "stdin": job.stdin,
            "bounds": asdict(job.bounds),
            "allow": sorted(job.allow),
            "script": not job.is_tested,
            "codes": {n: c for n, c in _codes().items() if n in _WORKER},
            "boot": BOOT,
            "flags": FLAGS,
        }


def _reply(guard: subprocess.Popen[bytes], start: bytes) -> dict[str, Any]:
    """Give a guard its task and read its report; its input stays open while it is wanted."""
    if guard.stdin is None or guard.stdout is None or guard.stderr is None:
        raise RuntimeError("a guard has pipes")
    with contextlib.suppress(BrokenPipeError):
        guard.stdin.write(start)
        guard.stdin.flush()
    line = guard.stdout.readline()
    if line:
        return dict(json.loads(line))
    guard.kill()
    words = guard.stderr.read().decode(errors="replace").strip().splitlines()
    return {"broken": words[-1] if words else "its guard was ended"}


def _outcome(job: Job, report: dict[str, Any]) -> Outcome:
    """Put together what a guard reports."""
    limit, problem = report["limit"], _problem(report)
    records, ends = [], []
    for verdict in report["verdicts"]:
        limit = limit or verdict.get("limit")
        if "end" in verdict:
            ends.append(verdict)
        else:
            value = verdict.get("value")
            records.append(
                Record(verdict["test"], verdict["passed"], verdict.get("why", ""), value)
            )
    if job.is_tested and not (ends and ends[0]["end"]):
        problem = (ends[0].get("why") if ends else "") or problem or "it ended before its tests"
        rest = job.sources[len(records) :] or ("the end of the tests",)
        records += [Record(test, passed=False, why=problem) for test in rest]
    if limit is None and report.get("status") == -getattr(signal, "SIGXCPU", 0):
        limit = "cpu"
    error = (report.get("error") or {}).get("limit")
    texts = report["output"], report["errors"]
    return Outcome(
        *texts, problem, limit or error, tuple(records), report["seconds"], report["missing"]
    )


def _problem(report: dict[str, Any]) -> str:
    """Say how a program has ended, empty for one that ended well."""
    if report["limit"]:
        return f"stopped by the limit of {report['limit']}"
    if error := report.get("error"):
        return f"{error['type']}: {error['text']}".removesuffix(": ")
    status = int(report.get("status") or 0)
    if status < 0:
        return f"ended by the signal {-status}"
    return f"ended with the status {status}" if status else ""
