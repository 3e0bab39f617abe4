"""Which session writes an answer, and the groups that it needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.fusion.sessions.agree import agree
from composer.fusion.sessions.handoff import hand_off
from composer.fusion.sessions.spans import span_write
from composer.fusion.sessions.write import write
from composer.fusion.spec import ByteFuse, Handoff, Part, Prompted, SpanFuse, TokenFuse, weights_of

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
    match inner:
        case SpanFuse():
            return _all(inner, outer), lambda groups: span_write(inner, groups, job, on_text)
        case ByteFuse():
            return _all(inner, outer), lambda groups: agree(inner, groups, job, on_text)
        case Handoff():
            return _all(inner, outer), lambda groups: hand_off(inner, groups, job, on_text)
        case TokenFuse(draft=Part() as draft):
            fuse, start = draft.bind()(replace(inner, draft=None), job, on_text)
            return (outer(fuse),), lambda groups: start(groups[0])
    job = replace(job, weights=job.weights or weights_of(job.member))
    return (job.member,), lambda groups: write(groups[0], job, on_text)


def _all(
    fuse: SpanFuse | ByteFuse | Handoff, outer: Callable[[Member], Member]
) -> tuple[Member, ...]:
    return tuple(outer(member) for member in fuse.members)


def _unwrapped(member: Member) -> tuple[Member, Callable[[Member], Member]]:
    """The member without its prompt, and how to give that prompt to others."""
    if not isinstance(member, Prompted):
        return member, lambda other: other
    inner, outer = _unwrapped(member.member)
    return inner, lambda other: Prompted(outer(other), member.prompt)
