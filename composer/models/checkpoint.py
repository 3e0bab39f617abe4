"""Which weights a model is: the value by which everything above names a local model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Checkpoint", "ModelError"]


class ModelError(Exception):
    """Something that a model cannot do, worded for the person who asked for it."""

    def __init__(self, code: str, message: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk or on the hub; equal keys share one set of weights."""

    key: str
    name: str = field(compare=False)
    folder: str
    revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    template: str = "auto"

    @property
    def weights(self) -> tuple[str, str, str]:
        """What must be equal for two checkpoints to be served by one runner."""
        return self.key, self.dtype, self.device

    @property
    def local(self) -> bool:
        """Whether the weights lie in a folder of this machine."""
        return Path(self.folder).is_dir()
