"""Whether the process lives, whether it can serve, what it counts, and the API's own pages.

Owns `/healthz`, `/readyz`, `/metrics` and `/docs`. None of them needs a key; `/metrics` names no tenant.
"""

import logging

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from setuplinks.api_reference import reference_page
from setuplinks.core import metrics
from setuplinks.core.db.database import Database
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.migrations.apply import check_revision

log = logging.getLogger("setuplinks.health")

NO_STORE = {"Cache-Control": "no-store"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def health_routes(app: FastAPI, db: Database) -> list[BaseRoute]:
    """The routes that operators and their machines ask."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=NO_STORE)

    async def readyz(_: Request) -> Response:
        """503 while the database is away or its schema is not ours: a balancer then sends nobody here."""
        try:
            await check_revision(db)
        except Problem as problem:
            act(log, "health.not_ready", logging.WARNING, why=problem.detail)  # it may name the database's address
            return JSONResponse({"status": "not ready", "why": problem.title}, 503, headers=NO_STORE)
        return JSONResponse({"status": "ready"}, headers=NO_STORE)

    async def show_metrics(_: Request) -> Response:
        return Response(metrics.exposition(), headers={**NO_STORE, "Content-Type": metrics.CONTENT_TYPE})

    async def docs(_: Request) -> Response:
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return HTMLResponse(reference_page(app.openapi()), headers=headers)

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", show_metrics, methods=["GET"]),
        Route("/docs", docs, methods=["GET"]),
    ]
