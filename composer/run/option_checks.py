"""Whether a recipe can honour the options of one query, and what its steps are given then."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import ValidationError

from composer.compiler.graph import GENERATE, Graph, topological
from composer.compiler.graph.capabilities import unweighed
from composer.compiler.graph.site import GraphFacts, NodeSite
from composer.compiler.graph.value_mistakes import value_problem
from composer.diagnostics.amounts import counted
from composer.run.result import Failure
from composer.run.writers import read_writers, writers_of
from composer.specs import missing_detail
from composer.steps import STEPS
from composer.values import Port
from composer.values.capability import Capability
from composer.values.processing import NEUTRAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.compiler.graph import Node
    from composer.values.options import AnswerOptions

__all__ = ["OptionChecks"]

Changes = dict[str, object]
"""Options of one step, by name."""

CANNOT = "E410"
"""The code of an option that a recipe cannot honour, whatever its value is."""

OF_QUERY = ("seed", "ignore_end", "prefix", "detail")
"""The options of a query that are no options of a step."""

NEEDED = {"prefix": Capability.CONTINUE, "detail": Capability.LOGPROBS}
"""What a model must be able to do for an option."""

UNLIKE = (
    "`logit_bias` names the token {}, and the models that may write the answer have different "
    "tokenizers, in which the id names different tokens"
)

WHY = {
    "prefix": "the answer is not written by one model alone, so nothing can go on from its "
    "beginning",
    "detail": "the answer is made of a text that a model wrote, as a value that is read out of it, "
    "and is not the tokens of a model",
}


class OptionChecks:
    """Checks options by what is known of a program's steps and models, which is read once."""

    def __init__(self, root: Node, ids: Mapping[Node, str]) -> None:
        self._root, self._ids = root, ids
        self.writers = writers_of(root)
        self._read = read_writers(root)

    def changes(self, options: AnswerOptions) -> dict[Node, Changes]:
        """Return the options that differ at each step that writes.

        Raises Failure where one cannot be honoured: it names the option, the step and the remedy.
        """
        self._demand_room_for_a_prefix(options)
        self._demand_one_vocabulary(options)
        changes = {writer: self._of(writer, options) for writer in self.writers}
        if options.temperature == 0:
            self._demand_unlike_draws(changes)
        return changes

    @cached_property
    def _facts(self) -> GraphFacts:
        order = topological(self._root)
        sound = {e for e in order if e.port is Port.MODEL and e.is_checkpoint}
        facts = GraphFacts(Graph(), sound)
        for node in order:
            if not node.is_query:
                facts.learn(node)
        return facts

    def _of(self, node: Node, options: AnswerOptions) -> Changes:
        """Return the changed options of one step that writes."""
        if options.detail is not None and node in self._read:
            raise self._refusal(CANNOT, node, "detail", WHY["detail"])
        calls = _as_asked(node)
        wanted: Changes = {}
        for call in calls:
            wanted |= self._wanted(node, call, options)
        for name in wanted:
            if name not in node.step.per_query:
                text = (
                    f"the `{name}` of `{node.op}` is not that of the whole answer"
                    if name in node.step.public_options
                    else f"`{node.op}` has no such option"
                )
                raise self._refusal(CANNOT, node, name, text)
        changes = {name: value for name, value in wanted.items() if name not in NEEDED}
        self._validate(node, calls[0], changes)
        for call in calls:
            assert call.options is not None
            changed = replace(call, options=call.options.model_copy(update=changes))
            self._demand(node, NodeSite(changed, self._facts), wanted, changes, options)
        return changes

    def _demand(
        self,
        node: Node,
        site: NodeSite,
        wanted: Changes,
        changes: Changes,
        options: AnswerOptions,
    ) -> None:
        """Refuse what the models of a step that writes cannot honour."""
        for name in NEEDED.keys() & wanted.keys():
            for complaint in (c for m in site.models for c in site.lacks(m, NEEDED[name])):
                raise self._refusal(complaint.code, node, name, complaint.text)
        self._demand_detail(node, site, options)
        self._demand_new_answers(node, site, changes)
        for complaint in (c for check in site.node.step.hooks.checks for c in check(site)):
            if complaint.code.startswith("E"):
                about = complaint.about if isinstance(complaint.about, str) else ""
                ignoring = options.ignore_end and about == "min_tokens"
                name = "ignore_end" if ignoring else about
                raise self._refusal(complaint.code, node, name, complaint.text, complaint.help)

    def _wanted(self, node: Node, asked: Node, options: AnswerOptions) -> Changes:
        """Return the options that are set, as the step has them; those without effect are none."""
        wanted: Changes = {
            name: getattr(options, name) for name in options.set_names if name not in OF_QUERY
        }
        if options.ignore_end:
            wanted |= self._without_end(node, options)
        if "max_tokens" in wanted and "max_length" in asked.values():
            wanted["max_length"] = None
        wanted = {n: v for n, v in wanted.items() if not self._is_neutral(asked, n, v)}
        return wanted | {name: True for name in NEEDED if getattr(options, name)}

    def _without_end(self, node: Node, options: AnswerOptions) -> Changes:
        """Return what lets an answer go on to `max_tokens`."""
        if options.stop:
            text = "`stop` cannot be honoured beside it, because the answer must not end"
            raise self._refusal("E403", node, "ignore_end", text, "set only one of the two")
        if options.min_tokens is not None:
            text = "`min_tokens` cannot be honoured beside it"
            raise self._refusal("E403", node, "ignore_end", text, "set only one of the two")
        length = options.max_tokens or node.values().get("max_tokens")
        return {"min_tokens": length, "max_tokens": length}

    def _is_neutral(self, node: Node, name: str, value: object) -> bool:
        """Say whether an option changes nothing: a step without it asks as with that value."""
        if name not in NEUTRAL or value != NEUTRAL[name]:
            return False
        if node.values().get(name) not in (None, NEUTRAL[name]):
            return False
        leaves = NodeSite(node, self._facts).leaves_asked
        return not any(name in leaf.own_processing for leaf in leaves)

    def _validate(self, node: Node, asked: Node, changes: Changes) -> None:
        """Check values as the language does."""
        assert asked.options is not None
        plain = {name: value for name, value in changes.items() if name != "schema"}
        kind = type(asked.options)
        try:
            checked = kind(**{**asked.values(), **plain})
        except ValidationError as error:
            problem = error.errors()[0]
            code, text, _ = value_problem(problem, kind)
            name = str(problem["loc"][0])
            raise self._refusal(code, node, name, text, "set another value") from None
        changes.update({name: getattr(checked, name) for name in plain})

    def _demand_detail(self, node: Node, site: NodeSite, options: AnswerOptions) -> None:
        """Refuse details of tokens that a model of a step cannot tell."""
        if options.detail is not None:
            for model in site.models:
                reason = missing_detail(unweighed(model.node), options.detail)
                if reason:
                    raise self._refusal(CANNOT, node, "detail", reason, "ask for fewer details")

    def _demand_new_answers(self, node: Node, site: NodeSite, changes: Changes) -> None:
        """Refuse options of answers that were recorded, but for a temperature: it chooses one."""
        for leaf in site.leaves_asked:
            declaration = leaf.node.declaration
            if declaration is not None and declaration.replays:
                for name in changes.keys() - {"temperature", "max_length"}:
                    text = f"`{leaf.name}` gives recorded answers, which it does not change"
                    raise self._refusal("E407", node, name, text)

    def _demand_room_for_a_prefix(self, options: AnswerOptions) -> None:
        if not options.prefix:
            return
        alone = len(self.writers) == 1 and self.writers[0].port is Port.TEXT
        if not alone:
            raise self._refusal(CANNOT, self._root, "prefix", WHY["prefix"])
        if self._read:
            text = "the answer is made of a whole text, whose beginning would be missing"
            raise self._refusal(CANNOT, self.writers[0], "prefix", text)
        if options.schema is not None or self.writers[0].values().get("schema"):
            text = "an answer that must follow a `schema` has to be written as a whole"
            raise self._refusal("E403", self._root, "prefix", text)

    def _demand_one_vocabulary(self, options: AnswerOptions) -> None:
        """Refuse biases by ids where an id means another token for another step that writes."""
        ids = [token for token, _ in options.logit_bias or () if isinstance(token, int)]
        if not ids or len(self.writers) == 1:
            return
        sites = [NodeSite(writer, self._facts) for writer in self.writers]
        if len({leaf.vocabulary for site in sites for leaf in site.leaves_asked}) > 1:
            help_ = "name tokens by their texts, or give each model its own bias in the recipe"
            raise Failure(CANNOT, UNLIKE.format(ids[0]), help_, "logit_bias")

    def _demand_unlike_draws(self, changes: Mapping[Node, Changes]) -> None:
        """Refuse greedy work where several draws of one model are chosen from."""
        drawn: dict[object, Node] = {}
        for node, changed in changes.items():
            if not changed or not node.values().get("temperature"):
                continue
            count = NodeSite(node, self._facts).count
            alike = node.op, *map(id, node.inputs)
            if node.port is not Port.TEXT and count != 1:
                answers = "several answers" if count is None else counted(count, "answer")
                raise self._greedy(node, f"`{node.op}` draws {answers}")
            if alike in drawn and "temperature" in changed:
                raise self._greedy(node, "the recipe draws several answers of one model")
            drawn[alike] = node

    def _greedy(self, node: Node, which: str) -> Failure:
        text = f"{which} to choose among, and a temperature of 0 would make them equal"
        return self._refusal("E403", node, "temperature", text, "set a temperature above 0")

    def _refusal(self, code: str, node: Node, option: str, text: str, help_: str = "") -> Failure:
        where = f"step {self._ids[node]} (`{node.op}`)"
        subject = f"`{option}` cannot be set for this query" if option else "this query cannot run"
        help_ = help_ or f"leave `{option}` out, or ask another recipe"
        return Failure(code, f"{subject}, because of {where}: {text}", help_, option or None)


def _as_asked(node: Node) -> tuple[Node, ...]:
    """Return the calls that write what a step gives, each as a step of its own.

    A step whose answers are calls of `generate` has the options of that. It gives one answer, of
    its first model, or one of each model.
    """
    if not node.step.one_call:
        return (node,)
    kind = STEPS[GENERATE].options
    own = {name: value for name, value in node.values().items() if name in kind.model_fields}
    models = [each for each in node.direct_inputs if each.port is Port.MODEL]
    inputs = [(node.inputs[0], model) for model in models]
    calls = [replace(node, op=GENERATE, inputs=i, options=kind(**own), holds=0) for i in inputs]
    return tuple(calls[:1] if node.port is Port.TEXT else calls)
