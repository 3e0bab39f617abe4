"""Which steps ask for details of the tokens that are written, because a signal reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.compiler.graph.capabilities import unweighed
from composer.methods.measuring import detail_of, signals_of
from composer.run.writers import writers_of
from composer.specs import missing_detail
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.compiler.graph import Node
    from composer.values.details import TokenDetail

__all__ = ["details_for_signals"]


def details_for_signals(root: Node) -> Mapping[Node, TokenDetail]:
    """Return what is wanted of each token of the steps whose answers signals are measured on.

    A step that asks a model which cannot tell it is left out.
    """
    details: dict[Node, TokenDetail] = {}
    for node in topological(root):
        options = () if node.is_query else tuple(node.values().values())
        detail = detail_of(signal for option in options for signal in signals_of(option))
        if detail is not None:
            writers = (writer for each in node.direct_inputs for writer in writers_of(each))
            for writer in writers:
                if _tells(writer, detail):
                    details[writer] = detail | details.get(writer, detail)
    return details


def _tells(writer: Node, detail: TokenDetail) -> bool:
    models = (each for each in writer.direct_inputs if each.port is Port.MODEL)
    return not any(missing_detail(unweighed(model), detail) for model in models)
