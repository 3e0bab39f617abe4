"""Chat templates of models: filled in under limits, and tried out before anything is asked.

Whoever made a model wrote its template, so it runs in the sandbox, and what it leaves out of a
conversation is found with texts of our own: at check where the files are here, else when the model
is loaded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from composer.checkpoints.token_bytes import THOUGHT
from composer.diagnostics import nearest
from composer.sandbox.meter import Limits
from composer.values.errors import ModelError
from composer.values.thinking import Thinking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

    from composer.sandbox.templates import Environment
    from composer.values.flow import Message
    from composer.values.typed import Variables

__all__ = ["ChatTemplate", "Probe"]

END = "\ufdd2end\ufdd3"
"""Marks where an answer's beginning stops, so that what a template writes after it is cut off."""

_ANSWERING = "add_generation_prompt"
_PROBING = Limits(steps=100_000, characters=4_000_000, seconds=0.5)
_ASKING = Limits()
_SYSTEM = 'Rule 41: "be brief", said Ada & co. <ok> {x}\n  Ünit system.'
_FIRST = "Earlier question about kestrels?"
_REPLY = "Earlier reply about linnets."
_ODD = 'Is 3 < 5 & "7" {{x}} ünïque \\n?\n  Tell me.'
_STORY = "It was a long story, told in full."
_LONG = f"{_ODD} {f'{_STORY} ' * 120}Kestrel."
_ASKS = "Tell me"


@dataclass(frozen=True)
class Probe:
    """What a template does with texts that were tried.

    `parts` are the roles whose content it takes as a list of parts only, `losses` what it leaves
    out: `question`, `system` or `turns`. `refused` is what it says to a system's text, `verbatim`
    whether a question stands in the prompt as it is, and `opening` what follows the question.
    """

    parts: frozenset[str] = frozenset()
    losses: frozenset[str] = frozenset()
    refused: str = ""
    verbatim: bool = True
    opening: str = ""


class ChatTemplate:
    """A chat template with its variables; `name` is whose it is, for errors."""

    def __init__(
        self,
        text: str,
        name: str,
        tokens: Mapping[str, str],
        args: Variables = (),
    ) -> None:
        self.text = text
        self.name = name
        self._variables: dict[str, object] = {
            "tools": None,
            "documents": None,
            **tokens,
            **dict(args),
        }
        self._compiled = _compiled(text, name)
        self._read_by_it(dict(args))
        self.probe = self._probe()

    def write(self, messages: Sequence[Message], *, fold_system: bool = False) -> str:
        """Return the prompt up to where the model answers, or goes on from its own beginning."""
        fold = fold_system or bool(self.probe.refused)
        turns = folded(messages) if fold else list(messages)
        lost = self.probe.losses
        if "system" in lost and any(role == "system" for role, _ in turns):
            raise self._loses(
                "the system message", "write `fold_system = true`, or choose another template"
            )
        if "turns" in lost and sum(role != "system" for role, _ in turns) > 1:
            raise self._loses(
                "earlier turns of a conversation", "write the question as one message"
            )
        going_on = turns[-1][0] == "assistant" if turns else False
        text = self._write(turns, going_on=going_on)
        if self.probe.verbatim:
            self._hold(turns, text)
        return text

    def closing(self) -> str:
        """Return what it writes behind an answer that is whole."""
        turns = [("user", _FIRST), ("assistant", _REPLY + END)]
        written = [self._turn(role, content, self.probe.parts) for role, content in turns]
        return self._filled(written, _ASKING, answering=False).partition(END)[2]

    def _read_by_it(self, args: Mapping[str, object]) -> None:
        """Refuse a variable whose name is nearly one that the template reads, and is none."""
        if not args:
            return
        from jinja2.meta import find_undeclared_variables

        read = find_undeclared_variables(_environment().parse(self.text))
        for name in sorted(args.keys() - read):
            if near := nearest(name, read - args.keys()):
                text = f"the chat template of {self.name} has no variable `{name}`"
                raise ModelError("E409", text, f"did you mean `{near}`?")

    def thinking(self, tags: tuple[str, ...] = ()) -> Thinking | None:
        """Say how thoughts are marked: by given tags, or by those that the template speaks of."""
        marks = (mark for mark in THOUGHT.findall(self.text) if "/" not in mark)
        thought_tags = tags or tuple(dict.fromkeys(mark.strip("<>") for mark in marks))
        if not thought_tags:
            return None
        marked = Thinking(thought_tags)
        ends = [match[0] for match in marked.marks.finditer(self.probe.opening)]
        return Thinking(thought_tags, opened=bool(ends) and ends[-1] in marked.opening)

    def _write(self, messages: Sequence[Message], *, going_on: bool) -> str:
        turns = [self._turn(role, content, self.probe.parts) for role, content in messages]
        if not going_on:
            return self._filled(turns, _ASKING)
        role, content = messages[-1]
        turns[-1] = self._turn(role, content.rstrip() + END, self.probe.parts)
        text, mark, _ = self._filled(turns, _ASKING, answering=False).partition(END)
        if not mark:
            raise self._loses(
                "the beginning of the answer", "ask without the beginning of an answer"
            )
        return text + content[len(content.rstrip()) :]

    def _hold(self, turns: Sequence[Message], text: str) -> None:
        """Check that every question, and what the system says, stands in the prompt."""
        for role, content in turns:
            if role in {"user", "system"} and content.strip() not in text:
                words = " ".join(content.split())
                if words not in " ".join(text.split()):
                    raise self._loses(f"a part of the {role} message", "choose another template")

    def _loses(self, what: str, help_: str) -> ModelError:
        return ModelError("E409", f"the chat template of {self.name} leaves out {what}", help_)

    def _filled(
        self,
        turns: Sequence[Mapping[str, object]],
        limits: Limits,
        *,
        answering: bool = True,
    ) -> str:
        from jinja2 import TemplateError

        from composer.sandbox.templates import render_template

        values = {**self._variables, "messages": turns, _ANSWERING: answering}
        try:
            return render_template(self._compiled, values, limits)
        except TemplateError as error:
            raise ModelError("E708", f"the chat template of {self.name} fails: {error}") from error

    @staticmethod
    def _turn(role: str, content: str, parts: frozenset[str]) -> dict[str, object]:
        listed = [{"type": "text", "text": content}]
        return {"role": role, "content": listed if role in parts else content}

    def _probe(self) -> Probe:
        """Try the template: first with a question alone, then with more before it."""
        parts, prompt = self._asked()
        keeps_query = _LONG in prompt
        if not keeps_query and not ("Kestrel" in prompt and _STORY in prompt):
            raise self._loses(
                "the question, or changes it"
                if _STORY not in prompt
                else "the end of a long question",
                'choose another template: `template = "..."`, `file("chat.jinja")` or `plain`',
            )
        kept_parts, losses, refused = set(parts), set(), ""
        try:
            system = self._role("system", _SYSTEM, [], [("user", _ODD)], parts)
        except ModelError as error:
            system, refused = frozenset(), error.message.partition(" fails: ")[2] or error.message
        if system is None:
            losses.add("system")
        kept_parts |= system or frozenset()
        turns = self._turns(frozenset(kept_parts))
        if turns is None:
            losses.add("turns")
        opening = prompt.rpartition(_LONG)[2] if keeps_query else prompt[-200:]
        return Probe(
            frozenset(kept_parts | (turns or frozenset())),
            frozenset(losses),
            refused,
            keeps_query,
            opening,
        )

    def _asked(self) -> tuple[frozenset[str], str]:
        """Return the roles that want parts, and a prompt that asks a long question."""
        plain: frozenset[str] = frozenset()
        failed: ModelError | None = None
        first_prompt = ""
        for parts in (plain, frozenset({"user"})):
            try:
                prompt = self._filled([self._turn("user", _LONG, parts)], _PROBING)
            except ModelError as error:
                failed = failed or error
                continue
            if _LONG in prompt:
                return parts, prompt
            first_prompt = first_prompt or prompt
        if failed is not None and not first_prompt:
            raise ModelError(
                "E409", failed.message, "choose another template, or give it `template_args`"
            )
        return plain, first_prompt

    def _role(
        self,
        role: str,
        content: str,
        before: list[Message],
        after: list[Message],
        parts: frozenset[str],
    ) -> frozenset[str] | None:
        """Say whether a role wants parts; None where what it says is left out either way."""
        failed: ModelError | None = None
        some = next(word for word in content.split() if word.isalpha())
        weak = False
        for wanted in (parts, parts | {role}):
            turns = [self._turn(*each, wanted) for each in (*before, (role, content), *after)]
            try:
                prompt = self._filled(turns, _PROBING)
            except ModelError as error:
                failed = failed or error
                continue
            if after and _ASKS not in prompt:
                continue
            if content in prompt:
                return frozenset(wanted)
            weak = weak or (wanted == parts and some in prompt)
        if failed is not None and not weak:
            raise failed
        return frozenset(parts) if weak else None

    def _turns(self, parts: frozenset[str]) -> frozenset[str] | None:
        """Say whether earlier turns want parts; None where they are left out or refused."""
        earlier: list[Message] = [("user", _FIRST)]
        try:
            roles = self._role("assistant", _REPLY, earlier, [("user", _ODD)], parts)
            if roles is None:
                return None
            turns = (*earlier, ("assistant", _REPLY), ("user", _ODD))
            prompt = self._filled([self._turn(*each, roles) for each in turns], _PROBING)
        except ModelError:
            return None
        return roles if "kestrels" in prompt else None


def folded(messages: Sequence[Message]) -> list[Message]:
    """Put the system's words before the first question, for templates that know no system."""
    system = [content for role, content in messages if role == "system"]
    others = [each for each in messages if each[0] != "system"]
    if not system:
        return others
    at = next((at for at, (role, _) in enumerate(others) if role == "user"), None)
    instructions = "\n\n".join(system)
    if at is None:
        return [("user", instructions), *others]
    question = ("user", f"{instructions}\n\n{others[at][1]}")
    return [*others[:at], question, *others[at + 1 :]]


@lru_cache(maxsize=64)
def _compiled(text: str, name: str) -> jinja2.Template:
    from jinja2 import TemplateSyntaxError

    from composer.sandbox.templates import compile_template

    try:
        return compile_template(_environment(), text)
    except TemplateSyntaxError as error:
        message = f"the chat template of {name} is not valid: {error.message} (line {error.lineno})"
        raise ModelError("E409", message, "choose another template, or correct the file") from None


@cache
def _environment() -> Environment:
    from jinja2 import Undefined

    from composer.sandbox.templates import Environment, GenerationTag

    environment = Environment(Undefined, GenerationTag, "jinja2.ext.loopcontrols")
    environment.add_filter("tojson", _to_json)
    environment.globals |= {"raise_exception": _raise, "strftime_now": _now}
    return environment


def _to_json(
    value: object,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - as transformers has it
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise(message: object) -> None:
    from jinja2 import TemplateError

    raise TemplateError(str(message))


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
