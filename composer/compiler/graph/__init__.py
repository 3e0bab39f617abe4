"""A recipe's meaning: names resolved, the tree lowered to a typed graph, and checked."""

from composer.compiler.graph.build import Compiled, check_again, compile_recipe
from composer.compiler.graph.files import root_of, shipped
from composer.compiler.graph.graph import Graph, as_networkx
from composer.compiler.graph.node import GENERATE, QUERY, Node, checkpoints, model_of, topological
from composer.compiler.graph.part_text import read_part

__all__ = [
    "GENERATE",
    "QUERY",
    "Compiled",
    "Graph",
    "Node",
    "as_networkx",
    "check_again",
    "checkpoints",
    "compile_recipe",
    "model_of",
    "read_part",
    "root_of",
    "shipped",
    "topological",
]
