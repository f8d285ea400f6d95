"""What goes wrong, in the form that clients of OpenAI's API read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ediffi.core.errors import UserError

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}


class Problem(BaseModel):
    """message: for people; type: the class of error; param: the field it is about; code: for
    programs."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Failure(BaseModel):
    """Every answer that is an error."""

    error: Problem


RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"model": Failure} for code in (400, 401, 403, 404, 405, 409, 413, 429, 503)
}


class ApiError(Exception):
    """An answer with this status and these words."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        kind = TYPES.get(self.status, "invalid_request_error")
        problem = Problem(message=str(self), type=kind, param=self.param, code=self.code)
        failure = Failure(error=problem)
        return JSONResponse(failure.model_dump(), self.status, headers=self.headers)


def of_user(error: UserError) -> ApiError:
    """What a user of the library is told, as an answer: the request was bad."""
    text = str(error)
    place = text.partition(":")[0].partition(".")[0]
    return ApiError(400, text, param=place if place.isidentifier() and ":" in text else None)


def handle_errors(app: FastAPI) -> None:
    """Whatever is raised becomes an answer of that form."""

    async def api(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return error.response()

    async def user(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, UserError)
        return of_user(error).response()

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        path = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
        place = ".".join(path)
        message = f"{place}: {first['msg']}" if place else str(first["msg"])
        return ApiError(400, message, param=place or None, code=str(first["type"])).response()

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = error.headers or {}
        return ApiError(error.status_code, str(error.detail), headers=headers).response()

    async def unknown(_: Request, error: Exception) -> JSONResponse:
        return ApiError(500, "the server has failed at this; its log says more").response()

    app.add_exception_handler(ApiError, api)
    app.add_exception_handler(UserError, user)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unknown)
