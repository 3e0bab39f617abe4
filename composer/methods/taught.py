"""Parts of a fuse that learn: from a file that is named, or by what `compose fit` found."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from composer.specs.content import file_digest
from composer.specs.parts import TensorPart
from composer.values import MaybeFile, Trainable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.engine.fitted import FittedState


class TrainableTensorPart(Trainable, TensorPart):
    """A part of a fuse that learns; what it learnt goes to its function as `taught`.

    `hidden` says that it learns from the first member's hidden states.
    """

    hidden: ClassVar[bool] = False

    file: MaybeFile = None

    @property
    def open(self) -> bool:
        """Whether a fit is wanted: not where a file is named."""
        return self.file is None

    def arguments(self) -> Mapping[str, object]:
        """Return the options, with what the part learnt in place of the file."""
        options = {name: value for name, value in super().arguments().items() if name != "file"}
        return {**options, "taught": self._taught()}

    def _taught(self) -> FittedState | None:
        """What it learnt, by content: the file's if one is named."""
        from composer.engine.fitted import FittedState, read

        fitted = self.fitted
        if self.file is not None:
            return FittedState(file_digest(self.file), partial(read, self.file))
        return None if fitted is None else FittedState(fitted.digest, lambda: fitted.state)
