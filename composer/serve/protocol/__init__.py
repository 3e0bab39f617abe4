"""The OpenAI protocol: ensembles that are asked as one model.

A request goes this way: its body is checked (`bodies.py`, `problems.py`) and becomes queries with
options (`messages.py`, `prompts.py`, `options.py`), an order (`orders.py`). `runs.py` puts the
queries to the ensemble. The reply is written as JSON directly (`forms.py`, `token_names.py`,
`accounts.py`), whole or in chunks (`streams.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.serve.protocol.accounts import no_trace

if TYPE_CHECKING:
    from fastapi import APIRouter

    from composer.serve.protocol.accounts import KeepTrace
    from composer.serve.served import Registry

__all__ = ["no_trace", "routes"]


def routes(registry: Registry, keep_trace: KeepTrace = no_trace) -> APIRouter:
    """Return the routes of the protocol for the models of a registry.

    `keep_trace` keeps what led to a result, and returns the id that replies name. FastAPI is needed
    only here: batch files are read without it.
    """
    from fastapi import APIRouter

    from composer.serve.protocol.answers import add_answers
    from composer.serve.protocol.models import add_models, add_tokenizers
    from composer.serve.protocol.route import ProtocolRoute
    from composer.serve.protocol.runs import Runs

    router = APIRouter(route_class=ProtocolRoute, tags=["protocol"])
    add_models(router, registry)
    add_tokenizers(router, registry)
    add_answers(router, registry, Runs(keep_trace))
    return router
