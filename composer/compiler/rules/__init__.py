"""The optimizer: named rules, each a pattern and a rewriting, run to a fixed point and logged."""

from composer.compiler.rules.passes import PASSES, Optimized, illegal, optimize
from composer.compiler.rules.rewrite import Fired, Pass, RewriteRule, pattern, rule

__all__ = [
    "PASSES",
    "Fired",
    "Optimized",
    "Pass",
    "RewriteRule",
    "illegal",
    "optimize",
    "pattern",
    "rule",
]
