"""Choosing among labels by how likely they are as answers: nothing is written."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import Asker, Model, Query, ScoreTexts, Text
from composer.values.capability import Capability
from composer.values.details import LikelyToken, TokenChoice
from composer.values.finite import descending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.steps.site import Site


@step(
    paper="arXiv:2210.05528",
    needs=Capability.SCORE,
    instead="let `{name}` write the label: `{name} -> extract(choice())`",
    votes=True,
)
async def classify(
    query: Query,
    model: Model,
    labels: tuple[str, ...],
    *,
    per: Literal["answer", "token"] = "answer",
    ask: Asker,
) -> Text:
    """Answer with the label that a model finds likeliest, such as `classify(A, ["A", "B"])`.

    Each label is scored as the answer to the question, and nothing is written. The probability of a
    label is the softmax of these log-probabilities, of the whole answer or per `token`. They are
    what the signals of tokens and of votes read: `probability` is that of the chosen label,
    `uniform_distance(outcomes = 4)` is over four labels, and `margin` the lead over the second.
    """
    scores = await ask.ask(ScoreTexts(model, query, labels))
    logprobs = [score.mean if per == "token" else score.total for score in scores]
    best, *_ = order = descending(logprobs, f"`classify` by `{model.name}`")
    shares = [math.exp(each - logprobs[best]) if math.isfinite(each) else 0.0 for each in logprobs]
    shares = [share / math.fsum(shares) for share in shares]
    likely = tuple(LikelyToken(labels[at].encode(), _log(shares[at])) for at in order)
    ask.note(labels={labels[at]: shares[at] for at in order})
    return Text(
        query,
        labels[best],
        model.name,
        (labels[best],),
        (likely[0].logprob,),
        shares[best],
        tally=MappingProxyType({labels[at].strip(): shares[at] for at in order}),
        choices=(TokenChoice(likely[0], likely),),
    )


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf


@classify.check
def its_labels_differ(site: Site) -> Iterator[Complaint]:
    """There are two or more, none is there twice, and none is empty."""
    labels = [label.strip() for label in site.get("labels")]
    if not all(labels) or not 1 < len(set(labels)) == len(labels):
        text = "`classify` chooses among two or more different texts, none of them empty"
        yield Complaint("E402", text, "not different", 'write `["yes", "no"]`', "labels")
