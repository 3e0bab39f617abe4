"""Which session writes an answer, and the groups that it needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.fusion.sessions.spans import span_write
from composer.fusion.sessions.write import write
from composer.fusion.spec import Prompted, SpanFuse, weights_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.fusion.group import Group
    from composer.fusion.sessions.base import Session
    from composer.fusion.spec import Generated, Job, Member

    Start = Callable[[Sequence[Group]], Session[Generated]]

__all__ = ["writing"]


def writing(job: Job, on_text: Callable[[str], None] | None) -> tuple[tuple[Member, ...], Start]:
    """The members that a job needs ready as groups, and how to begin once they are."""
    inner, outer = _unwrapped(job.member)
    if isinstance(inner, SpanFuse):
        parts = tuple(outer(member) for member in inner.members)
        return parts, lambda groups: span_write(inner, groups, job, on_text)
    job = replace(job, weights=job.weights or weights_of(job.member))
    return (job.member,), lambda groups: write(groups[0], job, on_text)


def _unwrapped(member: Member) -> tuple[Member, Callable[[Member], Member]]:
    """The member without its prompt, and how to give that prompt to others."""
    if not isinstance(member, Prompted):
        return member, lambda other: other
    inner, outer = _unwrapped(member.member)
    return inner, lambda other: Prompted(outer(other), member.prompt)
