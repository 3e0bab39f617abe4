"""The parts that steps are made of: small typed values, each with the method of a paper.

A part's module is imported when the part is first used, so that a command which needs three parts
does not wait for forty.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from composer.engine.parts import Align, Combine, Gate, Weigh
    from composer.engine.sessions.parts import Draft, Handover
    from composer.engine.sessions.span_parts import (
        Boundary,
        Branching,
        Exit,
        Filter,
        Measure,
        SpanWeigh,
    )
    from composer.methods.acceptances.base import Acceptance
    from composer.methods.agreements.base import Agreement, Exact, Numeric
    from composer.methods.agreements.overlap import F1, Bleu, Edits, Rouge
    from composer.methods.align.shared import Shared
    from composer.methods.align.union import Union
    from composer.methods.carry.base import Carry
    from composer.methods.code.verifying import Examples, Verifier
    from composer.methods.combine import Logs, Mean
    from composer.methods.coordinators.base import Coordinator
    from composer.methods.distillation.adamw import AdamW
    from composer.methods.distillation.base import Objective, Training
    from composer.methods.distillation.objectives import TeacherDistributions
    from composer.methods.edits.average import Average
    from composer.methods.estimators.asked import Asked, Judging
    from composer.methods.estimators.base import Estimator
    from composer.methods.estimators.features import Features, Tfidf
    from composer.methods.estimators.learned import Knn, Linear
    from composer.methods.estimators.simple import Length, Perplexity, Random, Uniform
    from composer.methods.estimators.values import Choice, Estimates
    from composer.methods.graders.base import AskJudge, Grade, Grader, Submission
    from composer.methods.handover import Doubt
    from composer.methods.mistakes import PartError, TemplateError
    from composer.methods.policies.base import Policy
    from composer.methods.policies.budgets import Budget, Paced, Spend
    from composer.methods.policies.choosing import (
        Blend,
        Chance,
        Cheapest,
        Gap,
        One,
        Several,
        Threshold,
    )
    from composer.methods.policies.exploring import Explore, Optimistic, Thompson
    from composer.methods.readers.basic import (
        After,
        Boxed,
        Line,
        Number,
        Pattern,
        Reader,
        Whole,
    )
    from composer.methods.readers.options import Option
    from composer.methods.reductions.base import Ballot, Count, Medoid, Reduction, Shares
    from composer.methods.rewards.base import PartialAnswer, StepReward
    from composer.methods.rule import Constant, Operation, Rule, Verdict
    from composer.methods.scorers.basic import (
        Confident,
        Consensus,
        Likelihood,
        Longest,
        Scorer,
        Shortest,
    )
    from composer.methods.scorers.judging import Judge
    from composer.methods.searches.asked import AskedTree, Steps
    from composer.methods.searches.base import Node, Search, SearchTree
    from composer.methods.searches.beams import Beam, Greedy
    from composer.methods.searches.trees import Tree
    from composer.methods.signals.base import Signal
    from composer.methods.signals.measured import Confidence
    from composer.methods.spans.boundaries import Words
    from composer.methods.spans.measures import MeanLogprob
    from composer.methods.stopping import Decided, Standing, Stopping
    from composer.methods.strings import Product, StringMean
    from composer.methods.table import find_part, kinds_of, parts
    from composer.methods.template import Template, check
    from composer.methods.templates import TEMPLATES
    from composer.methods.ties import First, Seeded, Surest, Ties
    from composer.specs.parts import Coefficients, Edit, LayerPath, Router, kind_of
    from composer.values import Typed

    PARTS: dict[str, dict[str, type[Typed]]]

__all__ = [
    "F1",
    "PARTS",
    "TEMPLATES",
    "Acceptance",
    "AdamW",
    "After",
    "Agreement",
    "Align",
    "AskJudge",
    "Asked",
    "AskedTree",
    "Average",
    "Ballot",
    "Beam",
    "Blend",
    "Bleu",
    "Boundary",
    "Boxed",
    "Branching",
    "Budget",
    "Carry",
    "Chance",
    "Cheapest",
    "Choice",
    "Coefficients",
    "Combine",
    "Confidence",
    "Confident",
    "Consensus",
    "Constant",
    "Coordinator",
    "Count",
    "Decided",
    "Doubt",
    "Draft",
    "Edit",
    "Edits",
    "Estimates",
    "Estimator",
    "Exact",
    "Examples",
    "Exit",
    "Explore",
    "Features",
    "Filter",
    "First",
    "Gap",
    "Gate",
    "Grade",
    "Grader",
    "Greedy",
    "Handover",
    "Judge",
    "Judging",
    "Knn",
    "LayerPath",
    "Length",
    "Likelihood",
    "Line",
    "Linear",
    "Logs",
    "Longest",
    "Mean",
    "MeanLogprob",
    "Measure",
    "Medoid",
    "Node",
    "Number",
    "Numeric",
    "Objective",
    "One",
    "Operation",
    "Optimistic",
    "Option",
    "Paced",
    "PartError",
    "PartialAnswer",
    "Pattern",
    "Perplexity",
    "Policy",
    "Product",
    "Random",
    "Reader",
    "Reduction",
    "Rouge",
    "Router",
    "Rule",
    "Scorer",
    "Search",
    "SearchTree",
    "Seeded",
    "Several",
    "Shared",
    "Shares",
    "Shortest",
    "Signal",
    "SpanWeigh",
    "Spend",
    "Standing",
    "StepReward",
    "Steps",
    "Stopping",
    "StringMean",
    "Submission",
    "Surest",
    "TeacherDistributions",
    "Template",
    "TemplateError",
    "Tfidf",
    "Thompson",
    "Threshold",
    "Ties",
    "Training",
    "Tree",
    "Uniform",
    "Union",
    "Verdict",
    "Verifier",
    "Weigh",
    "Whole",
    "Words",
    "check",
    "find_part",
    "kind_of",
    "kinds_of",
    "parts",
]

WHERE = {
    "agreements.base": ("Agreement", "Exact", "Numeric"),
    "align": ("Align",),
    "align.shared": ("Shared",),
    "align.union": ("Union",),
    "carry.base": ("Carry",),
    "combine": ("Combine", "Logs", "Mean"),
    "coordinators.base": ("Coordinator",),
    "estimators.asked": ("Asked", "Judging"),
    "estimators.base": ("Estimator",),
    "estimators.features": ("Features", "Tfidf"),
    "estimators.learned": ("Knn", "Linear"),
    "estimators.simple": ("Length", "Perplexity", "Random", "Uniform"),
    "estimators.values": ("Choice", "Estimates"),
    "readers.basic": ("After", "Boxed", "Line", "Number", "Pattern", "Reader", "Whole"),
    "draft": ("Draft",),
    "gate": ("Gate",),
    "graders.base": ("AskJudge", "Grade", "Grader", "Submission"),
    "handover": ("Doubt", "Handover"),
    "scorers.judging": ("Judge",),
    "edits": ("Coefficients", "Edit", "LayerPath"),
    "distillation.adamw": ("AdamW",),
    "distillation.base": ("Objective", "Training"),
    "distillation.objectives": ("TeacherDistributions",),
    "edits.average": ("Average",),
    "mistakes": ("PartError", "TemplateError"),
    "readers.options": ("Option",),
    "agreements.overlap": ("Bleu", "Edits", "F1", "Rouge"),
    "acceptances.base": ("Acceptance",),
    "policies.base": ("Policy",),
    "policies.budgets": ("Budget", "Paced", "Spend"),
    "policies.choosing": ("Blend", "Chance", "Cheapest", "Gap", "One", "Several", "Threshold"),
    "policies.exploring": ("Explore", "Optimistic", "Thompson"),
    "reductions.base": ("Ballot", "Count", "Medoid", "Reduction", "Shares"),
    "rewards.base": ("PartialAnswer", "StepReward"),
    "routers": ("Router",),
    "rule": ("Constant", "Operation", "Rule", "Verdict"),
    "scorers.basic": ("Confident", "Consensus", "Likelihood", "Longest", "Scorer", "Shortest"),
    "searches.asked": ("AskedTree", "Steps"),
    "searches.base": ("Node", "Search", "SearchTree"),
    "searches.beams": ("Beam", "Greedy"),
    "searches.trees": ("Tree",),
    "signals.base": ("Signal",),
    "signals.measured": ("Confidence",),
    "spans.boundaries": ("Boundary", "Words"),
    "spans.measures": ("MeanLogprob", "Measure"),
    "spans": ("Branching", "Exit", "Filter", "SpanWeigh"),
    "stopping": ("Decided", "Standing", "Stopping"),
    "strings": ("Product", "StringMean"),
    "table": ("find_part", "kind_of", "kinds_of", "parts"),
    "template": ("Template", "check"),
    "templates": ("TEMPLATES",),
    "ties": ("First", "Seeded", "Surest", "Ties"),
    "code.verifying": ("Examples", "Verifier"),
    "weigh": ("Weigh",),
}
"""In which module of this package each name is made."""

_HOMES = {name: module for module, names in WHERE.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as modules do
    """Import what is asked for; make `PARTS` on first use, since looking for plugins takes time."""
    if name == "PARTS":
        from composer.methods.table import parts

        return parts()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
