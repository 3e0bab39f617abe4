"""Drafting by saved timings: what a draft of so many tokens saves, and the rule that turns it on.

A draft takes turns: the lead, which is the smallest member, drafts k tokens in k passes; the others
judge them in one pass and, where all were accepted, propose the next token, which the lead judges
in the pass with which it drafts on. With a share `a` of the lead's tokens accepted and `b` of the
others' proposals, a turn writes so many tokens that its seconds can be held against those of a
token of all members (arXiv:2502.01662 has the method, without this arithmetic).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.compiler.graph.capabilities import card_of, checkpoint_of, memory_of, vocabulary
from composer.compiler.graph.node import model_of
from composer.compiler.rules.rewrite import pattern, rule
from composer.diagnostics.amounts import counted, number_text
from composer.specs.digest import digest
from composer.specs.shapes import shape_of
from composer.values.timings import MEASURE, read_timings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from composer.compiler.graph import Graph, Node
    from composer.compiler.rules.rewrite import RuleUse
    from composer.values.timings import Agreement, SavedTimings, ShapeTimings

MARGIN = 1.15
"""How many times faster a draft must be reckoned to be before answers with it are timed."""

SEEN = 1.05
"""How many times faster timed answers must be: less may be noise of the measurement."""

FEW, MANY = 1, 16
"""Answers at once for which it must pay."""


@dataclass(frozen=True, slots=True)
class DraftChoice:
    """A fuse that could draft: the lead, `tokens` of a draft, and how many times faster that is.

    `faster` is with one answer at a time and with many at once. `why` says why there is no draft;
    empty if there is one.
    """

    fuse: Node
    lead: str
    tokens: int = 0
    accepted: float = 0.0
    faster: tuple[float, float] = (0.0, 0.0)
    why: str = ""

    def sentence(self) -> str:
        """Say what was chosen, with the arithmetic's result, and why."""
        names = ", ".join(member.title for member in self.fuse.direct_inputs)
        if not self.tokens:
            return f"{names} write without drafts: {self.why}"
        few, many = (number_text(each, 2) for each in self.faster)
        reckoned = (
            f"{counted(self.tokens, 'token')} drafted by {self.lead}, "
            f"{number_text(self.accepted, 2)} accepted: {few} times as fast, "
            f"with {MANY} answers at once {many} times"
        )
        if self.why:
            return f"{names} write without drafts: {reckoned}; {self.why}"
        return f"{names} write with drafts: {reckoned}"


def written_in_a_turn(tokens: int, lead: float, others: float) -> float:
    """Return the tokens that a turn writes on average, by the shares that are accepted.

    A turn begins with a proposal of the others with the probability p that all of the last draft
    was accepted; where that proposal is refused, the lead drafts one token less.
    """

    def judged(count: int) -> float:
        """Of so many drafted tokens, how many are judged: up to the first that is refused."""
        return sum(lead**n for n in range(count))

    if not lead:
        return 1.0  # the first of a draft is always refused, and replaced
    p = lead**tokens / (1 - (1 - others) * lead ** (tokens - 1) * (1 - lead))
    refused = p * (1 - others)
    return p + (1 - refused) * judged(tokens) + refused * judged(tokens - 1)


def times_faster(
    tokens: int, agreement: Agreement, lead: ShapeTimings, others: Sequence[ShapeTimings], rows: int
) -> float | None:
    """Return how many times faster answers are written; None where a pass was not measured."""
    try:
        alone = sum(each.decode[rows] for each in (lead, *others))
        drafted = (tokens - 1) * lead.decode[rows] + lead.verify[rows][2]
        turn = drafted + sum(each.verify[rows][tokens + 1] for each in others)
    except KeyError:
        return None
    written = written_in_a_turn(tokens, agreement.lead, agreement.others)
    written = min(written, agreement.length)  # what is drafted beyond the end is lost
    return written * _stacked(alone, (lead, *others), rows) / turn


def _stacked(alone: float, members: Sequence[ShapeTimings], rows: int) -> float:
    """The seconds of a token without a draft: less, where members of one shape are stacked."""
    if len({each.shape for each in members}) > 1:
        return alone
    stacked = members[0].stacked.get(len(members), {}).get(rows)
    return alone if stacked is None else min(alone, stacked.seconds)


def draft_choice(graph: Graph, fuse: Node, saved: SavedTimings | None = None) -> DraftChoice | None:
    """Return what is chosen for a fuse; None where a draft is not possible, or written already.

    A draft that is reckoned to pay is chosen if timed answers were faster with it, too.
    """
    saved = read_timings() if saved is None else saved
    choice = reckoned_choice(graph, fuse, saved)
    if choice is None or choice.why or saved.timings is None:
        return choice
    agreement = saved.timings.agreement(fuse_key(fuse))
    times = {} if agreement is None else agreement.drafts.get(choice.tokens, {})
    if not times:
        untimed = f"such answers were not timed: run `{MEASURE} RECIPE --data FILE`"
        return replace(choice, why=untimed)
    seen = min(time.faster for time in times.values())
    slow = f"but timed answers were {number_text(seen, 2)} times as fast"
    return choice if seen >= SEEN else replace(choice, why=slow)


def reckoned_choice(graph: Graph, fuse: Node, saved: SavedTimings) -> DraftChoice | None:
    """Return the draft that pays by the times of passes and by agreement, as `draft_choice` does.

    The reckoning leaves out the reading of prompts, and the work beside passes.
    """
    if not _may_draft(graph, fuse):
        return None
    members = fuse.direct_inputs
    lead = min(members, key=lambda each: card_of(graph, each).parameters or 0)
    if saved.timings is None:
        return DraftChoice(fuse, lead.title, why=saved.why)
    agreement = saved.timings.agreement(fuse_key(fuse))
    if agreement is None:
        why = f"no agreement of these members is saved: run `{MEASURE} RECIPE --data FILE`"
        return DraftChoice(fuse, lead.title, why=why)
    timings = {}
    for member in members:
        device = _device(member, saved)
        found = saved.timings.of(shape_of(checkpoint_of(member), device) or "", device)
        if found is None:
            why = f"no timings of `{member.title}` are saved: run `{MEASURE} RECIPE`"
            return DraftChoice(fuse, lead.title, why=why)
        timings[member] = found
    return _best(fuse, lead, agreement, timings)


def fuse_key(fuse: Node) -> str:
    """Name a fuse by all that its tokens depend on, whichever rules have been applied to it."""
    members = tuple(model_of(member) for member in fuse.direct_inputs)
    options = {name: fuse.get(name) for name in ("weights", "combine", "normalize", "plausible")}
    return digest((members, options))[:16]


def _best(
    fuse: Node, lead: Node, agreement: Agreement, timings: dict[Node, ShapeTimings]
) -> DraftChoice:
    """Choose the number of tokens with which one answer is written fastest."""
    own = timings[lead]
    others = [timings[member] for member in fuse.direct_inputs if member is not lead]
    choices = []
    for tokens in range(1, 9):
        few, many = (times_faster(tokens, agreement, own, others, n) for n in (FEW, MANY))
        if few is not None and many is not None:
            choices.append(DraftChoice(fuse, lead.title, tokens, agreement.lead, (few, many)))
    if not choices:
        return DraftChoice(fuse, lead.title, why="no pass of several tokens is saved")
    best = max(choices, key=lambda each: each.faster[0])
    few, many = best.faster
    if min(few, many) >= MARGIN:
        return best
    why = f"{MARGIN} would be needed for both"
    return DraftChoice(fuse, lead.title, best.tokens, best.accepted, best.faster, why)


def _may_draft(graph: Graph, fuse: Node) -> bool:
    """Whether members of one vocabulary, each with weights of its own here, could draft."""
    if fuse.op != "token_fuse" or fuse.options is None:
        return False
    plain = (
        fuse.get("draft") is None
        and "draft" not in fuse.options.model_fields_set
        and all(fuse.get(option) is None for option in ("gate", "weigh"))
        and not fuse.get("leave")
        and not fuse.get("combine").cascade
        and (fuse.get("align").alike or fuse.get("align").vanishes)
    )
    members = fuse.direct_inputs
    if not plain or len(members) == 1 or not all(each.is_checkpoint for each in members):
        return False
    models = [checkpoint_of(member) for member in members]
    apart = len({memory_of(model) for model in models}) == len(models)
    here = all(model.is_local and model.weights.adapter is None for model in models)
    weighed = all(fuse.get("weights") or (1,))
    return apart and here and weighed and vocabulary(graph, fuse) is not None


def _device(member: Node, saved: SavedTimings) -> str:
    """The device on which a member will be, as far as that is known before it is placed."""
    model = checkpoint_of(member)
    if model.weights.device != "auto":
        return "cuda:0" if model.weights.device == "cuda" else model.weights.device
    assert saved.timings is not None
    return "cuda:0" if "cuda:0" in saved.timings.machine.devices else "cpu"


@rule(
    pattern(
        "generate", pattern("*", name="query"), pattern("token_fuse", name="fuse"), temperature=0.0
    )
)
def drafted_fuse(graph: Graph, node: Node, query: Node, fuse: Node) -> Node | None:
    """The smallest member drafts greedy answers where saved timings and agreement say it pays."""
    from composer.methods.draft.speculative import Speculative

    choice = draft_choice(graph, fuse)
    if choice is None or choice.why or not choice.tokens:
        return None
    drafted = graph.replaced(fuse, draft=Speculative(tokens=choice.tokens))
    return graph.replaced(node, (query, drafted))


def draftable_fuses(graph: Graph, root: Node, fired: Iterable[RuleUse]) -> list[Node]:
    """Return the fuses under a root that could draft, as they are without a draft."""
    drafted = (use.before for use in fired if use.rule is drafted_fuse)
    writing = (node for node in topological(root) if node.op == "generate")
    greedy = [node for node in (*drafted, *writing) if node.get("temperature") == 0]
    fuses = dict.fromkeys(node.inputs[1] for node in greedy)
    return [fuse for fuse in fuses if _may_draft(graph, fuse)]
