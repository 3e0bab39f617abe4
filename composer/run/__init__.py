"""Running a plan: the executor, what it records, many queries at once, and taking up again."""

from composer.run.cache import open_cache
from composer.run.ensemble import Ensemble
from composer.run.output_file import OutputFile
from composer.run.queries import read_queries
from composer.run.result import Failure, Result
from composer.run.trace import Trace

__all__ = ["Ensemble", "Failure", "OutputFile", "Result", "Trace", "open_cache", "read_queries"]
