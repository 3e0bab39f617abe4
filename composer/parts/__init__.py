"""The parts that steps are made of: small typed values, each with the method of a paper."""

from typing import TYPE_CHECKING, Any

from composer.parts.agreement import F1, Agreement, Bleu, Edits, Exact, Numeric, Rouge
from composer.parts.align import Align, Shared, Union
from composer.parts.combine import Combine, Logs, Mean
from composer.parts.estimators import (
    Choice,
    Estimates,
    Estimator,
    Features,
    Knn,
    Length,
    Linear,
    Perplexity,
    Random,
    Tfidf,
    Uniform,
)
from composer.parts.extraction import After, Boxed, Line, Number, Option, Pattern, Reader, Whole
from composer.parts.judging import Judge
from composer.parts.mistakes import PartError, TemplateError
from composer.parts.policies import Blend, One, Policy, Several, Threshold
from composer.parts.reduction import Count, Medoid, Reduction, Shares
from composer.parts.rule import Constant, Operation, Rule, Signal, Verdict
from composer.parts.scoring import Confident, Consensus, Likelihood, Longest, Scorer, Shortest
from composer.parts.signals import SIGNALS, SignalKind
from composer.parts.span import Boundary, Words
from composer.parts.table import kind_of, kinds_of, parts
from composer.parts.template import Template, check
from composer.parts.templates import TEMPLATES
from composer.parts.ties import First, Seeded, Surest, Ties

if TYPE_CHECKING:
    from composer.ports import Typed

    PARTS: dict[str, dict[str, type[Typed]]]

__all__ = [
    "F1",
    "PARTS",
    "SIGNALS",
    "TEMPLATES",
    "After",
    "Agreement",
    "Align",
    "Blend",
    "Bleu",
    "Boundary",
    "Boxed",
    "Choice",
    "Combine",
    "Confident",
    "Consensus",
    "Constant",
    "Count",
    "Edits",
    "Estimates",
    "Estimator",
    "Exact",
    "Features",
    "First",
    "Judge",
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
    "Option",
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
    "SignalKind",
    "Surest",
    "Template",
    "TemplateError",
    "Tfidf",
    "Threshold",
    "Ties",
    "Uniform",
    "Union",
    "Verdict",
    "Whole",
    "Words",
    "check",
    "kind_of",
    "kinds_of",
    "parts",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as modules do
    """Make `PARTS` on first use, since looking for plugins takes time."""
    if name == "PARTS":
        return parts()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
