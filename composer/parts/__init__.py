"""The parts that steps are made of: small typed values, each with the method of a paper.

A part's module is imported when the part is first used, so that a command which needs three parts
does not wait for forty.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from composer.parts.agreement import F1, Agreement, Bleu, Edits, Exact, Numeric, Rouge
    from composer.parts.align import Shared, Union
    from composer.parts.combine import Logs, Mean
    from composer.parts.estimators.asked import Asked, Judging
    from composer.parts.estimators.base import Estimator
    from composer.parts.estimators.features import Features, Tfidf
    from composer.parts.estimators.learned import Knn, Linear
    from composer.parts.estimators.simple import Length, Perplexity, Random, Uniform
    from composer.parts.estimators.values import Choice, Estimates
    from composer.parts.extraction import (
        After,
        Boxed,
        Line,
        Number,
        Option,
        Pattern,
        Reader,
        Whole,
    )
    from composer.parts.handover import Doubt
    from composer.parts.judging import Judge
    from composer.parts.merging import Average, Edit
    from composer.parts.mistakes import PartError, TemplateError
    from composer.parts.policies.base import Policy
    from composer.parts.policies.budgets import Budget, Paced, Spend
    from composer.parts.policies.choosing import (
        Blend,
        Chance,
        Cheapest,
        Gap,
        One,
        Several,
        Threshold,
    )
    from composer.parts.policies.exploring import Explore, Optimistic, Thompson
    from composer.parts.reduction import Count, Medoid, Reduction, Shares
    from composer.parts.rule import Constant, Operation, Rule, Verdict
    from composer.parts.scoring import Confident, Consensus, Likelihood, Longest, Scorer, Shortest
    from composer.parts.signals.base import Signal
    from composer.parts.signals.measured import Confidence
    from composer.parts.span import Boundary, Words
    from composer.parts.table import find_part, kind_of, kinds_of, parts
    from composer.parts.template import Template, check
    from composer.parts.templates import TEMPLATES
    from composer.parts.ties import First, Seeded, Surest, Ties
    from composer.ports import Typed
    from composer.specs.parts import Align, Combine, Draft, Gate, Handover, Weigh

    PARTS: dict[str, dict[str, type[Typed]]]

__all__ = [
    "F1",
    "PARTS",
    "TEMPLATES",
    "After",
    "Agreement",
    "Align",
    "Asked",
    "Average",
    "Blend",
    "Bleu",
    "Boundary",
    "Boxed",
    "Budget",
    "Chance",
    "Cheapest",
    "Choice",
    "Combine",
    "Confidence",
    "Confident",
    "Consensus",
    "Constant",
    "Count",
    "Doubt",
    "Draft",
    "Edit",
    "Edits",
    "Estimates",
    "Estimator",
    "Exact",
    "Explore",
    "Features",
    "First",
    "Gap",
    "Gate",
    "Handover",
    "Judge",
    "Judging",
    "Knn",
    "Length",
    "Likelihood",
    "Line",
    "Linear",
    "Logs",
    "Longest",
    "Mean",
    "Medoid",
    "Number",
    "Numeric",
    "One",
    "Operation",
    "Optimistic",
    "Option",
    "Paced",
    "PartError",
    "Pattern",
    "Perplexity",
    "Policy",
    "Random",
    "Reader",
    "Reduction",
    "Rouge",
    "Rule",
    "Scorer",
    "Seeded",
    "Several",
    "Shared",
    "Shares",
    "Shortest",
    "Signal",
    "Spend",
    "Surest",
    "Template",
    "TemplateError",
    "Tfidf",
    "Thompson",
    "Threshold",
    "Ties",
    "Uniform",
    "Union",
    "Verdict",
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
    "agreement": ("Agreement", "Bleu", "Edits", "Exact", "F1", "Numeric", "Rouge"),
    "align": ("Align", "Shared", "Union"),
    "combine": ("Combine", "Logs", "Mean"),
    "estimators.asked": ("Asked", "Judging"),
    "estimators.base": ("Estimator",),
    "estimators.features": ("Features", "Tfidf"),
    "estimators.learned": ("Knn", "Linear"),
    "estimators.simple": ("Length", "Perplexity", "Random", "Uniform"),
    "estimators.values": ("Choice", "Estimates"),
    "extraction": ("After", "Boxed", "Line", "Number", "Option", "Pattern", "Reader", "Whole"),
    "draft": ("Draft",),
    "gate": ("Gate",),
    "handover": ("Doubt", "Handover"),
    "judging": ("Judge",),
    "merging": ("Average", "Edit"),
    "mistakes": ("PartError", "TemplateError"),
    "policies.base": ("Policy",),
    "policies.budgets": ("Budget", "Paced", "Spend"),
    "policies.choosing": ("Blend", "Chance", "Cheapest", "Gap", "One", "Several", "Threshold"),
    "policies.exploring": ("Explore", "Optimistic", "Thompson"),
    "reduction": ("Count", "Medoid", "Reduction", "Shares"),
    "rule": ("Constant", "Operation", "Rule", "Verdict"),
    "scoring": ("Confident", "Consensus", "Likelihood", "Longest", "Scorer", "Shortest"),
    "signals.base": ("Signal",),
    "signals.measured": ("Confidence",),
    "span": ("Boundary", "Words"),
    "table": ("find_part", "kind_of", "kinds_of", "parts"),
    "template": ("Template", "check"),
    "templates": ("TEMPLATES",),
    "ties": ("First", "Seeded", "Surest", "Ties"),
    "weigh": ("Weigh",),
}
"""In which module of this package each name is made."""

_HOMES = {name: module for module, names in WHERE.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as modules do
    """Import what is asked for; make `PARTS` on first use, since looking for plugins takes time."""
    if name == "PARTS":
        from composer.parts.table import parts

        return parts()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
