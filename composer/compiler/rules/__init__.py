"""The optimizer: named rules, each a pattern and a rewriting, run to a fixed point and logged."""

from composer.compiler.rules.legal import illegal
from composer.compiler.rules.passes import PASSES, Optimized, optimize
from composer.compiler.rules.rewrite import Fired, Pass, Pattern, Rule, rule

__all__ = ["PASSES", "Fired", "Optimized", "Pass", "Pattern", "Rule", "illegal", "optimize", "rule"]
