"""The addresses that operators and their machines ask: alive, ready, counted, documented. None needs a key."""

import re

from tests.support.service import RunningService


async def test_a_running_service_is_alive_and_ready(service: RunningService) -> None:
    anybody = service.operator.with_key(None)
    assert (await anybody.get("/healthz")).json == {"status": "ok"}
    assert (await anybody.get("/readyz")).json == {"status": "ready"}


async def test_metrics_name_routes_and_never_a_link(service: RunningService, acme, clinic: int) -> None:
    link = await acme.api.made(f"/admin/customers/{clinic}/setup-links", {})
    anybody = service.operator.with_key(None)
    await anybody.get(link["url"].removeprefix(service.url))
    shown = (await anybody.get("/metrics")).body.decode()
    assert 'route="/signup/{link}"' in shown
    assert link["id"] not in shown


async def test_the_reference_page_shows_every_route_and_loads_nothing_from_elsewhere(service: RunningService) -> None:
    anybody = service.operator.with_key(None)
    page = (await anybody.get("/docs")).body.decode()
    document = (await anybody.get("/openapi.json")).json
    for path in document["paths"]:
        assert path in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
