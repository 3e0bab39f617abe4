"""The digests of the models of an open ensemble, computed once.

The cache keeps an answer under the digests of the models that made it. So the files of a model are
noted when the ensemble is opened, and loading it fails if they have changed since.
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

__all__ = ["ModelDigests", "declarations"]


class ModelDigests:
    """The digests of models, from when an ensemble is opened until it is closed."""

    def __init__(self) -> None:
        self._files: dict[Declaration, Stamps] = {}
        self._digests: dict[Declaration, str] = {}

    def note(self, models: Iterable[Declaration]) -> None:
        """Note the files of models as they are now; raises ModelError where they have changed."""
        for model in models:
            self._check_unchanged(model)

    def of(self, model: Declaration) -> str:
        """Return what a model's answers depend on; raises ModelError where its files changed.

        A model that is not on this machine yet goes by its name, until it is loaded.
        """
        digest = self._digests.get(model)
        if digest is None:
            digest = model.content()
            if not isinstance(model, Local) or self._check_unchanged(model):
                self._digests[model] = digest
        return digest

    @contextmanager
    def loading(self, model: Checkpoint, *, keep: bool) -> Iterator[None]:
        """Check before and after a model is loaded that its files are unchanged.

        With `keep` its digest is computed too.
        """
        declared = list(declarations(model))
        for declaration in declared:
            self._check_unchanged(declaration)
        yield
        for declaration in declared:
            self._check_unchanged(declaration)
            if keep:
                self.of(declaration)

    def _check_unchanged(self, model: Declaration) -> bool:
        """Note a model's files, or compare them with the note; False if it has no files yet."""
        now = _current_stamps(model)
        if now is not None and self._files.setdefault(model, now) != now:
            before = dict(self._files[model])
            changed_files = sorted({name for name, _ in {*before.items()} ^ set(now)})
            folder = model.weights.location if isinstance(model, Local) else ""
            raise ModelError(
                "E505",
                f"these files in `{folder}` have changed since the ensemble was opened: "
                f"{', '.join(changed_files[:4])}",
                "open the ensemble again; save new weights in a new folder",
            )
        return now is not None


def _current_stamps(model: Declaration) -> Stamps | None:
    """Return the stamps of a model's files, None if they are not on this machine."""
    if not isinstance(model, Local):
        return None
    try:
        weights = model.weights
    except ModelError:  # said where it is declared
        return None
    if not weights.local:
        return None
    adapter = weights.adapter
    own = stamps(Path(weights.location))
    return own if adapter is None or not adapter.local else own + stamps(Path(adapter.location))


def declarations(model: Checkpoint) -> Iterator[Declaration]:
    """Yield the declarations of a model, or of what it is derived from."""
    checkpoints = [model]
    while checkpoints:
        checkpoint = checkpoints.pop()
        if isinstance(checkpoint, Declared):
            yield checkpoint.declaration
        else:
            checkpoints += [
                leaf for donor in getattr(checkpoint, "donors", ()) for leaf in leaves(donor)
            ]
