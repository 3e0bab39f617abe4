"""The texts of a fit as encoders see them: encoded once for all folds, and kept on disk."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from composer.atomic import write_atomically
from composer.diagnostics.caches import PACKAGE_VERSION, cache_folder
from composer.heavy import np
from composer.methods.estimators.embeddings import Embedding
from composer.specs.content import json_digest
from composer.values.typed import parts_within

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.fit.settings import FitSettings
    from composer.methods.estimators.values import Floats
    from composer.values import Typed

KEEP = 20
"""Files of vectors that are kept, the latest ones."""

AT_ONCE = 2000
"""Texts after which a person is told how far it is."""


def encode_once(part: Typed, queries: Sequence[str], settings: FitSettings) -> None:
    """Encode the queries with each slow encoder of a part, unless their vectors are on disk."""
    texts = list(dict.fromkeys(queries))
    encoders = (each for each in parts_within(part) if isinstance(each, Embedding) and each.slow)
    for encoder in dict.fromkeys(encoders):
        name = _file_name(encoder, texts) if settings.cache else None
        vectors = _read(name, len(texts)) if name else None
        if vectors is None:
            vectors = _encoded(encoder, texts, settings)
            if name:
                _write(name, vectors)
        encoder.cache.put(texts, vectors)


def _encoded(encoder: Embedding, texts: list[str], settings: FitSettings) -> Floats:
    parts = []
    for start in range(0, len(texts), AT_ONCE):
        settings.tell(f"encoding with `{encoder.name}`: {start:,} of {len(texts):,} texts are done")
        parts.append(encoder.text_vectors(texts[start : start + AT_ONCE]))
    return np.concatenate(parts)


def _file_name(encoder: Embedding, texts: list[str]) -> str | None:
    """Name the file of some texts' vectors; None for weights that are not known by content."""
    if encoder.weights() == encoder.source():
        return None
    options = encoder.model_dump(mode="json")
    key = [PACKAGE_VERSION, encoder.name, options, encoder.weights(), texts]
    return f"{json_digest(key)}.safetensors"


def _folder() -> Path:
    return cache_folder() / "embeddings"


def _read(name: str, count: int) -> Floats | None:
    """Return the vectors in a file, None where there are none that can be used."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        vectors: Floats = load((_folder() / name).read_bytes())["vectors"]
    except (OSError, SafetensorError, KeyError):
        return None
    return vectors if vectors.ndim > 1 and len(vectors) == count else None


def _write(name: str, vectors: Floats) -> None:
    """Keep vectors, and only the latest files; where nothing can be written, nothing is kept."""
    from safetensors.numpy import save

    with suppress(OSError):
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, save({"vectors": vectors}))
        for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEEP]:
            old.unlink(missing_ok=True)
