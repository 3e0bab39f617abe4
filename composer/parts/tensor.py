"""Parts whose work is done by the fusion core: they say where their function is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from composer.fusion.spec import Part


class Tensorial:
    """A part that is a function of the fusion core, `module:name`; its options are the part's."""

    where: ClassVar[str]

    def part(self) -> Part:
        """Return the part as the fusion core takes it."""
        from composer.fusion.spec import Part

        fields: dict[str, object] = type(self).model_fields  # type: ignore[attr-defined]
        return Part(self.where, tuple((name, getattr(self, name)) for name in fields))
