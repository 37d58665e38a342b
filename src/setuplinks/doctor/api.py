"""The examination as JSON: `GET /admin/doctor`, for the operator alone."""

from fastapi import APIRouter
from starlette.responses import Response

from setuplinks.doctor.desk import Desk
from setuplinks.doctor.views import DoctorView, view
from setuplinks.tenants.context import Deps
from setuplinks.tenants.routes import Call, Routes, operator_only, reply


def router(deps: Deps, desk: Desk) -> APIRouter:
    """The one route."""

    async def examine_installation(_: Call) -> Response:
        """Looks whether this installation is ready for its customers, as `setuplinks doctor` does; up to 10 seconds.

        Answers 200 whatever is found; `verdict` says how it came out.
        """
        return reply(view(await desk.look()))

    routes = Routes(deps, "doctor")
    routes.add("GET", "/admin/doctor", operator_only(), examine_installation, answers=DoctorView)
    return routes.router
