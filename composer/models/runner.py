"""A runner owns one set of weights and the rows that it reads, and feeds them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.models.attention import Attention
from composer.models.beside import beside
from composer.models.rows import Feed
from composer.models.separate import Separate
from composer.models.states import States

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.models.local import LocalModel
    from composer.models.rows import Row, Rows

__all__ = ["Runner"]

_PROVED = frozenset(
    """cohere falcon gemma gemma2 gemma3 gemma3_text gpt2 gpt_bigcode gpt_neox gptj llama mistral
    mixtral mpt olmo2 opt phi phi3 qwen2 qwen3 smollm3 stablelm""".split()  # noqa: SIM905
)
_LAYERS = {"full_attention", "sliding_attention"}
_TOLERANCE = 1e-4


class Runner:
    """One model's rows; `alone` says why they do not share forward passes, if they do not."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self.alone: str | None = None
        self.rows: Rows = self._choose()

    @property
    def idle(self) -> bool:
        """Whether no row is open."""
        return not self.rows.live

    def step(self, feeds: Sequence[Feed], *, hidden: bool = False) -> Tensor:
        """Feed each row its tokens; float logits [all kept, model.width].

        With `hidden` the last hidden states stand behind them [all kept, model.width + size].
        If it raises, no row holds more than before; one that cannot be cut back holds less.
        """
        before = [(feed.row, feed.row.length) for feed in feeds]
        try:
            return self._step(feeds, hidden=hidden)
        except BaseException:
            for row, length in before:
                self.rows.crop(row, length)
            raise

    def _step(self, feeds: Sequence[Feed], *, hidden: bool) -> Tensor:
        if hidden:
            logits, states = beside(self.model, self.rows, feeds)
            return torch.cat((logits[:, : self.model.width], states), 1).float()
        return self.rows.step(feeds)[:, : self.model.width].float()

    def _choose(self) -> Rows:
        kind = self.model.config.model_type
        if kind == "rwkv":
            return States(self.model)
        strange = set(getattr(self.model.config, "layer_types", None) or ()) - _LAYERS
        if strange:
            self.alone = f"it has layers of another kind ({', '.join(sorted(strange))})"
        elif kind not in _PROVED or getattr(self.model.config, "alibi", False):
            return self._tried()
        return Separate(self.model) if self.alone else Attention(self.model)

    def _tried(self) -> Rows:
        """Packed passes if the model reads rightly by them, else padded ones, else row by row."""
        for packs in (True, False):
            self.alone = _why_not(self.model, packs=packs)
            if self.alone is None:
                return Attention(self.model, packs=packs)
        return Separate(self.model)


@torch.inference_mode()
def _why_not(model: LocalModel, *, packs: bool) -> str | None:
    """Compare two ragged rows, fed thrice and cut back once, with texts read alone."""
    window = getattr(model.config, "sliding_window", None) or 0
    long = max(12, window + 5 if window <= 64 else 0)  # noqa: PLR2004  # cheap at any size
    texts = [[(7 * n + 3) % len(model.vocabulary) for n in range(m)] for m in (long, 7)]
    try:
        found = _read_in_pieces(Attention(model, packs=packs), texts)
        wanted = torch.stack([_alone(model, text) for text in texts])
    except Exception as error:  # noqa: BLE001  # whatever it is, such a model runs row by row
        return f"its forward pass refuses rows of unlike length ({type(error).__name__})"
    gap = (found - wanted).abs().max().item() / max(1.0, wanted.abs().max().item())
    bound = _TOLERANCE if model.dtype == torch.float32 else 0.05
    return None if gap <= bound else "rows of unlike length change each other's logits"


def _alone(model: LocalModel, text: Sequence[int]) -> Tensor:
    ids = torch.tensor([list(text)], device=model.device)
    logits: Tensor = model.module(ids, use_cache=False).logits[0, -1]
    return logits


def _read_in_pieces(table: Rows, texts: Sequence[Sequence[int]]) -> Tensor:
    """Feed texts in three uneven pieces, with one detour that is cut back."""
    rows: list[Row] = [table.join() for _ in texts]
    for row, text in zip(rows, texts, strict=True):
        table.step([Feed(row, text[:3], ())])
        table.step([Feed(row, [1, 2, 5], ())])
        table.crop(row, 3)
    table.step([Feed(r, t[3:-1], ()) for r, t in zip(rows, texts, strict=True)])
    return table.step([Feed(r, t[-1:], [0]) for r, t in zip(rows, texts, strict=True)])
