"""Parts of a fuse that learn: from a file that is named, or by what `compose fit` found."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from composer.parts.tensor import Tensorial
from composer.ports import MaybeFile, Trainable

if TYPE_CHECKING:
    from composer.fusion.spec import Part
    from composer.fusion.taught import Taught


class Teachable(Trainable, Tensorial):
    """A part of a fuse that learns; what it learnt goes to its function as `taught`."""

    file: MaybeFile = None

    @property
    def open(self) -> bool:
        """Whether a fit is wanted: not where a file is named."""
        return self.file is None

    def part(self) -> Part:
        """Return the part as the fusion core takes it, with what it learnt."""
        from composer.fusion.spec import Part

        plain = super().part()
        options = tuple((name, value) for name, value in plain.options if name != "file")
        return Part(self.where, (*options, ("taught", self._taught())))

    def _taught(self) -> Taught | None:
        """What it learnt, by content: the file's if one is named."""
        from composer.fusion.taught import Taught, read
        from composer.models.content import file_digest

        fitted = self.fitted
        if self.file is not None:
            return Taught(file_digest(self.file), partial(read, self.file))
        return None if fitted is None else Taught(fitted.digest, lambda: fitted.state)
