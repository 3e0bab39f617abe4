"""What servers were found to give, kept in the user's cache folder by address and model.

One small file for each is written whole, so that processes may write at once: the last one is kept.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from composer.atomic import write_atomically
from composer.backends.endpoint.abilities import Abilities
from composer.diagnostics.caches import NoHomeError, cache_folder
from composer.specs.content import data_stamp, json_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from composer.backends.endpoint.options import EndpointOptions
    from composer.backends.endpoint.probing.probe import ProbeReport
    from composer.specs.content import Stamps

__all__ = [
    "AbilityRecord",
    "DamagedRecordError",
    "Findings",
    "RecordKey",
    "findings_of",
    "keys_of",
    "unread",
]

FORM = 2
"""Raise it where the probe asks otherwise, so that what was found before is asked anew."""

FOLDER = "endpoints"

ABILITIES = [field.name for field in fields(Abilities)]

_FINDINGS: dict[RecordKey, AbilityRecord] = {}
"""What this process found, for a machine on which nothing can be kept."""


_UNREAD: ContextVar[bool] = ContextVar("unread", default=False)


class DamagedRecordError(Exception):
    """A file of the cache folder is not what was written."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"`{path}` is damaged")
        self.path = path


@dataclass(frozen=True, slots=True)
class AbilityRecord:
    """What was found, when (UTC), of which version of a server, by how many requests.

    `unknown` names abilities of which nothing could be found out.
    """

    address: str
    model: str
    abilities: Abilities
    unknown: tuple[str, ...]
    requests: int
    server: str
    date: str

    @property
    def day(self) -> str:
        """The date without the time."""
        return self.date[:10]


@dataclass(frozen=True, slots=True)
class RecordKey:
    """What findings depend on: also the tokenizer, if it is on this machine, and the `api`."""

    address: str
    model: str
    api: str = "auto"
    tokenizer: str = ""

    @property
    def path(self) -> Path:
        """The file; raises an OSError where the user has no home."""
        return cache_folder() / FOLDER / _name(self)

    def read(self) -> AbilityRecord | None:
        """Return what is known, None where nothing is; raises DamagedRecordError."""
        try:
            path = self.path
            record = _read(path, data_stamp(path))
        except (FileNotFoundError, NotADirectoryError, PermissionError, NoHomeError):
            return _FINDINGS.get(self)
        except (OSError, ValidationError):
            record = None
        if record is not None and (record.address, record.model) == (self.address, self.model):
            return record
        if self in _FINDINGS:
            return _FINDINGS[self]
        raise DamagedRecordError(path)

    def write(self, report: ProbeReport) -> AbilityRecord:
        """Keep what was found now; where nothing can be written, this process alone knows it."""
        record = AbilityRecord(
            self.address,
            self.model,
            report.abilities,
            report.unknown,
            report.requests,
            report.server,
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        _FINDINGS[self] = record
        with suppress(OSError):
            path = self.path
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, _records().dump_json(record, indent=2))
            del _FINDINGS[self]
        return record


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known: records by address, addresses without one, and damaged files among them."""

    records: Mapping[str, AbilityRecord]
    missing: tuple[str, ...]
    damaged: tuple[Path, ...]

    @property
    def abilities(self) -> Abilities | None:
        """What all addresses that are known give; None where none is."""
        known = [record.abilities for record in self.records.values()]
        return Abilities.common(known) if known else None


@contextmanager
def unread() -> Iterator[None]:
    """Let nothing be known, as before any server was asked: to ask anew."""
    token = _UNREAD.set(True)
    try:
        yield
    finally:
        _UNREAD.reset(token)


def findings_of(options: EndpointOptions) -> Findings:
    """Return what is kept of the addresses of a model; no server is asked."""
    records: dict[str, AbilityRecord] = {}
    damaged: list[Path] = []
    for key in keys_of(options) if not _UNREAD.get() else ():
        try:
            record = key.read()
        except DamagedRecordError as error:
            damaged.append(error.path)
        else:
            if record is not None:
                records[key.address] = record
    missing = tuple(address for address in options.addresses if address not in records)
    return Findings(records, missing, tuple(damaged))


def keys_of(options: EndpointOptions) -> list[RecordKey]:
    """Return what the findings of each address of a model are kept by."""
    tokenizer = options.tokenizer if options.folder is not None else None
    how = options.model, options.api, tokenizer or ""
    return [RecordKey(address, *how) for address in options.addresses]


@lru_cache(maxsize=256)
def _name(key: RecordKey) -> str:
    return f"{json_digest([FORM, ABILITIES, *asdict(key).values()])[:32]}.json"


@lru_cache(maxsize=256)
def _read(path: Path, _stamp: Stamps) -> AbilityRecord:
    """Read a file, once for each time of change."""
    return _records().validate_json(path.read_bytes(), strict=True)


@cache
def _records() -> TypeAdapter[AbilityRecord]:
    return TypeAdapter(AbilityRecord)
