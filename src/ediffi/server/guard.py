"""What stands before every route: whose page asks, with which key, and how much it sends."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ediffi.server.errors import ApiError
from ediffi.server.metrics import Metrics

log = logging.getLogger(__name__)
OPEN = ("/healthz", "/readyz", "/", "/studio")  # without a key: nothing secret is there
LOCAL = "local"  # the client of a server without keys


class Guard:
    """ASGI middleware.

    A page of another site can make a visitor's browser send requests to a server on the visitor's
    own machine, and by DNS rebinding even under its own name. So without keys only local names are
    accepted as Host, always an Origin must be the server's own, and other sites may not embed what
    is served. Nothing is allowed to other origins: there is no CORS.

    scope["client_id"] becomes the client that jobs belong to, by its key.
    """

    def __init__(self, app: ASGIApp, *, keys: Collection[str], body: int, metrics: Metrics) -> None:
        """body: bytes that a request may have."""
        self.app = app
        self.clients = {key: hashlib.sha256(key.encode()).hexdigest()[:16] for key in keys}
        self.body = body
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, begin = 0, time.perf_counter()

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._check(scope)
            await self.app(scope, self._limited(scope, receive), counted)
        except ApiError as error:
            if status:  # the answer has begun
                raise
            await error.response()(scope, receive, counted)
        finally:
            self.metrics.answers.labels(str(status or 499)).inc()
            seconds = round(time.perf_counter() - begin, 4)
            where = {"method": scope["method"], "path": scope["path"]}
            log.info("answered", extra={**where, "status": status or 499, "seconds": seconds})

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self.clients and _parts(f"//{host}").hostname not in LOCAL_NAMES:
            raise ApiError(403, "this server answers to local names only", code="foreign_host")
        origin = headers.get("origin")
        if origin is not None and _parts(origin).netloc != host:
            raise ApiError(403, "pages of other sites may not use this server", code="foreign_page")
        embedded = headers.get("sec-fetch-mode") != "navigate" or scope["method"] != "GET"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and embedded:
            raise ApiError(403, "pages of other sites may not use this server", code="foreign_page")
        scope["client_id"] = self._client(headers, scope["path"])

    def _client(self, headers: Headers, path: str) -> str:
        if not self.clients:
            return LOCAL
        kind, _, given = headers.get("authorization", "").partition(" ")
        for key, client in self.clients.items():
            same = hmac.compare_digest(given.strip().encode(), key.encode())
            if kind.lower() == "bearer" and same:
                return client
        if path in OPEN or path.startswith("/studio/"):
            return LOCAL
        raise ApiError(
            401,
            "give the server's API key: Authorization: Bearer KEY",
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        too_large = ApiError(
            413, f"the body is larger than {self.body:,} bytes", code="body_too_large"
        )
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdigit() and int(length) > self.body:
            raise too_large
        had = 0

        async def limited() -> Message:
            nonlocal had
            message = await receive()
            if message["type"] == "http.request":
                had += len(message.get("body", b""))
                if had > self.body:
                    raise too_large
            return message

        return limited


def _parts(url: str) -> SplitResult:
    """Those of a URL; empty ones of what is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
