"""`/sandbox`: what this is, its scenarios, and what has happened lately. Read-only."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from setuplinks.sandbox import views
from setuplinks.sandbox.pages import render
from setuplinks.sandbox.scenarios import SCENARIOS
from setuplinks.sandbox.sender import Sender
from setuplinks.sandbox.world import World

SHOWN = 15


def page(world: World, sender: Sender) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_request: Request) -> Response:
        numbers = list(world.numbers.values())[-SHOWN:]
        return render(
            "home.html",
            config=world.config,
            scenarios=SCENARIOS.values(),
            queue=[scenario.name for scenario in world.queue],
            signups=list(reversed(list(world.signups.values())[-SHOWN:])),
            numbers=[views.number(number) for number in reversed(numbers)],
            notifications=[views.notification(note) for note in list(sender.sent)[: -SHOWN - 1 : -1]],
            calls=sum(world.call_counts.values()),
        )

    return endpoint
