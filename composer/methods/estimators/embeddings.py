"""Texts as encoders see them: vectors of length 1, made once a text and not fitted."""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

from composer.heavy import np, scipy
from composer.methods.estimators.features import Features
from composer.methods.mistakes import PartError
from composer.specs.content import file_digest, json_digest
from composer.values import OnceCache, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Asked, Floats

EXTRA = "features"
"""The extra of the project that brings the packages of encoders."""

KEEP = 1 << 16
"""Texts of each encoder whose vectors are kept in memory, the latest ones."""

_LEAST = 1e-12


class VectorCache:
    """The vectors of the texts that were encoded last."""

    def __init__(self) -> None:
        self._rows: dict[str, NDArray[np.float32]] = {}
        self._lock = Lock()

    def get(self, texts: Sequence[str], encode: Callable[[list[str]], Floats]) -> Floats:
        """Return the vectors [n, d] of texts, each encoded once as long as it is kept."""
        kinds = dict.fromkeys(texts)
        with self._lock:
            rows = {text: self._rows[text] for text in kinds if text in self._rows}
        missing = [text for text in kinds if text not in rows]
        if missing or not texts:
            rows |= self.put(missing, encode(missing))
        return np.stack([rows[text] for text in texts]) if texts else encode([])

    def put(self, texts: Sequence[str], vectors: Floats) -> dict[str, NDArray[np.float32]]:
        """Keep the vectors of some texts, and return them by text."""
        rows = dict(zip(texts, vectors.astype(np.float32), strict=True))
        with self._lock:
            self._rows |= rows
            while len(self._rows) > KEEP:
                del self._rows[next(iter(self._rows))]
        return rows


_CACHES: OnceCache[VectorCache] = OnceCache()


class Embedding(Features):
    """Features from an encoder that is used as it is: nothing of it is fitted.

    `slow` says that encoding takes long enough to keep the vectors of a fit on disk.
    """

    slow: ClassVar[bool] = False

    @abstractmethod
    def source(self) -> str:
        """Return where the weights come from, such as a package with its version."""

    @abstractmethod
    def weights(self) -> str:
        """Return the digest of what the vectors depend on."""

    @abstractmethod
    def encode(self, texts: list[str]) -> Floats:
        """Return the vectors [n, d] of texts, of length 1, or 0 for a text without tokens."""

    def digests(self) -> Mapping[str, str]:
        """Return the digest of the weights: a fit belongs to them."""
        return {"encoder": self.weights()}

    @property
    def cache(self) -> VectorCache:
        """The vectors that this encoder made last."""
        return _CACHES.get((self, self.weights()), VectorCache)

    def text_vectors(self, texts: Sequence[str]) -> Floats:
        """Return the vectors [n, d] of texts, each encoded once."""
        return self.cache.get(texts, self.encode)

    def fit(self, queries: Sequence[Asked]) -> State:
        """Learn nothing; keep what the weights are."""
        del queries
        return State(facts={"source": self.source(), "encoder": self.weights()})

    def vectors(self, state: State, queries: Sequence[Asked]) -> Vectors:
        """Return the vectors of queries; raises PartError (E507) for a fit with other weights."""
        state.live.get("checked", lambda: self._check(state))
        return scipy.sparse.csr_matrix(self.text_vectors([text for text, _ in queries]))

    def _check(self, state: State) -> None:
        if state.facts.get("encoder") != self.weights():
            message = f"`{self.name}` was fitted with other weights than those of {self.source()}"
            raise PartError("E507", message, "fit again: `compose fit RECIPE --data FILE`")


class Static(Embedding):
    """The mean of a text's static token vectors, scaled to length 1: 256 numbers.

    They are those of the package wordllama (`l2_supercat`), which holds them in one file. Nothing
    is downloaded, and a text takes about 0.1 ms.
    """

    name: ClassVar[str] = "static"
    paper: ClassVar[str] = "https://github.com/dleemiller/WordLlama"

    def packages(self) -> Mapping[str, str]:
        """Return the package that holds the vectors."""
        return {"wordllama": EXTRA}

    def source(self) -> str:
        """Return the package with its version."""
        return f"wordllama {version('wordllama')}"

    def weights(self) -> str:
        """Return the digest of the vectors and of the tokenizer."""
        return _static_weights()

    def encode(self, texts: list[str]) -> Floats:
        """Return the means over the tokens of each text."""
        tokenizer, table = _static_table()
        sums = np.zeros((len(texts), table.shape[1]), np.float32)
        for row, text in enumerate(texts):
            sums[row] = table[tokenizer.encode(text, add_special_tokens=False).ids].sum(0)
        return unit_rows(sums)


def unit_rows(vectors: Floats) -> Floats:
    """Return vectors [n, d] scaled to length 1; 0 stays 0."""
    out: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LEAST)
    return out.astype(np.float32)


@cache
def package_folder(part: str, package: str) -> Path:
    """Return the folder of an installed package, which is not imported.

    Raises PartError (E510) where it is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = f"`{part}` needs the package {package}, which is not installed"
        raise PartError("E510", message, f"`pip install 'ensemble-composer[{EXTRA}]'`")
    return Path(spec.submodule_search_locations[0])


def _static_files() -> tuple[Path, Path]:
    """Return the files of the token vectors and of their tokenizer."""
    folder = package_folder("static", "wordllama")
    files = (
        folder / "weights" / "l2_supercat_256.safetensors",
        folder / "tokenizers" / "l2_supercat_tokenizer_config.json",
    )
    for path in files:
        if not path.is_file():
            message = f"the package wordllama has no file {path.name}"
            raise PartError("E510", message, f"`pip install 'ensemble-composer[{EXTRA}]'`")
    return files


@cache
def _static_weights() -> str:
    return json_digest([file_digest(path) for path in _static_files()])


@cache
def _static_table() -> tuple[Tokenizer, NDArray[np.float32]]:
    """Return the tokenizer and the vectors [tokens, 256]; the package itself is not imported.

    Its import sets up the logging of the whole program.
    """
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    vectors, tokenizer = _static_files()
    (table,) = load_file(vectors).values()
    return Tokenizer.from_file(str(tokenizer)), table.astype(np.float32)
