"""The server put together: a model, its engine, its jobs, and the routes to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import ediffi
from ediffi.model import Cascade
from ediffi.server import studio
from ediffi.server.engine import Engine
from ediffi.server.errors import handle_errors
from ediffi.server.guard import Guard
from ediffi.server.jobs import Jobs
from ediffi.server.metrics import Metrics
from ediffi.server.routes import a1111, health, images, jobs, model
from ediffi.server.service import Service
from ediffi.server.settings import Settings
from ediffi.server.words import Words


def create_app(cascade: Cascade, settings: Settings | None = None) -> FastAPI:
    """An ASGI application that serves a model.

    Its engine starts with it (ASGI lifespan), and measures the model's stages first.

    Raises:
        UserError: the data folder cannot be used.
    """
    settings = settings or Settings()
    metrics = Metrics()
    engine = Engine(most=settings.active, evaluated=metrics.evaluation, warm=cascade.stages)
    metrics.watch(engine)
    taken = Jobs(settings, cascade, engine, metrics)
    service = Service(settings, cascade, engine, taken, metrics, Words(cascade), int(time.time()))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(taken.resume)
        engine.start()
        try:
            yield
        finally:
            await asyncio.to_thread(taken.stop)

    app = FastAPI(
        title="ediffi",
        version=ediffi.__version__,
        description="Draws pictures of sentences. Errors come in the form of OpenAI's API.",
        lifespan=lifespan,
        docs_url=None,  # their pages load from a CDN
        redoc_url=None,
    )
    app.state.service = service
    for routes in (jobs, images, model, a1111, health):
        app.include_router(routes.router)
    studio.mount(app)
    handle_errors(app)
    app.add_middleware(Guard, keys=settings.keys, body=settings.limits.body, metrics=metrics)
    return app
