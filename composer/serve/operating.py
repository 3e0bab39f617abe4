"""What operators ask a server: whether it is ready, its figures, its plans, its version."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response

from composer.diagnostics.caches import PACKAGE_VERSION
from composer.serve.lifecycle import Stage
from composer.serve.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from composer.serve.lifecycle import Lifecycle
    from composer.serve.metrics import Metrics
    from composer.serve.served import Registry

__all__ = ["routes"]

NOT_READY = {"description": "The models are loading, or the server is stopping."}


def routes(registry: Registry, lifecycle: Lifecycle, metrics: Metrics) -> APIRouter:
    """Return the routes for operators."""
    router = APIRouter(tags=["operating"])

    @router.head("/health", include_in_schema=False)
    @router.get("/health", responses={503: NOT_READY}, summary="Say whether the server is ready.")
    async def health() -> Response:
        stage = lifecycle.stage
        status = 200 if stage is Stage.READY else 503
        return _json({"status": stage.value, "models": list(registry.models)}, status)

    @router.get("/metrics", summary="Give figures for Prometheus.", response_class=Response)
    async def figures() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    @router.get("/plan", summary="Give the plan of each model: steps, members, defaults.")
    async def plan() -> Response:
        plans = (
            f"{json.dumps(name)}: {served.recipe.plan().model_dump_json()}"
            for name, served in registry.models.items()
        )
        return Response(f"{{{', '.join(plans)}}}", media_type="application/json")

    @router.get("/version", summary="Give the version of this software.")
    async def version() -> Response:
        return _json({"version": PACKAGE_VERSION, "python": platform.python_version()})

    return router


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status, media_type="application/json")
