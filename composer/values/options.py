"""What a caller may set for one query, over what the recipe says."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.values.details import TokenDetail
    from composer.values.requests import AnswerSchema

__all__ = ["DEFAULT", "AnswerOptions"]


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """Options of one query. They hold for each step whose text may be the answer.

    None leaves what the recipe says. Those up to `min_tokens` are the options of `generate` with
    the same names. `seed` is that of all sampled work. `ignore_end` lets an answer go on to
    `max_tokens`. The answer must follow `schema`. It goes on from `prefix`, which it does not
    repeat. `detail` is what is wanted of each token beside its text.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: tuple[tuple[int | str, float], ...] | None = None
    min_tokens: int | None = None
    seed: int | None = None
    ignore_end: bool = False
    schema: AnswerSchema | None = None
    prefix: str = ""
    detail: TokenDetail | None = None

    @property
    def set_names(self) -> tuple[str, ...]:
        """The names of the options that are set."""
        names = (each.name for each in fields(self))
        return tuple(name for name in names if getattr(self, name) != getattr(DEFAULT, name))

    def as_dict(self) -> dict[str, object]:
        """Return the options that are set as plain values, as traces have them."""
        plain: dict[str, object] = {name: getattr(self, name) for name in self.set_names}
        if self.schema is not None:
            plain["schema"] = self.schema.text
        if self.detail is not None:
            plain["detail"] = asdict(self.detail)
        return plain


DEFAULT = AnswerOptions()
"""No option is set."""
