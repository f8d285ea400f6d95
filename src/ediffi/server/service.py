"""The parts of a running server, as routes find them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from ediffi.model import Cascade
from ediffi.server.engine import Engine
from ediffi.server.jobs import Jobs
from ediffi.server.metrics import Metrics
from ediffi.server.settings import Settings
from ediffi.server.words import Words


@dataclass(frozen=True)
class Service:
    settings: Settings
    cascade: Cascade
    engine: Engine
    jobs: Jobs
    metrics: Metrics
    words: Words
    started: int
    """Seconds since 1970."""


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _client(request: Request) -> str:
    client: str = request.scope["client_id"]
    return client


TheService = Annotated[Service, Depends(_service)]
Client = Annotated[str, Depends(_client)]
"""Whose request it is, see `Guard`."""
