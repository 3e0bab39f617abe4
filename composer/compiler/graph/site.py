"""What is known of each step's value before anything runs, as the hooks of steps see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from composer.checkpoints.biases import biased, pieces_of
from composer.compiler.graph.capabilities import (
    capabilities,
    card_of,
    checkpoint_of,
    checkpoints_in,
    unweighed,
)
from composer.compiler.graph.graph import Graph
from composer.compiler.graph.node import Node, topological
from composer.specs import missing_detail
from composer.specs.declaration import LOGITS
from composer.steps import Complaint, Site
from composer.values import ModelError, Port
from composer.values.capability import Capability

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.backends import Card
    from composer.values.details import TokenDetail


class UnreadableModelError(Exception):
    """A check asks about a model whose own declaration is a mistake."""


@dataclass(eq=False, slots=True)
class GraphFacts:
    """For each step: how many answers it gives, if that is known; who wrote and chose them.

    `sound` are the declared models that can be read, and the derived ones that can be. `writers`
    are the models that may have written an answer. `voted` are the steps whose answer a vote has
    chosen, `ranked` those whose answer is the best of a ranking. Equal groups of writers are one
    tuple, so that long chains stay cheap.
    """

    graph: Graph
    sound: set[Node] = field(default_factory=set)
    counts: dict[Node, int | None] = field(default_factory=dict)
    writers: dict[Node, tuple[Node, ...]] = field(default_factory=dict)
    voted: set[Node] = field(default_factory=set)
    ranked: set[Node] = field(default_factory=set)

    def learn(self, node: Node) -> NodeSite:
        """Note what is known of a node whose inputs are known, and return how hooks see it."""
        site = NodeSite(node, self)
        models = tuple(model.node for model in site.models)
        writes = bool(models) and not node.step.selects
        self.counts[node] = 1 if node.port is Port.TEXT else node.step.count(site)
        self.writers[node] = models if writes else self._handed_on(node)
        for chosen, here in ((self.voted, node.step.votes), (self.ranked, node.step.ranks)):
            if here or (not writes and not chosen.isdisjoint(node.direct_inputs)):
                chosen.add(node)
        return site

    def readable(self, models: tuple[Node, ...]) -> bool:
        """Say whether all that models are made of can be read."""
        return all(leaf in self.sound for model in models for leaf in checkpoints_in(model))

    def _handed_on(self, node: Node) -> tuple[Node, ...]:
        """Return who wrote what a step hands on; a query or a decision was written by nobody."""
        if node.port in (Port.QUERY, Port.DECISION):
            return ()
        groups = [self.writers.get(input_node, ()) for input_node in node.direct_inputs]
        largest = max(groups, key=len, default=())
        everyone = dict.fromkeys(writer for group in [largest, *groups] for writer in group)
        return largest if len(everyone) == len(largest) else tuple(everyone)


def count_of(node: Node) -> int | None:
    """Return how many answers a node gives, if that is known."""
    facts = GraphFacts(Graph())
    for inner in topological(node):
        if not inner.is_query:
            facts.learn(inner)
    return facts.counts[node]


@dataclass(frozen=True)
class NodeSite(Site):
    """A node as the hooks of its step see it, over what is known of it."""

    node: Node
    facts: GraphFacts

    @property
    def name(self) -> str:
        """The name of a declared model, else that of the step."""
        return self.node.title

    @property
    def port(self) -> Port:
        """What it gives."""
        return self.node.port

    @property
    def weighed(self) -> bool:
        """Whether it is a model whose members have weights."""
        return self.port is Port.MODEL and self.node.step.weighed

    @cached_property
    def inputs(self) -> tuple[NodeSite, ...]:
        """All that it is given, in order."""
        return tuple(NodeSite(node, self.facts) for node in self.node.direct_inputs)

    @cached_property
    def models(self) -> tuple[NodeSite, ...]:
        """The models among its inputs."""
        pairs = zip(self.inputs, self.node.paired(), strict=False)
        return tuple(site for site, (input_, _) in pairs if input_.is_model)

    @property
    def option_models(self) -> Iterator[tuple[str, NodeSite, Capability]]:
        """The models that its options hold: in which, and what each must be able to do."""
        for option, model, needed in self.node.holders:
            yield option, NodeSite(model, self.facts), needed

    @property
    def options(self) -> object:
        """Its options, each by its name."""
        return self.node.options

    @property
    def count(self) -> int | None:
        """How many answers it gives, if that is known."""
        return self.facts.counts.get(self.node)

    @property
    def in_turn(self) -> bool:
        """Whether its answers can be asked for one after the other."""
        return not self.node.is_query and self.node.step.in_turn

    @property
    def reads(self) -> bool:
        """Whether it reads a value out of each answer."""
        return not self.node.is_query and self.node.step.reads

    @property
    def voted(self) -> bool:
        """Whether a vote chose its answer."""
        return self.node in self.facts.voted

    @property
    def ranked(self) -> bool:
        """Whether its answer is the best of a ranking."""
        return self.node in self.facts.ranked

    @property
    def writers(self) -> tuple[NodeSite, ...]:
        """The models that may have written its answers; raises UnsoundError for an unread one."""
        writers = self.facts.writers.get(self.node, ())
        if not self.facts.readable(writers):
            raise UnreadableModelError
        return tuple(NodeSite(writer, self.facts) for writer in writers)

    @property
    def capabilities(self) -> Capability:
        """What a model can do; raises UnsoundError if that cannot be read."""
        if not self.facts.readable((self.node,)):
            raise UnreadableModelError
        return capabilities(self.facts.graph, self.node)

    @property
    def leaves(self) -> tuple[NodeSite, ...]:
        """The declared and derived models that answer for a model, each once."""
        return tuple(NodeSite(leaf, self.facts) for leaf in checkpoints_in(self.node))

    @property
    def leaves_asked(self) -> tuple[NodeSite, ...]:
        """The declared and derived models that answer where this step asks, each once."""
        return tuple(dict.fromkeys(leaf for model in self.models for leaf in model.leaves))

    @property
    def leaves_drawn(self) -> tuple[NodeSite, ...]:
        """Those of `leaves_asked` that are fused by token: the engine draws what they write."""
        drawn: dict[NodeSite, None] = {}
        stack = list(self.models)
        while stack:
            model = stack.pop()
            if Capability.NEXT in model.node.step.needs:
                drawn |= dict.fromkeys(model.leaves)
            else:
                stack += model.models
        return tuple(drawn)

    @property
    def own_processing(self) -> Mapping[str, object]:
        """What is done to the logits of a declared or derived model wherever it writes."""
        model = checkpoint_of(self.node)
        return model.weights.processing.set_options if model.is_local else {}

    @property
    def honours(self) -> frozenset[str]:
        """The options that a declared or derived model can honour of those that change logits."""
        declaration = self.node.declaration
        return LOGITS if declaration is None else declaration.honours

    @property
    def ignores(self) -> frozenset[str]:
        """Other options of `generate` that have no effect on a declared or derived model."""
        declaration = self.node.declaration
        return frozenset() if declaration is None else declaration.ignores

    def unbiased(self, bias: Sequence[tuple[int | str, float]]) -> ModelError | None:
        """Say why a declared or derived model has no tokens that a bias names, if it has none."""
        folder = checkpoint_of(self.node).folder
        pieces = pieces_of(folder) if folder is not None else None
        try:
            biased(pieces or (), bias if pieces else (), self.name)
        except ModelError as error:
            return error
        return None

    @property
    def vocabulary(self) -> str | None:
        """The vocabulary of a declared or derived model, by content, if that is known."""
        return _card(self).vocabulary

    @property
    def losses(self) -> frozenset[str]:
        """What the chat template of a declared or derived model leaves out, as cards name it."""
        return _card(self).losses

    @property
    def local(self) -> bool:
        """Whether the engine reads the weights of a model that writes with others."""
        return checkpoint_of(self.node).in_engine

    @property
    def has_weights(self) -> bool:
        """Whether the weights of a declared model are read where it is asked."""
        return checkpoint_of(self.node).has_weights

    def missing_detail(self, detail: TokenDetail) -> str:
        """Say why a model cannot tell what is wanted of each token; empty if it can."""
        if not self.facts.readable((self.node,)):
            raise UnreadableModelError
        return missing_detail(unweighed(self.node), detail)

    def lacks(self, model: Site, needed: Capability) -> Iterator[Complaint]:
        """Say what this step needs and a model cannot do."""
        for lack in model.capabilities.missing(needed):
            leaf, name = model.leaves[0], model.name
            card = _card(leaf)
            note = f"`{name}` is declared here" if leaf == model else f"a member of `{name}`"
            if card.lacks(lack):
                note = card.why.get(lack, note)
            yield Complaint(
                "E302",
                f"`{self.name}` needs {lack.words}, which `{name}` does not give",
                f"needs {lack.words}",
                help=self.node.step.instead.format(name=name),
                notes=((leaf, note),),
            )


def _card(leaf: Site) -> Card:
    """Return what is known of a declared or derived model."""
    assert isinstance(leaf, NodeSite)
    return card_of(leaf.facts.graph, leaf.node)
