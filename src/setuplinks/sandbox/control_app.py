"""The part of the control API that stands for the app's dashboard: what its settings say."""

from starlette.requests import Request
from starlette.routing import Route

from setuplinks.sandbox import views
from setuplinks.sandbox.control import Body, ControlRefused, route
from setuplinks.sandbox.world import World


def routes(world: World) -> list[Route]:
    """`GET` and `PUT /sandbox/app`; a PUT merges."""

    async def show(_request: Request, _body: Body) -> Body:
        return views.camel_fields(world.app)

    async def change(_request: Request, body: Body) -> Body:
        try:
            world.app = views.merged(world.app, body)
        except (KeyError, TypeError, ValueError) as error:
            raise ControlRefused(str(error)) from None
        return views.camel_fields(world.app)

    return [route("/sandbox/app", {"GET": show, "PUT": change})]
