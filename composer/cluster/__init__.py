"""Recipes on a cluster: replicas on other machines hold the models, this process walks the graph.

A pool is a set of equal replicas. Each holds one whole group of models whose members are asked
together, so that a token never crosses machines. A request goes to a replica as a whole. The
package runs replicas through Ray (extra `ray`); only `ray_handles.py` and `connecting.py` know it.
"""

from composer.cluster.answering import Answering
from composer.cluster.cluster import Cluster

__all__ = ["Answering", "Cluster"]
