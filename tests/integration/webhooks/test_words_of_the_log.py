"""What stands in the way of a delivery is told in plain words, made by real parts: TLS, names, ports, silence."""

from pathlib import Path

import pytest

from setuplinks.core.addresses import parse_networks
from setuplinks.core.outbound.client import Outbound
from setuplinks.webhooks.runner import DeliveryRunner
from tests.integration.webhooks.room import Room
from tests.support.ports import reserved_port
from tests.unit.outbound.test_outbound import Authority, Names, raw_server, saying

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def sent_through(room: Room, outbound: Outbound, url: str) -> dict[str, object]:
    """The delivery after its first try through this way out."""
    made = await room.endpoint("https://hooks.example.com/")
    await room.db.bulk("UPDATE webhook_endpoint SET url = $1", url)
    await room.emit()
    runner = DeliveryRunner(room.db, room.api.deps.vault, room.clock, room.events, outbound)
    try:
        assert await room.drain(runner) == 1
    finally:
        await outbound.close()
    return await room.the_delivery(made)


@pytest.mark.parametrize(
    ("host", "days", "status", "words"),
    [
        ("hooks.example.com", 30, "delivered", None),
        ("hooks.example.com", -1, "pending", "certificate expired"),
        ("other.example.com", 30, "failed", "certificate is for another name"),
    ],
)
async def test_a_certificates_fault_stands_in_the_log(
    room: Room, tmp_path: Path, *, host: str, days: int, status: str, words: str | None
) -> None:
    authority = Authority(tmp_path)
    names = Names(hooks_example_com=[["127.0.0.1"]])
    outbound = Outbound(parse_networks("127.0.0.0/8"), resolver=names, tls=authority.trusting())
    async with raw_server(saying(OK), authority.server(host, days)) as port:
        delivery = await sent_through(room, outbound, f"https://hooks.example.com:{port}/")
    assert (delivery["status"], delivery["lastError"]) == (status, words)


async def test_a_name_that_turns_inside_after_it_was_saved_is_final(room: Room) -> None:
    outbound = Outbound((), resolver=Names(hooks_example_com=[["10.0.0.7"]]))
    delivery = await sent_through(room, outbound, "https://hooks.example.com/")
    assert (delivery["status"], delivery["lastError"]) == ("failed", "refused: private address")


async def test_a_closed_port_and_a_silent_server_are_told_apart(room: Room) -> None:
    allowed = parse_networks("127.0.0.0/8")
    closed = await sent_through(room, Outbound(allowed), f"http://127.0.0.1:{reserved_port()}/")
    assert (closed["status"], closed["lastError"]) == ("pending", "connection refused")
    await room.db.bulk("UPDATE webhook_endpoint SET deleted_at = 1")
    async with raw_server(saying(b"")) as port:
        silent = await sent_through(room, Outbound(allowed, total_seconds=2.0), f"http://127.0.0.1:{port}/")
    assert silent["status"] == "pending"
    assert silent["lastError"] in {"no answer within 2 s", "connection closed"}
