"""A server of the tiny cascade, in this process and on a real port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from ediffi.model import Cascade
from ediffi.server.app import create_app
from ediffi.server.settings import Settings


@dataclass(frozen=True)
class Served:
    """url: where; app: its application; http: a client of it."""

    url: str
    app: Any
    http: httpx2.Client

    def job(self, **request: Any) -> dict[str, Any]:
        """Accepted."""
        answer = self.http.post("/v1/jobs", json=request)
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def ended(self, job: str) -> dict[str, Any]:
        """The job when it has ended."""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            told: dict[str, Any] = self.http.get(f"/v1/jobs/{job}").json()
            if told["status"] in ("done", "failed", "cancelled"):
                return told
            time.sleep(0.02)
        raise AssertionError("the job does not end")


@contextmanager
def served(model: Path | Cascade, data: Path, **settings: Any) -> Iterator[Served]:
    """A running server, ready. data: its folder."""
    cascade = model if isinstance(model, Cascade) else Cascade.from_pretrained(model)
    settings = {"grace": 0.0, **settings}
    app = create_app(cascade, Settings(data=data, **settings))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        headers = {"Authorization": f"Bearer {settings['keys'][0]}"} if "keys" in settings else {}
        with httpx2.Client(base_url=url, headers=headers, timeout=60) as http:
            try:
                _wait(http)
                yield Served(url, app, http)
            finally:
                server.should_exit = True
                thread.join()


def _wait(http: httpx2.Client) -> None:
    for _ in range(600):
        try:
            if http.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("the server is not ready")
