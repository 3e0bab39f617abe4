"""The optimizer: named rules, each a pattern and a rewriting, run to a fixed point and logged."""

from composer.compiler.rules.passes import PASSES, Optimized, illegal, optimize
from composer.compiler.rules.rewrite import Pass, RewriteRule, RuleUse, pattern, rule

__all__ = [
    "PASSES",
    "Optimized",
    "Pass",
    "RewriteRule",
    "RuleUse",
    "illegal",
    "optimize",
    "pattern",
    "rule",
]
