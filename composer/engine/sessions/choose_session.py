"""Which session generates an answer, and the groups that it needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

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
    from collections.abc import Callable, Sequence

    from composer.engine.group import Group
    from composer.engine.sessions.base import Session
    from composer.specs import Fuse
    from composer.values.flow import Model
    from composer.values.requests import Generate
    from composer.values.results import Completion

    Start = Callable[[Sequence[Group]], Session[Completion]]

__all__ = ["choose_session"]


def choose_session(
    job: Generate, on_text: Callable[[str], None] | None
) -> tuple[tuple[Model, ...], Start]:
    """Return the models that a job needs as groups, and what makes its session of these groups.

    Raises ModelError (E302) where the model cannot tell the details that are wanted.
    """
    reason = missing_detail(job.model, job.detail) if job.detail is not None else ""
    if reason:
        raise ModelError("E302", reason, "ask for fewer details of tokens")
    inner, outer = _unwrapped(job.model)
    match inner:
        case SpanFuse():
            return _all(inner, outer), lambda groups: span_fuse(inner, groups, job, on_text)
        case ByteFuse():
            return _all(inner, outer), lambda groups: byte_fuse(inner, groups, job, on_text)
        case StringFuse():
            return _all(inner, outer), lambda groups: string_fuse(inner, groups, job, on_text)
        case Handoff():
            return _all(inner, outer), lambda groups: hand_off(inner, groups, job, on_text)
        case TokenFuse() if inner.draft is not None:
            draft = inner.draft
            assert isinstance(draft, Draft)
            fuse = draft.fuse(replace(inner, draft=None))
            return (outer(fuse),), lambda groups: draft.write(groups[0], fuse, job, on_text)
    return (job.model,), lambda groups: generate(groups[0], job.model, job, on_text)


def _all(fuse: Fuse, outer: Callable[[Model], Model]) -> tuple[Model, ...]:
    return tuple(outer(member) for member in fuse.members)


def _unwrapped(model: Model) -> tuple[Model, Callable[[Model], Model]]:
    """Return a model without its prompts, and a function that gives these prompts to others."""
    if not isinstance(model, Prompted):
        return model, lambda other: other
    inner, outer = _unwrapped(model.model)
    return inner, lambda other: Prompted(outer(other), model.template)
