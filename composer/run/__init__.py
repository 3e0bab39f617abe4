"""Running a plan: one query through these files.

`ensemble.py` takes a query from any thread, `answering.py` makes its Result, `walk.py` runs the
steps of the graph, `asker.py` is what a step asks models with, `metered_client.py` looks into the
cache and holds the budget, `clients.py` chooses the engine or the model's own client. `trace.py`
records every call on the way.
"""

from composer.run.cache import open_cache
from composer.run.ensemble import Ensemble
from composer.run.output_file import OutputFile
from composer.run.queries import read_queries
from composer.run.result import Failure, Result
from composer.run.trace import Trace

__all__ = ["Ensemble", "Failure", "OutputFile", "Result", "Trace", "open_cache", "read_queries"]
