"""What is shown over a word: documentation, papers, defaults, and the cards of models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from composer.backends import BACKENDS, Declaration
from composer.compiler.graph.scope import Binding
from composer.compiler.plan.explain import ExplainedOption, Explanation
from composer.diagnostics.amounts import counted, in_dollars, size_text
from composer.editor.cursor import cursor
from composer.editor.subjects import Named, Parameter, subject
from composer.syntax import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.backends import Card
    from composer.diagnostics import Place
    from composer.editor.buffer import Buffer
    from composer.editor.subjects import Subject

ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")

KINDS = {tree.Model: "model", tree.Param: "param", tree.Let: "let", tree.Def: "def"}

LONGEST = 400
"""Characters of a definition or a template that a hover shows."""


def hover(buffer: Buffer, offset: int) -> tuple[str, Place] | None:
    """Say in Markdown what the word at an offset means, and where that word stands."""
    at = cursor(buffer, offset)
    target = subject(buffer, at)
    if target is None or at.word is None:
        return None
    return described(buffer, target), at.word.place


def described(buffer: Buffer, target: Subject | Binding | tree.Use) -> str:
    """Write what is known of a subject."""
    match target:
        case Explanation():
            return about_text(target)
        case ExplainedOption():
            return option_text(target)
        case Binding():
            return "\n\n".join(_binding(buffer, target))
        case Named(name=name, template=template):
            return f"**{name}**: a template\n\n{_code(template.text.strip(), 'jinja')}"
        case Parameter(name=name):
            return f"**{name}**: a parameter of this `def`"
        case tree.Use(file=file):
            return f"**{file}**: a recipe"


def about_text(about: Explanation) -> str:
    """Write what is said of a step, a part or a backend."""
    parts = [f"**{about.name}**: {about.title}", about.text]
    if about.options:
        parts.append("\n".join(f"- `{option.line}`" for option in about.options.values()))
    if about.paper:
        parts.append(f"Paper: {linked(about.paper)}")
    return linked_within("\n\n".join(parts))


def option_text(option: ExplainedOption) -> str:
    """Write what is said of an option."""
    default = "required" if option.default is None else f"default `{option.default}`"
    head = f"**{option.name}**: {option.wants}, {default}"
    return f"{head}\n\n{option.text}" if option.text else head


def linked(paper: str) -> str:
    """Make a link of a paper."""
    match = ARXIV.fullmatch(paper)
    return f"[{paper}](https://arxiv.org/abs/{match[1]})" if match else f"<{paper}>"


def linked_within(text: str) -> str:
    """Make links of the papers that a text names in passing."""
    return re.sub(rf"(?<!\[){ARXIV.pattern}", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def declaration(buffer: Buffer, binding: Binding) -> Declaration | None:
    """Read what a `model` statement declares; None where its options are wrong."""
    model = binding.statement
    if not isinstance(model, tree.Model) or model.value.function not in BACKENDS:
        return None
    kind = BACKENDS[model.value.function]
    try:
        declaration = buffer.context.values.typed(model.value, kind, binding.scope)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the diagnostics say so
        return None
    return declaration if isinstance(declaration, Declaration) else None


def _binding(buffer: Buffer, binding: Binding) -> Iterator[str]:
    statement = binding.statement
    word = KINDS.get(type(statement), "")
    written = statement.place.text
    yield _code(written if len(written) <= LONGEST else f"{written[:LONGEST]}...", "ens")
    if statement.place.source.name != buffer.source.name:
        yield f"`{word}` of {statement.place.source.name}" if word else ""
    declared = declaration(buffer, binding)
    if declared is not None:
        yield _card_of(declared)


def _card_of(declared: Declaration) -> str:
    try:
        card = declared.card()
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the diagnostics say so
        return ""
    return "\n".join(f"- {fact}" for fact in _facts(card))


def _facts(card: Card) -> Iterator[str]:
    """Yield what a card says, the unknown left out."""
    if card.architecture:
        yield f"architecture: {card.architecture}"
    if card.parameters is not None:
        yield f"parameters: {card.parameters:,}"
    if card.stored:
        yield f"weights: {card.stored}"
    if card.active is not None:
        yield f"of them active: {card.active:,}"
    if card.bytes is not None:
        yield f"weights: {size_text(card.bytes)}"
    if card.context is not None:
        yield f"context: {counted(card.context, 'token')}"
    if card.vocabulary_size is not None:
        yield f"vocabulary: {counted(card.vocabulary_size, 'token')}"
    if card.price is not None:
        read, written = map(in_dollars, card.price)
        yield f"price: {read} in, {written} out a million tokens"
    yield f"gives {', '.join(each.words for each in card.capabilities)}"
    yield from card.deferred


def _code(text: str, language: str) -> str:
    return f"```{language}\n{text}\n```"
