"""Saved timings: how long forward passes of some shapes take on this machine.

`compose doctor --measure` writes them to `timings.json` in the user's cache folder. Choices that
depend on speed read them and never measure: what was not measured is not chosen. Timings of
another machine, another torch or another number of threads are not used.

A new kind of pass is a field of `ShapeTimings` that is empty by default, and a function in
`composer/cli/timing.py` that measures it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from composer.diagnostics.caches import cache_folder
from composer.diagnostics.machine import gpus, processor, torch_version

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "MEASURE",
    "Agreement",
    "CompiledTime",
    "DraftTime",
    "Machine",
    "SavedTimings",
    "ShapeTimings",
    "StackedTime",
    "Timings",
    "read_timings",
    "this_machine",
    "timings_file",
]

COMPILED_MARGIN = 0.95

VERSION = 2

MEASURE = "compose doctor --measure"
"""The command that saves timings."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class _TimingRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(_TimingRecord):
    """What timings depend on beside the shapes of models.

    `devices` names the processor and the GPUs, by their names in torch. `threads` is the value of
    OMP_NUM_THREADS, empty where it is not set; torch then takes all `cores`.
    """

    devices: dict[str, str]
    cores: int
    threads: str
    torch: str


class StackedTime(_TimingRecord):
    """Seconds of a step of several members as one model, and `apart`, measured by turns."""

    seconds: Seconds
    apart: Seconds

    @property
    def faster(self) -> float:
        """How many times faster the members step as one model."""
        return self.apart / self.seconds


class DraftTime(_TimingRecord):
    """Seconds of whole answers that are drafted, and of `plain` ones, measured by turns."""

    seconds: Seconds
    plain: Seconds

    @property
    def faster(self) -> float:
        """How many times faster drafted answers are."""
        return self.plain / self.seconds


class CompiledTime(_TimingRecord):
    """Seconds of a pass of fixed shapes that is compiled, of the `plain` one, and of `compiling`.

    The two were measured by turns.
    """

    seconds: Seconds
    plain: Seconds
    compiling: Seconds

    @property
    def pays(self) -> bool:
        """Whether the compiled pass is faster by more than such timings vary."""
        return self.seconds < COMPILED_MARGIN * self.plain


class ShapeTimings(_TimingRecord):
    """Median seconds of passes of one shape of models (`composer/specs/shapes.py`) on one device.

    `decode` has them by the number of rows, each of which reads one token. `verify` has them by the
    number of rows, then by the tokens that each reads in one pass. `stacked` has them by the number
    of members that step as one model, then by the rows of each member. `compiled` has them by the
    rows of a pass of fixed shapes. `name` is the model that was timed.
    """

    shape: str
    device: str
    name: str
    decode: dict[Count, Seconds]
    verify: dict[Count, dict[Count, Seconds]] = {}
    stacked: dict[Count, dict[Count, StackedTime]] = {}
    compiled: dict[Count, CompiledTime] = {}


class Agreement(_TimingRecord):
    """How often the members of a fuse agree with it, on the questions of a data file.

    `fuse` is the digest of the fuse (`composer/specs/digest.py`). `lead` is the share of the tokens
    drafted by the cheapest member that were accepted, `others` that of the others' proposals;
    `tokens` is how many were judged in all, which is what all `answers` have. `drafts` are times of
    whole answers, by the tokens of a draft, then by the answers that are written at once.
    """

    fuse: str
    data: str
    answers: Count
    tokens: Count
    lead: Share
    others: Share
    drafts: dict[Count, dict[Count, DraftTime]] = {}

    @property
    def length(self) -> float:
        """The mean number of tokens of an answer."""
        return self.tokens / self.answers


class Timings(_TimingRecord):
    """All that is saved: the machine, and each shape on each device at most once."""

    version: int = VERSION
    machine: Machine
    shapes: tuple[ShapeTimings, ...]
    agreements: tuple[Agreement, ...] = ()

    @property
    def digest(self) -> str:
        """What a plan records of the timings that it used: twelve digits of their content."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def of(self, shape: str, device: str) -> ShapeTimings | None:
        """Return the timings of a shape on a device; None where it was not measured."""
        found = (each for each in self.shapes if (each.shape, each.device) == (shape, device))
        return next(found, None)

    def agreement(self, fuse: str) -> Agreement | None:
        """Return how often the members of a fuse agree; None where it was not measured."""
        return next((each for each in self.agreements if each.fuse == fuse), None)

    def with_more(
        self, shapes: tuple[ShapeTimings, ...], agreements: tuple[Agreement, ...] = ()
    ) -> Timings:
        """Return these timings and new ones, which replace those of the same subject."""
        new = {(each.shape, each.device) for each in shapes}
        old = tuple(each for each in self.shapes if (each.shape, each.device) not in new)
        fuses = {each.fuse for each in agreements}
        kept = tuple(each for each in self.agreements if each.fuse not in fuses)
        return self.model_copy(update={"shapes": old + shapes, "agreements": kept + agreements})


@dataclass(frozen=True, slots=True)
class SavedTimings:
    """The timings that choices may use; where there are none, `why` says so in a sentence."""

    timings: Timings | None
    why: str = ""


def timings_file() -> Path:
    """Return where timings are saved; raises OSError where the user has no home."""
    return cache_folder() / "timings.json"


def read_timings() -> SavedTimings:
    """Read what `compose doctor --measure` saved, if it holds for this machine."""
    try:
        content = timings_file().read_bytes()
    except OSError:
        return SavedTimings(None, f"no timings are saved for this machine: run `{MEASURE}`")
    try:
        timings = Timings.model_validate_json(content)
    except ValidationError:
        timings = None
    if timings is None or timings.version != VERSION:
        text = "the saved timings are damaged, or another version wrote them"
        return SavedTimings(None, f"{text}: run `{MEASURE}`")
    why = _difference(timings.machine, this_machine(gpu=_has_gpu(timings.machine)))
    return SavedTimings(None, f"{why}: run `{MEASURE}`") if why else SavedTimings(timings)


def this_machine(*, gpu: bool = True) -> Machine:
    """Describe this machine; without `gpu` its driver is not asked, which takes a while."""
    from composer.sandbox.process.running import cores

    named = {f"cuda:{n}": name for n, name in enumerate(gpus())} if gpu else {}
    return Machine(
        devices={"cpu": processor(), **named},
        cores=cores(),
        threads=os.environ.get("OMP_NUM_THREADS", ""),
        torch=torch_version(),
    )


def _has_gpu(machine: Machine) -> bool:
    return len(machine.devices) > 1


def _difference(then: Machine, now: Machine) -> str:
    """Say why timings do not hold here; empty if they do."""
    if (then.devices, then.cores) != (now.devices, now.cores):
        return "the saved timings are of another machine"
    if then.torch != now.torch:
        return f"the saved timings are of torch {then.torch}, but this is {now.torch}"
    if then.threads != now.threads:
        before, after = (each.threads or "not set" for each in (then, now))
        return f"the saved timings have OMP_NUM_THREADS {before}, but it is {after}"
    return ""
