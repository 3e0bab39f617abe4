"""Which session generates an answer, and the groups that it needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from composer.engine.sessions.byte_fuse import byte_fuse
from composer.engine.sessions.generate import generate
from composer.engine.sessions.handoff import hand_off
from composer.engine.sessions.parts import Draft
from composer.engine.sessions.span_members import span_fuse
from composer.engine.sessions.string_fuse import string_fuse
from composer.specs import (
    ByteFuse,
    Handoff,
    Prompted,
    SpanFuse,
    StringFuse,
    TokenFuse,
    missing_detail,
)
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.engine.group import Group
    from composer.engine.sessions.base import Session
    from composer.values.flow import Model
    from composer.values.requests import Generate
    from composer.values.results import Completion

    Answer = Session[Completion]
    OnText = Callable[[str], None] | None
    Start = Callable[[Sequence[Group]], Answer]

__all__ = ["choose_session"]

_WRITERS: Mapping[type[Model], Callable[[Any, Sequence[Group], Generate, OnText], Answer]] = {
    SpanFuse: span_fuse,
    ByteFuse: byte_fuse,
    StringFuse: string_fuse,
    Handoff: hand_off,
}
"""The sessions in which the members of a fuse write texts, each by a group of its own."""


def choose_session(job: Generate, on_text: OnText) -> tuple[tuple[Model, ...], Start]:
    """Return the models that a job needs as groups, and what makes its session of these groups.

    Raises ModelError (E302) where the model cannot tell the details that are wanted.
    """
    reason = missing_detail(job.model, job.detail) if job.detail is not None else ""
    if reason:
        raise ModelError("E302", reason, "ask for fewer details of tokens")
    inner, outer = _unwrapped(job.model)
    write = _WRITERS.get(type(inner))
    if write is not None:
        members = tuple(outer(member) for member in inner.members)
        return members, lambda groups: write(inner, groups, job, on_text)
    if isinstance(inner, TokenFuse) and inner.draft is not None:
        draft = inner.draft
        assert isinstance(draft, Draft)
        fuse = draft.fuse(replace(inner, draft=None))
        return (outer(fuse),), lambda groups: draft.write(groups[0], fuse, job, on_text)
    return (job.model,), lambda groups: generate(groups[0], job.model, job, on_text)


def _unwrapped(model: Model) -> tuple[Model, Callable[[Model], Model]]:
    """Return a model without its prompts, and a function that gives these prompts to others."""
    if not isinstance(model, Prompted):
        return model, lambda other: other
    inner, outer = _unwrapped(model.model)
    return inner, lambda other: Prompted(outer(other), model.template)
