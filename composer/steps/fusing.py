"""Models made of models: fused while they write, or merged into one set of weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from composer.checkpoints.dtypes import Dtype, long_name
from composer.methods import (
    Align,
    Average,
    Boundary,
    Branching,
    Coefficients,
    Combine,
    Doubt,
    Draft,
    Edit,
    Exit,
    Filter,
    Gate,
    Handover,
    Mean,
    MeanLogprob,
    Measure,
    Product,
    Shared,
    SpanWeigh,
    StringMean,
    Weigh,
    Words,
)
from composer.specs import (
    ByteFuse,
    Handoff,
    Merge,
    SpanFuse,
    StringFuse,
    TokenFuse,
    WeightedFuse,
)
from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import Decision, Model
from composer.values.capability import Capability
from composer.values.details import TokenDetail
from composer.values.flow import unique

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.steps.site import Site


WHOLE_ANSWERS = (
    "choose among whole answers instead: `[{name}, ...] -> vote()`, or declare a local model"
)

_OTHER_SPAN = {
    "span": "write `span = words()`, or declare a local model",
    "explore": "leave `explore` out, or declare a local model",
}


@step(
    paper="arXiv:2406.12585",
    needs=Capability.NEXT,
    instead=WHOLE_ANSWERS,
    formula=True,
    hidden=("together", "lazy", "names"),
    set_by_rules=("together",),
)
def token_fuse(
    *members: Model,
    weights: tuple[float, ...] | None = None,
    combine: Combine = Mean(),
    align: Align = Shared(),
    weigh: Weigh | None = None,
    gate: Gate | None = None,
    draft: Draft | None = None,
    normalize: bool = True,
    plausible: Annotated[float, Field(ge=0, le=1)] = 0.0,
    leave: bool = False,
    together: bool = False,
    lazy: bool = False,
    names: tuple[str, ...] = (),
) -> TokenFuse:
    """Fuse the members' next-token distributions at every step.

    `mean` is sum w_i p_i, `logs` is softmax(sum w_i log p_i); a formula such as `base + 0.8 *
    (expert - novice)` is a sum of log-probabilities followed by log-softmax, not divided by the sum
    of its coefficients unless `normalize = true` (arXiv:2401.08565). Members with different
    vocabularies need an `align`. `weigh` multiplies the weights, at every token or once from the
    prompt. With a `gate` the first member leads, and the others run only where the gate opens (to
    score a text, all members run). With a `draft` one member writes ahead, and the others check its
    tokens in one pass. With `leave` a member that fails is dropped, and the others continue.
    `plausible` removes tokens whose probability is less than this fraction of the first member's
    largest one.
    """
    return TokenFuse(
        members,
        names or _names(members),
        weights,
        combine=combine,
        align=align,
        weigh=weigh,
        gate=gate,
        draft=draft,
        normalize=normalize,
        plausible=plausible,
        together=together,
        lazy=lazy,
        leave=leave,
    )


def it_has_members(site: Site) -> Iterator[Complaint]:
    """A fuse of one member writes what that member writes."""
    if len(site.models) == 1:
        yield Complaint(
            "W304",
            f"`{site.name}` has only one member, so the answer is that of "
            f"`{site.models[0].name}` alone",
            "one member",
            f"add another member, or write `{site.models[0].name}`",
        )


@token_fuse.check
def its_members_tokens_are_the_same(site: Site) -> Iterator[Complaint]:
    """Members have one vocabulary where nothing aligns them, or tokens are drafted or kept."""
    align, draft, combine = site.get("align"), site.get("draft"), site.get("combine")
    drafted = draft is not None and draft.alike
    if not (align.alike or ((drafted or combine.cascade) and align.vanishes)):
        return  # a draft that this alignment never allows is refused with the fuse
    vocabularies = {leaf: leaf.vocabulary for leaf in site.leaves}
    if None in vocabularies.values() or len(set(vocabularies.values())) == 1:
        return
    first = site.leaves[0]
    different = next(leaf for leaf in site.leaves if vocabularies[leaf] != vocabularies[first])
    notes = ((first, "declared here"), (different, "declared here"))
    if combine.cascade:
        yield Complaint(
            "E305",
            f"`combine = {combine.name}()` needs members of one vocabulary, and those of "
            f"`{first.name}` and `{different.name}` differ",
            "needs one vocabulary",
            "decide about whole answers: `A -> cascade(B, accept = confidence >= 0.8)`",
            "combine",
            notes,
        )
        return
    if not align.alike:
        yield Complaint(
            "E305",
            f"`draft = {draft.name}()` needs members of one vocabulary, and those of "
            f"`{first.name}` and `{different.name}` differ",
            "needs one vocabulary",
            "leave `draft` out, or write `draft = safe()`",
            "draft",
            notes,
        )
        return
    yield Complaint(
        "E305",
        f"`{first.name}` and `{different.name}` have different vocabularies",
        "fuses tokens",
        "write `draft = safe()` and `align = union()`, or `align = union()` without a `draft`"
        if drafted
        else "add `align = union()`, or fuse bytes or spans: `byte_fuse(...)`, `span_fuse(...)`",
        notes=notes,
    )


@token_fuse.check
def its_parts_read_what_its_members_tell(site: Site) -> Iterator[Complaint]:
    """Some parts read whole distributions, hidden states or weights, which no server tells."""
    for option in ("align", "weigh", "gate"):
        part = site.get(option)
        models = site.models[:1] if option == "gate" else site.models
        needed = Capability(0) if part is None else part.needs & ~Capability.NEXT
        leaves = [leaf for model in models for leaf in model.leaves]
        lacks = ((leaf, lack) for leaf in leaves for lack in leaf.capabilities.missing(needed))
        for leaf, lack in lacks:
            yield Complaint(
                "E302",
                f"`{part.name}` needs {lack.words}, which `{leaf.name}` does not give",
                f"needs {lack.words}",
                f"leave `{option}` out, or declare a local model",
                option,
                ((leaf, "declared here"),),
            )
            break


@step(
    paper="arXiv:2407.19807",
    needs=Capability.TEXT | Capability.SCORE,
    instead="choose among whole answers: `[{name}, ...] -> rank(by = consensus()) -> best()`",
    hidden=("names",),
)
def span_fuse(
    *members: Model,
    weights: tuple[float, ...] | None = None,
    span: Boundary = Words(),
    explore: Branching | None = None,
    score: Measure = MeanLogprob(),
    filter: Filter | None = None,  # noqa: A002 - the name in recipes
    weigh: SpanWeigh | None = None,
    exit: Exit | None = None,  # noqa: A002 - the name in recipes
    leave: bool = False,
    rerank: bool = False,
    max_span_tokens: Annotated[int, Field(ge=1)] = 32,
    names: tuple[str, ...] = (),
) -> SpanFuse:
    """Fuse spans: each member proposes a span, every member scores every span, the best is kept.

    `span` says where a span ends; with `explore` a member that is unsure proposes several. `score`
    is what a member's log-probabilities of a span come to; the candidate with the largest weighted
    mean over the members wins (Cool-Fusion, SweetSpan). A `filter` removes scores that are far from
    the others. `weigh` changes the weights from span to span. With an `exit` members that no longer
    help are not asked, until they may return; with `leave` a member that fails is dropped. With
    `rerank` each member also writes a whole answer, and the best of these and the fused one is
    kept.
    """
    return SpanFuse(
        members,
        names or _names(members),
        weights,
        span=span,
        score=score,
        explore=explore,
        filter=filter,
        weigh=weigh,
        exit=exit,
        leave=leave,
        rerank=rerank,
        max_span_tokens=max_span_tokens,
    )


@span_fuse.check
def its_members_go_on_from_a_text(site: Site) -> Iterator[Complaint]:
    """A member that scores a text must be able to go on from it too."""
    for model in site.models:
        if Capability.SCORE in model.capabilities:
            yield from site.lacks(model, Capability.CONTINUE)


@span_fuse.check
def its_members_tell_how_sure_they_are(site: Site) -> Iterator[Complaint]:
    """Some parts read the likeliest tokens of each place, which not every server tells."""
    span, explore = site.get("span"), site.get("explore")
    needed = {"span": 2 if span.reads_margins else 0, "explore": explore.top if explore else 0}
    for option, top in needed.items():
        lacks = (model.missing_detail(TokenDetail(top=top)) for model in site.models if top)
        for reason in filter(None, lacks):
            yield Complaint(
                "E302",
                f"`{site.get(option).name}` reads the {top} likeliest tokens, but {reason}",
                "needs the likeliest tokens",
                _OTHER_SPAN[option],
                option,
            )
            break


@span_fuse.check
def its_filter_can_leave_something_out(site: Site) -> Iterator[Complaint]:
    """A score is far from the others only where there are enough others."""
    part = site.get("filter")
    if part is not None and len(site.models) < part.least_members:
        yield Complaint(
            "W304",
            f"`{part.name}` needs {part.least_members} members to leave out a score, and there are "
            f"{len(site.models)}, so all scores count",
            "leaves out nothing",
            "add a member, or leave `filter` out",
            "filter",
        )


@span_fuse.check
def its_members_tokenizers_are_known(site: Site) -> Iterator[Complaint]:
    """A boundary that all members share needs their tokenizers, which a server does not send."""
    span = site.get("span")
    leaves = [leaf for model in site.models for leaf in model.leaves]
    for leaf in dict.fromkeys(leaves) if span.reads_tokenizers else ():
        if leaf.capabilities.missing(Capability.NEXT):
            yield Complaint(
                "E302",
                f"`{span.name}` needs the tokenizer of `{leaf.name}`, which cannot be read",
                "needs every member's tokenizer",
                'name the tokenizer of an endpoint: `tokenizer = "FOLDER"`, or write `span = '
                "words()`",
                "span",
                ((leaf, "declared here"),),
            )


@step(
    paper="arXiv:2502.21265",
    needs=Capability.LOGITS,
    instead=WHOLE_ANSWERS,
    here=True,
    hidden=("names",),
)
def byte_fuse(
    *members: Model,
    weights: tuple[float, ...] | None = None,
    top: Annotated[int, Field(ge=1)] = 64,
    beam: Annotated[int, Field(ge=1, le=64)] = 1,
    tokenizations: Annotated[int, Field(ge=1, le=64)] | None = None,
    names: tuple[str, ...] = (),
) -> ByteFuse:
    """Fuse members that agree byte by byte, each with its own tokens.

    The next text is the one that maximises sum w_i log p_i over tokens that agree: all are
    beginnings of the longest one. A member that is ahead waits. The `top` tokens of each member are
    compared, and more if none of these agree. With a `beam` this many hypotheses are kept, and the
    most likely one is the answer, by the weighted mean log-probability of the members' tokens; with
    a temperature above 0 the answer is sampled, without a beam. The result is text, without a
    next-token distribution.

    With `tokenizations` each member sums over this many of its tokenizations of the text, instead
    of following one. The text grows byte by byte then, by the weighted geometric mean of what the
    members give to a byte, and `max_tokens` counts bytes.
    """
    return ByteFuse(members, names or _names(members), weights, top, beam, tokenizations)


@step(
    paper="arXiv:2603.05432",
    needs=Capability.LOGITS,
    instead=WHOLE_ANSWERS,
    here=True,
    hidden=("names",),
)
def string_fuse(
    *members: Model,
    weights: tuple[float, ...] | None = None,
    f: StringMean = Product(),
    particles: Annotated[int, Field(ge=1, le=1000)] = 10,
    resample: Annotated[float, Field(ge=0, le=1)] = 0.9,
    beam: Annotated[int, Field(ge=1, le=64)] = 5,
    prune: Annotated[float, Field(ge=0, lt=1)] = 0.05,
    names: tuple[str, ...] = (),
) -> StringFuse:
    """Fuse the members' probabilities of whole strings, whatever their tokens are.

    The probability of a string is in proportion to `f` of what the members give to it; a token fuse
    normalizes at every token instead, which is another distribution. Strings are drawn side by
    side, byte by byte, as this many `particles`; they are drawn anew by their weights where their
    effective number is below `resample` times that. Each member follows a text in the `beam`
    likeliest of its tokenizations, without those that have less than `prune` of the probability.

    At a temperature of 0 the answer is the string with the largest weight, and the members draw as
    at 1. At a higher one the members draw at that temperature, and the answer is one string that is
    drawn by its weight. `max_tokens` counts bytes. The confidence is the string's share of the
    weight.
    """
    return StringFuse(
        members,
        names or _names(members),
        weights,
        f=f,
        particles=particles,
        resample=resample,
        beam=beam,
        prune=prune,
    )


@step(
    paper="arXiv:2403.16854",
    needs=Capability.LOGPROBS | Capability.CONTINUE,
    instead=WHOLE_ANSWERS,
    here=True,
    hidden=("names",),
)
def handoff(
    *members: Model,
    when: Handover = Doubt(),
    names: tuple[str, ...] = (),
) -> Handoff:
    """Let the first member write until `when` gives the rest of the answer to another member.

    The text is passed on, not the tokens, so the members may have different vocabularies.
    """
    return Handoff(members, names or _names(members), when)


@step(paper="arXiv:2203.05482", formula=True, hidden=("names", "subtracted"))
def merge(
    *members: Model,
    weights: tuple[float, ...] | None = None,
    edit: Edit = Average(),
    coefficients: Coefficients | None = None,
    vocabulary: Literal["same", "base", "union"] = "same",
    normalize: bool = True,
    dtype: Dtype = "auto",
    device: str = "auto",
    names: tuple[str, ...] = (),
    subtracted: str | None = None,
) -> Merge:
    """Merge the weights of several models that were tuned from one base into one model.

    The result is the mean of the members, weighted with `weights` (a model soup). A formula such as
    `base + 0.6 * (maths - base)` is task arithmetic (arXiv:2212.04089), and is not divided by the
    sum of its coefficients unless `normalize = true`. `edit` says how tensors become one;
    `coefficients` gives the members other coefficients from layer to layer, or searches them. The
    members need the same shapes and the same tokenizer; everything but the weights comes from the
    first member. Where tokenizers differ, `vocabulary = base` keeps the first member's, and `union`
    adds the added tokens of the others; a member that lacks a token gets the vector of the first
    member that has it. The merge is built when it is first used, and kept in the cache folder.
    `dtype` is its number type, by default that of the first member.
    """
    return Merge(
        members,
        names or _names(members),
        weights,
        edit,
        normalize,
        coefficients,
        vocabulary=vocabulary,
        subtracted=subtracted,
        dtype=long_name(dtype),
        device=device,
    )


@step(sign="`route -> fuse`", absorbs="fuse", labels={"decision": "weights"})
def weigh(fuse: Model, decision: Decision) -> Model:
    """Multiply the weights of a fuse's members by a decision's; a weight of 0 is not run."""
    assert isinstance(fuse, WeightedFuse)
    weights = fuse.weights or (1.0,) * len(fuse.names)
    new_weights = tuple(
        w * decision.weights.get(n, 0.0) for n, w in zip(fuse.names, weights, strict=True)
    )
    return replace(fuse, weights=new_weights)


def _names(members: tuple[Model, ...]) -> tuple[str, ...]:
    """Name members by their models, repeats numbered."""
    return unique(member.name for member in members)


for fuse in (token_fuse, span_fuse, byte_fuse, string_fuse):
    fuse.check(it_has_members)
