"""What this process and a replica tell each other: pickled messages, in batches.

Both ends are this project in one version, which is checked before the first batch
(`identity.py`); so a pickle does.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import traceback
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from composer.values import ModelError
from composer.values.errors import described

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.specs import Checkpoint
    from composer.values import Request
    from composer.values.card import Price
    from composer.values.details import TokenChoice

__all__ = [
    "Answer",
    "Ask",
    "Cancel",
    "Handshake",
    "Message",
    "Piece",
    "SentError",
    "Setup",
    "Token",
    "pack",
    "unpack",
]


@dataclass(frozen=True, slots=True)
class Setup:
    """What a replica holds: its models, and their prices. With a lock, files go by content."""

    models: tuple[Checkpoint, ...]
    prices: Mapping[str, Price]
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A request under a number; `text` and `tokens` say what is to be told while it is written."""

    number: int
    request: Request[Any]
    text: bool = False
    tokens: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for this request any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the text of an answer."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token of an answer, with the detail that was wanted."""

    number: int
    choice: TokenChoice


@dataclass(frozen=True, slots=True)
class SentError:
    """An error in words, which any error can be told in; `trace` is of those that are a fault."""

    code: str
    message: str
    help: str
    transient: bool = False
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException) -> SentError:
        """Tell an error; one of another library has the code E701, as in one process."""
        coded = getattr(error, "code", None) is not None
        trace = "" if coded else "".join(traceback.format_exception(error))
        return cls(*described(error), getattr(error, "transient", False), trace)

    def error(self) -> ModelError:
        """Return it as the error that a client of this process would raise."""
        error = ModelError(self.code, self.message, self.help)
        error.transient = self.transient
        if self.trace:
            error.add_note(f"in a replica:\n{self.trace}")
        return error


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a request: its result, or an error."""

    number: int
    result: object = None
    error: SentError | None = None


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a replica says when its models are loaded, or could not be: what each model is."""

    models: Mapping[str, str] = field(default_factory=dict)
    error: SentError | None = None


Message = Ask | Cancel | Piece | Token | Answer


def pack(value: Message | Setup | Handshake | Sequence[bytes] | Sequence[Message]) -> bytes:
    """Pickle a message, or several; raises ModelError (E701) where something in it cannot be."""
    file = io.BytesIO()
    try:
        _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception as error:
        text = f"a request cannot be sent to a replica: {error}"
        raise ModelError("E701", text, "run the recipe without a cluster") from error
    return file.getvalue()


def unpack(data: bytes) -> Any:  # noqa: ANN401 - what the other end has packed
    """Read what the other end has packed."""
    return pickle.loads(data)  # noqa: S301 - our own replica wrote it


def _frozen(values: dict[str, object]) -> Mapping[str, object]:
    return MappingProxyType(values)


def _unfrozen(values: MappingProxyType[str, object]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return _frozen, (dict(values),)


class _Pickler(pickle.Pickler):
    """Pickles read-only mappings too, such as a query's fields."""

    dispatch_table = {  # noqa: RUF012 - the name that pickle looks for
        **copyreg.dispatch_table,
        MappingProxyType: _unfrozen,
    }
