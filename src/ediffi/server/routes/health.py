"""Whether the server lives, whether it is ready, and what it counts."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from ediffi.server.errors import RESPONSES, ApiError
from ediffi.server.service import TheService

router = APIRouter(tags=["health"], responses=RESPONSES)


@router.get("/healthz", response_class=PlainTextResponse)
def healthz(service: TheService) -> str:
    """Whether the thread that draws is alive."""
    if not service.engine.alive:
        raise ApiError(503, "the engine has stopped")
    return "ok"


@router.get("/readyz", response_class=PlainTextResponse)
def readyz(service: TheService) -> str:
    """Whether the model is read and jobs are taken in."""
    if service.jobs.stopping or not service.engine.ready.is_set():
        raise ApiError(503, "the server starts, or is being stopped", headers={"Retry-After": "1"})
    return "ok"


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(service: TheService) -> PlainTextResponse:
    """Counters in Prometheus' format."""
    return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")
