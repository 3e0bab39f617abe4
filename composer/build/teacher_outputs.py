"""Teachers' distributions on a corpus: read in the engine once, and kept in the cache folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save

from composer.atomic import write_atomically
from composer.build.shards import Shards, pack, unpack
from composer.diagnostics.caches import cache_folder
from composer.engine.sessions.likely_tokens import likely_tokens
from composer.engine.space import Space
from composer.specs import Prompted, TokenFuse
from composer.specs.content import json_digest
from composer.specs.digest import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from composer.engine.engine import Engine
    from composer.engine.group import Group
    from composer.engine.sessions.base import Session
    from composer.engine.sessions.likely_tokens import Document, Reading
    from composer.methods.distillation.objectives import TeacherDistributions
    from composer.values.flow import Model

__all__ = ["TeacherOutputs", "collect_outputs", "read_documents"]

FOLDER = "distributions"
"""The folder in the user's cache that has the distributions of teachers."""

SPACE = "space"


@dataclass(frozen=True)
class TeacherOutputs:
    """A teacher's reading of each document, and what its entries are."""

    shards: Shards
    space: Space

    def __getitem__(self, document: int) -> Reading:
        """Return its reading of one."""
        return unpack(self.shards[document])


def collect_outputs(
    engine: Callable[[], Engine],
    teacher: Model,
    documents: Sequence[Document],
    objective: TeacherDistributions,
    tell: Callable[[str], None],
) -> TeacherOutputs:
    """Return a teacher's readings of documents; what was stored is not read again."""
    folder = cache_folder() / FOLDER / _content(teacher, documents, objective)
    shards = Shards(folder, len(documents))
    model = _plain(teacher)

    def make(part: range) -> list[dict[str, torch.Tensor]]:
        chosen = [documents[n] for n in part]
        return [pack(each) for each in read_documents(engine(), model, chosen, objective)]

    def done(count: int, total: int) -> None:
        tell(f"{teacher.name} has read {count:,} of {total:,} texts")

    space = _space(folder, engine, model)
    shards.fill(make, done)
    return TeacherOutputs(shards, space)


def read_documents(
    engine: Engine, model: Model, documents: Sequence[Document], objective: TeacherDistributions
) -> list[Reading]:
    """Read documents side by side. They begin in one step, so that each time the sums are alike."""
    sessions = [partial(_session, model, each, objective) for each in documents]
    return [future.result() for future in engine.run_all(model, sessions)]


def _session(
    model: Model, document: Document, objective: TeacherDistributions, group: Group
) -> Session[Reading]:
    return likely_tokens(group, model, document, objective.top, objective.temperature)


def _content(teacher: Model, documents: Sequence[Document], objective: TeacherDistributions) -> str:
    texts = [
        [[] if each.query is None else list(map(list, each.query.messages)), each.text, each.end]
        for each in documents
    ]
    return json_digest([digest(teacher), texts, objective.top, objective.temperature])


def _plain(model: Model) -> Model:
    """Return a fuse as it scores a text: all members read all, and none may leave."""
    if isinstance(model, Prompted):
        return replace(model, model=_plain(model.model))
    if not isinstance(model, TokenFuse):
        return model
    members = tuple(map(_plain, model.members))
    return replace(model, members=members, gate=None, draft=None, lazy=False, leave=False)


def _space(folder: Path, engine: Callable[[], Engine], model: Model) -> Space:
    """Return what the entries of a teacher are, which is kept beside its readings."""
    path = folder / f"{SPACE}.safetensors"
    if not path.is_file():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, _serialize_space(engine().run(model, _its_space).result()))
    return _read_space(path)


async def _its_space(group: Group) -> Space:
    return group.space


def _serialize_space(space: Space) -> bytes:
    spelt = [piece or b"" for piece in space.pieces]
    arrays = {
        "lengths": torch.tensor([len(piece) for piece in spelt]),
        "spelt": torch.tensor(list(b"".join(spelt)), dtype=torch.uint8),
        "ends": torch.tensor(sorted(space.ends), dtype=torch.int64),
    }
    content: bytes = save(arrays, {"key": space.key})
    return content


def _read_space(path: Path) -> Space:
    from safetensors import safe_open

    arrays = load_file(path)
    spelt, ends = arrays["spelt"].numpy().tobytes(), arrays["lengths"].cumsum(0).tolist()
    pieces = [spelt[a:b] or None for a, b in zip([0, *ends], ends, strict=False)]
    with safe_open(path, "pt") as file:
        key = file.metadata()["key"]
    return Space(key, pieces, frozenset(arrays["ends"].tolist()))
