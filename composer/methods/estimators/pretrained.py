"""Queries as a pretrained transformer sees them: the mean of its last hidden states."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, scipy, torch, transformers
from composer.methods.estimators.features import Features
from composer.methods.estimators.shapes import same_model
from composer.methods.mistakes import PartError
from composer.quiet import quiet
from composer.specs.content import stamps
from composer.values import ModelPath, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Asked, Floats
    from composer.specs.content import Stamps

_AT_ONCE = 32
_LEAST = 1e-12


class Pretrained(Features):
    """The mean of a transformer's last hidden states over the query's tokens, of length 1.

    `model` is a folder with a tokenizer, an encoder such as BERT or a causal model, as transformers
    loads it. Its weights are not changed; only the head that uses the features is fitted. A query
    is cut at `tokens` tokens; an empty query has the vector 0.
    """

    name: ClassVar[str] = "pretrained"
    paper: ClassVar[str] = "arXiv:1908.10084"

    model: ModelPath
    tokens: int = Field(default=256, ge=1)

    def fit(self, queries: Sequence[Asked]) -> State:
        """Learn nothing: the transformer is as it is."""
        del queries
        return State(facts={"model": self.model})

    def vectors(self, state: State, queries: Sequence[Asked]) -> Vectors:
        """Encode the queries, shorter ones padded."""
        folder = same_model(state, self.model)
        tokenizer, model = _loaded(folder, stamps(Path(folder)))
        texts = [text for text, _ in queries]
        parts = [
            _means(tokenizer, model, texts[at : at + _AT_ONCE], self.tokens)
            for at in range(0, len(texts), _AT_ONCE)
        ]
        size = model.config.hidden_size
        return scipy.sparse.csr_matrix(np.vstack([np.zeros((0, size), np.float32), *parts]))


@lru_cache(maxsize=2)
def _loaded(folder: str, _stamps: Stamps) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Load a tokenizer and a transformer, once as long as their files stay as they are."""
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)
    except (OSError, ValueError) as error:
        said = str(error).split("\n")[0]
        raise PartError(
            "E505",
            f"`pretrained` cannot load `{folder}`: {said}",
            "give a folder with config.json, weights and a tokenizer",
        ) from None
    return tokenizer, model.eval()


def _means(
    tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, texts: list[str], longest: int
) -> Floats:
    """Return the mean hidden state of each text [n, d], of length 1."""
    rows = [tokenizer(text, truncation=True, max_length=longest)["input_ids"] for text in texts]
    width = max(1, *map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[at, : len(row)] = 1
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    mean = (states * mask[:, :, None]).sum(1) / mask.sum(1).clip(min=1)[:, None]
    vectors = mean.float().numpy()
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LEAST)
    return unit.astype(np.float32)
