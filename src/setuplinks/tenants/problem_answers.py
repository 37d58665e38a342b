"""Every error leaves as a problem (RFC 9457): ours, the framework's, and what nobody foresaw.

Owns the handlers and nothing of what the problems say. An unforeseen error is logged with its traceback and told as
`internal`, without a word of what is inside.
"""

import logging
from typing import cast

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from setuplinks.core.logs import act
from setuplinks.core.problems import MEDIA_TYPE, Invalid, NotFound, Problem

OUR_FAULT = "The request failed on our side; it was logged."

log = logging.getLogger("setuplinks.http")


class MethodNotAllowed(Problem):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"
    title = "This path does not take this method."


def install_problem_handlers(app: FastAPI) -> None:
    """All errors of the app's JSON routes become `application/problem+json`."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _unforeseen)


def problem_response(problem: Problem) -> Response:
    """The problem as an HTTP answer."""
    told = problem.body()
    if problem.status >= 500:  # the database's address, its words, a key's name: for the log, not for callers
        told["detail"] = OUR_FAULT if problem.status == 500 else problem.title
    body = msgspec.json.encode(told)
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(body, problem.status, headers=headers, media_type=MEDIA_TYPE)


async def _problem(request: Request, error: Exception) -> Response:
    problem = cast(Problem, error)
    if problem.status >= 500:
        act(
            log, "http.problem", logging.ERROR, route=_route(request), method=request.method, code=problem.code,
            detail=problem.detail,
        )  # fmt: skip
    return problem_response(problem)


async def _validation(_: Request, error: Exception) -> Response:
    faults = cast(RequestValidationError, error).errors()
    fields = {".".join(str(part) for part in fault["loc"][1:]) or "body": str(fault["msg"]) for fault in faults}
    return problem_response(Invalid(fields=fields))


async def _framework(_: Request, error: Exception) -> Response:
    found = cast(HTTPException, error)
    headers = dict(found.headers or {})
    if found.status_code == 404:
        return problem_response(NotFound("There is nothing at this address."))
    if found.status_code == 405:
        return problem_response(MethodNotAllowed(headers=headers))
    problem = Problem(found.detail, headers=headers)
    body = {**problem.body(), "status": found.status_code, "code": "http_error", "title": found.detail}
    body["type"] = "urn:setuplinks:problem:http_error"
    return Response(msgspec.json.encode(body), found.status_code, headers=headers, media_type=MEDIA_TYPE)


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("http.failed", exc_info=error, extra={"fields": {"route": _route(request), "method": request.method}})
    return problem_response(Problem(OUR_FAULT))


def _route(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path", "unmatched"))
