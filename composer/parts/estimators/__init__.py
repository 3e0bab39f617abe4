"""Estimators of quality for `route`: what each choice would be worth on a query."""

from composer.parts.estimators.base import Choice, Estimates, Estimator
from composer.parts.estimators.features import Features, Tfidf
from composer.parts.estimators.learned import Knn, Linear
from composer.parts.estimators.simple import Length, Perplexity, Random, Uniform

__all__ = [
    "Choice",
    "Estimates",
    "Estimator",
    "Features",
    "Knn",
    "Length",
    "Linear",
    "Perplexity",
    "Random",
    "Tfidf",
    "Uniform",
]
