"""The studio's files over HTTP: nothing secret is in them, so they are served without a key."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from os import PathLike, stat_result
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

PAGE = Path(__file__).parent / "page"
mimetypes.add_type("text/javascript", ".js")  # some systems take it for plain text


def mount(app: FastAPI) -> None:
    """Serve the page at `/` and its files below `/studio`."""
    headers = page_headers()

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers=headers)

    app.mount("/studio", _Files(headers), name="studio")


def page_headers() -> dict[str, str]:
    """What browsers are told with every file: run these scripts and no others, talk to this server
    alone, in no other site's frame, and look for a newer version before each use.

    The one inline script is the import map, which browsers read from nowhere else; it is allowed
    by its hash.
    """
    text = (PAGE / "index.html").read_text("utf-8")
    (import_map,) = re.findall(r'<script type="importmap">(.*?)</script>', text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' 'sha256-{digest}'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


class _Files(StaticFiles):
    """Files with the page's headers."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(directory=PAGE)
        self.headers = headers

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(self.headers)
        return response
