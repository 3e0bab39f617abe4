"""The checks that steps declare, and what they need of their models, where a recipe uses them."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from composer.backends import ModelError
from composer.compiler.graph.node import Node, topological
from composer.compiler.graph.site import GraphFacts, NodeSite, UnreadableModelError
from composer.diagnostics import Diagnostic, Note
from composer.diagnostics.amounts import counted
from composer.methods.template import Template, names_in, places_in
from composer.specs import Remote
from composer.steps import Complaint
from composer.values import Port
from composer.values.typed import parts_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from composer.compiler.graph.context import Context
    from composer.diagnostics import Place
    from composer.specs import SpecProblem
    from composer.steps import Site

ANSWERS = ("answers", "answer", "analysis")
"""What a template can name only where answers reach it."""

LOSSES = {
    "system": "the system message, or the messages after it",
    "turns": "earlier turns of a conversation",
}
HELP = {
    "system": "write `fold_system = true` to put it before the first question, or choose another "
    "template",
    "turns": "choose another template: a conversation of several turns will fail (E409)",
}


LATER = {
    False: "nothing is wrong with the recipe: it is checked when the model is first loaded",
    True: "nothing is wrong with the recipe: it is checked before it runs; `compose doctor RECIPE` "
    "asks now",
}
"""When a check is made that only a download can make, or only a server."""


def check_steps(ctx: Context, answer: Node | None) -> None:
    """Check every model's folder or file, and every step by what it declares."""
    facts = GraphFacts(ctx.graph, {node for node in ctx.declared if _readable(ctx, node)})
    for node in topological(answer) if answer is not None else ():
        if node.is_query:
            continue
        site = facts.learn(node)
        _say(ctx, node, _missing_packages(node))
        if facts.readable((*(model.node for model in site.models), *node.option_models)):
            _say(ctx, node, _needs(site))
            _say(ctx, node, _unused(site))
            for check in node.step.hooks.checks:
                _say(ctx, node, check(site))
            _say(ctx, node, _places(site))
            for problem in ctx.graph.problems(node):
                if not problem.field:  # an option is spoken of where the recipe is read
                    _say_problem(ctx, node, problem)
            if node.is_checkpoint and node.declaration is None and ctx.graph.makes(node):
                facts.sound.add(node)


def _readable(ctx: Context, node: Node) -> bool:
    assert node.declaration is not None
    try:
        card, faults = ctx.graph.card(node.declaration), node.declaration.faults()
    except ModelError as error:
        faults = (error,)
    for fault in faults:
        where = ctx.declared[node]
        ctx.say(fault.code, fault.message, where, "declared here", help=fault.help)
    if faults:
        return False
    for what in card.deferred:
        text = f"`{node.title}` {what}"
        help_ = LATER[isinstance(node.declaration, Remote)]
        ctx.say("W501", text, ctx.declared[node], "not checked yet", help=help_)
    if card.unheeded:
        help_ = "`generation_config = true` uses these settings; `false` hides this warning"
        text = f"`{node.title}`: {card.unheeded}, but this is not used"
        ctx.say("W402", text, ctx.declared[node], "settings not used", help=help_)
    if card.other_base:
        text = f"the adapter of `{node.title}` says that its base is `{card.other_base}`"
        help_ = "if the recipe names a copy of that base, nothing is wrong"
        ctx.say("W515", text, ctx.declared[node], "has another base", help=help_)
    for loss in sorted(card.losses):
        text = f"the chat template of `{node.title}` leaves out {LOSSES[loss]}"
        help_ = HELP[loss]
        ctx.say("W404", text, ctx.declared[node], "declared here", help=help_)
    return True


def _missing_packages(node: Node) -> Iterator[Complaint]:
    """Yield the parts among a node's options that need a package which is not installed."""
    for option, value in node.values().items():
        for part in parts_within(value):
            for package, extra in part.packages().items():
                if find_spec(package) is None:
                    yield Complaint(
                        "E510",
                        f"`{part.name}` needs the package {package}, which is not installed",
                        "needs a package",
                        f"`pip install 'ensemble-composer[{extra}]'`",
                        about=option,
                    )


def _needs(site: NodeSite) -> Iterator[Complaint]:
    """Yield what the models of a step cannot do."""
    for model in site.models:
        lacks = list(site.lacks(model, site.node.step.needs))
        yield from lacks or (_elsewhere(site, model) if site.node.step.here else ())
    for option, model, needed in site.option_models:
        yield from (replace(complaint, about=option) for complaint in site.lacks(model, needed))


def _unused(site: NodeSite) -> Iterator[Complaint]:
    """Yield the models whose files say how an answer is drawn, where they do not write it alone."""
    if site.port is Port.MODEL:
        return
    for model in site.models:
        if site.node.step.alone and model.node.underlying.is_checkpoint:
            continue
        for leaf in model.leaves:
            processing = leaf.own_processing
            settings = {n: v for n, v in leaf.node.settings.items() if n not in processing}
            if settings:
                listed = ", ".join(f"{name} = {value:g}" for name, value in settings.items())
                text = f"`{leaf.name}` does not write this answer alone, so these settings of its"
                text += f" generation_config.json are not used: {listed}"
                help_ = "to use them, set these options on the step or the fuse"
                notes = ((leaf, "declared here"),)
                yield Complaint("W403", text, "settings not used", help_, notes=notes)


def _places(site: NodeSite) -> Iterator[Complaint]:
    """Yield the templates that name an answer which is never there."""
    count = site.inputs[0].count if site.inputs else None
    for name, template in site.node.values().items():
        if count is None or not isinstance(template, Template):
            continue
        beyond = [at for at in places_in(template.text) if not -count <= at < count]
        if beyond:
            answers = counted(count, "answer")
            text = f"this template uses `answers[{beyond[0]}]`, but only {answers} can come before"
            help_ = f"the first is `answers[0]`, the last `answers[{count - 1}]`"
            yield Complaint("E402", text, "no such answer", help_, name)


def _elsewhere(site: NodeSite, model: NodeSite) -> Iterator[Complaint]:
    """Yield the models that a step needs in the engine, and that answer from elsewhere."""
    for leaf in (candidate for candidate in model.leaves if not candidate.local):
        yield Complaint(
            "E302",
            f"`{site.name}` needs models that run on this machine, and `{leaf.name}` does not",
            "needs models that run on this machine",
            site.node.step.instead.format(name=leaf.name),
            notes=((leaf, f"`{leaf.name}` is declared here"),),
        )


def _say(ctx: Context, node: Node, complaints: Iterable[Complaint]) -> None:
    """Record complaints about a node; none, where a model that they ask about cannot be read."""
    try:
        items = tuple(complaints)
    except UnreadableModelError:
        return
    for complaint in items:
        place, notes = _place(ctx, node, complaint.about), _notes(ctx, complaint)
        ctx.mistakes.append(
            Diagnostic(
                complaint.code,
                complaint.text,
                place,
                complaint.label,
                notes=notes,
                help=complaint.help,
            )
        )


def _say_problem(ctx: Context, node: Node, problem: SpecProblem) -> None:
    """Record what is wrong with a model: at the member that it is about, or at the model."""
    place = named = ctx.graph.places.get(node)
    if problem.member is not None:
        place = ctx.graph.places.get(node.inputs[problem.member].underlying, place)
    notes = (Note(named, problem.note),) if named and problem.note and named != place else ()
    ctx.say(problem.code, problem.message, place, problem.label, notes=notes, help=problem.help)


def _notes(ctx: Context, complaint: Complaint) -> tuple[Note, ...]:
    places = ((_stands(ctx, about), text) for about, text in complaint.notes)
    return tuple(Note(place, text) for place, text in places if place is not None)


def _place(ctx: Context, node: Node, about: Site | str | None) -> Place | None:
    """Return the place of a node, or of what a complaint about it points to."""
    node_place = ctx.graph.places.get(node)
    if isinstance(about, str):
        return ctx.graph.origins.get(node, {}).get(about, node_place)
    return node_place if about is None else _stands(ctx, about)


def _stands(ctx: Context, site: Site) -> Place | None:
    """Return where a step stands, or where the name of a declared model does."""
    assert isinstance(site, NodeSite)
    return ctx.declared.get(site.node) or ctx.graph.places.get(site.node)


def check_templates(ctx: Context, node: Node) -> None:
    """Refuse answers in the templates of a step that only a question reaches."""
    if node.step.exchanges:
        return
    for template in node.values().values():
        named = names_in(template.text) if isinstance(template, Template) else ()
        unavailable = [name for name in ANSWERS if name in named]
        if not unavailable:
            continue
        ctx.say(
            "E402",
            f"this template uses `{unavailable[0]}`, but only a query comes before it",
            ctx.graph.places.get(node),
            "has no answers",
            help="ask models first: `[A, B] -> prompt(...)`, or use only `query`, `messages` and "
            "`fields`",
        )
