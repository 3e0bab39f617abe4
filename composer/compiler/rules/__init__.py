"""The optimizer: named rules, each a pattern and a rewriting, run to a fixed point and logged."""

from composer.compiler.rules.passes import (
    APART,
    PASSES,
    Optimized,
    does_once,
    done_once,
    illegal,
    optimize,
)
from composer.compiler.rules.rewrite import Pass, RewriteRule, RuleUse, pattern, rule

__all__ = [
    "APART",
    "PASSES",
    "Optimized",
    "Pass",
    "RewriteRule",
    "RuleUse",
    "does_once",
    "done_once",
    "illegal",
    "optimize",
    "pattern",
    "rule",
]
