"""What the models of an open ensemble are by content: settled once, whatever their files do later.

Answers are kept under what was loaded. So the files of a model are noted when the ensemble is
opened, and a model whose files are others when it is loaded is refused.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from composer.specs import Declared, leaves
from composer.specs.content import stamps
from composer.specs.declaration import Local
from composer.values import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from composer.specs import Checkpoint, Declaration
    from composer.specs.content import Stamps

__all__ = ["ModelDigests"]


class ModelDigests:
    """The contents of models, from when an ensemble is opened until it is closed."""

    def __init__(self, models: Iterable[Declaration] = ()) -> None:
        self._files = {each: now for each in models if (now := _now(each)) is not None}
        self._known: dict[Declaration, str] = {}

    def of(self, model: Declaration) -> str:
        """Return what a model's answers depend on; raises ModelError where its files changed.

        A model that is not on this machine yet goes by its name, until it is loaded.
        """
        known = self._known.get(model)
        if known is None:
            known = model.content()
            if not isinstance(model, Local) or self._unchanged(model):
                self._known[model] = known
        return known

    @contextmanager
    def loading(self, model: Checkpoint, *, keep: bool) -> Iterator[None]:
        """Hold a model's files to what they were, before and after they are read.

        With `keep` their content is known from then on.
        """
        declared = list(_declared(model))
        for each in declared:
            self._unchanged(each)
        yield
        for each in declared:
            self._unchanged(each)
            if keep:
                self.of(each)

    def _unchanged(self, model: Declaration) -> bool:
        """Note a model's files, or hold them to what was noted; False for one without any yet."""
        now = _now(model)
        if now is not None and self._files.setdefault(model, now) != now:
            before = dict(self._files[model])
            other = sorted({name for name, _ in {*before.items()} ^ set(now)})
            where = model.weights.location if isinstance(model, Local) else ""
            raise ModelError(
                "E505",
                f"these files in `{where}` have changed since the ensemble was opened: "
                f"{', '.join(other[:4])}",
                "open the ensemble again; save new weights in a new folder",
            )
        return now is not None


def _now(model: Declaration) -> Stamps | None:
    """Return the files of a model as they are, None for one that has none on this machine."""
    if not isinstance(model, Local):
        return None
    try:
        weights = model.weights
    except ModelError:  # said where it is declared
        return None
    return stamps(Path(weights.location)) if weights.local else None


def _declared(model: Checkpoint) -> Iterator[Declaration]:
    """Yield the declarations of a model, or of what it is derived from."""
    waiting = [model]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Declared):
            yield each.declaration
        else:
            waiting += [leaf for donor in getattr(each, "donors", ()) for leaf in leaves(donor)]
