"""What a span fuse is made of: where a span ends, and how candidates are scored and weighed.

One file a kind: subclasses of the kinds in `composer.engine.sessions.span_parts`.
"""

from composer.engine.sessions.span_parts import Branching, Exit, Filter, SpanWeigh

__all__ = ["Branching", "Exit", "Filter", "SpanWeigh"]
