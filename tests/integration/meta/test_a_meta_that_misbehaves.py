"""Whatever comes over the wire becomes an answer or a GraphError that says what to do next."""

import asyncio
import gzip
import logging
import socket
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from setuplinks.core.clock import MINUTE, ManualClock
from setuplinks.core.logs import JsonLines
from setuplinks.meta.errors import GraphError, OutcomeUnknown, Unreadable
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.meta.transport import Timeouts
from tests.integration.meta.scripted_meta import HANG_UP, STALL, Held, ScriptedMeta, answer, refusal

TOKEN, CODE, PIN = Secret("EAAcustomertoken0123456789"), Secret("AQDcanarycode"), Secret("918273")
HTML = {"Content-Type": "text/html"}

Verb = Callable[[Graph], Awaitable[object]]


async def read(graph: Graph) -> object:
    return await graph.phone_numbers(TOKEN, "1")


async def exchange(graph: Graph) -> object:
    return await graph.exchange_code(CODE)


async def send(graph: Graph) -> object:
    return await graph.send_text(TOKEN, "1", "54935155", "Hola")


async def register(graph: Graph) -> object:
    return await graph.register(TOKEN, "1", PIN)


async def failure(graph: Graph, verb: Verb) -> GraphError:
    with pytest.raises(GraphError) as caught:
        await verb(graph)
    return caught.value


CUT = [
    pytest.param(STALL, id="no answer"),
    pytest.param(HANG_UP, id="hung up without a word"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Type: appl", id="half of the head"),
    pytest.param(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"data":', id="half of the body"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="broken chunks"),
    pytest.param(Held(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"data":'), id="stalls within the body"),
    pytest.param(Held(b"HTTP/1.1 200 OK\r\nContent-Len"), id="stalls within the head"),
    pytest.param(Held(b"", half_closed=True), id="half-closed before the head"),
    pytest.param(
        Held(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"da', half_closed=True), id="half-closed in the body"
    ),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}", id="a length that is no number"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}", id="a length below nothing"),
    pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n{}", id="a header without end"),
    pytest.param(answer(200, {"success": True, "data": []}, {"Content-Length": "9"}), id="a length that is too short"),
    pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", id="not HTTP at all"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", id="broken gzip"),
]


@pytest.mark.parametrize("wire", CUT)
async def test_after_a_cut_nobody_knows_whether_a_message_went_out_or_a_code_was_spent(
    hasty_graph: Graph, meta: ScriptedMeta, wire: bytes | Held | None
) -> None:
    meta.plan(wire, wire)
    for verb in (exchange, send):
        error = await failure(hasty_graph, verb)
        assert (type(error), error.kind, error.retryable) == (OutcomeUnknown, "outcome_unknown", False)
    assert len(meta.requests) == 2


@pytest.mark.parametrize("wire", CUT)
async def test_after_a_cut_a_call_that_does_no_harm_twice_may_be_repeated(
    hasty_graph: Graph, meta: ScriptedMeta, wire: bytes | Held | None
) -> None:
    meta.plan(wire, wire)
    for verb in (read, register):
        error = await failure(hasty_graph, verb)
        assert (type(error), error.kind, error.retryable) == (OutcomeUnknown, "outcome_unknown", True)


UNREADABLE = [
    pytest.param(answer(200, b"<html>Sorry, something went wrong.</html>", HTML), id="HTML"),
    pytest.param(answer(200, b""), id="an empty body"),
    pytest.param(answer(200, b"[1,2]"), id="a list"),
    pytest.param(answer(200, b"null"), id="null"),
    pytest.param(answer(200, b"\xff\xfe\x00"), id="no text"),
    pytest.param(answer(200, b"[" * 100_000), id="a very deep list"),
    pytest.param(answer(200, {"success": False}), id="success that is false"),
    pytest.param(answer(200, {}), id="an empty object"),
    pytest.param(answer(204, b""), id="no content"),
    pytest.param(answer(200, gzip.compress(b"x" * 40_000_000), {"Content-Encoding": "gzip"}), id="a bomb"),
]


@pytest.mark.parametrize("wire", UNREADABLE)
async def test_an_answer_of_another_shape_is_named_unreadable(graph: Graph, meta: ScriptedMeta, wire: bytes) -> None:
    meta.plan(wire, wire, wire)
    for verb in (read, register):
        error = await failure(graph, verb)
        assert (type(error), error.kind, error.retryable) == (Unreadable, "unreadable", True)
        assert error.status in {200, 204}
    # Meta said 200, so the code is spent although no token can be read.
    lost = await failure(graph, exchange)
    assert (type(lost), lost.retryable) == (OutcomeUnknown, False)


async def test_a_redirect_is_never_followed(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(answer(302, b"", {"Location": f"{meta.url}/elsewhere"}))
    error = await failure(graph, read)
    assert (error.kind, error.status, len(meta.requests)) == ("unreadable", 302, 1)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_gateways_error_page_is_retried_where_that_does_no_harm(
    graph: Graph, meta: ScriptedMeta, status: int
) -> None:
    page = answer(status, b"<html>Bad gateway</html>", HTML)
    meta.plan(page, page, page)
    first, second, third = [await failure(graph, verb) for verb in (read, exchange, send)]
    assert (first.kind, first.retryable, first.status) == ("retry", True, status)
    assert (type(second), second.retryable) == (OutcomeUnknown, False)
    assert (type(third), third.retryable) == (OutcomeUnknown, False)


async def test_a_request_to_slow_down_names_its_wait(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(answer(429, b"slow down", {"Retry-After": "7"}), refusal(400, 130429), refusal(400, 4))
    by_status, rate, app = [await failure(graph, verb) for verb in (read, send, read)]
    assert (by_status.kind, by_status.throttled, by_status.retryable, by_status.wait_s) == ("retry", True, True, 7)
    # Meta refused before it did anything, so even a message may be sent again.
    assert (rate.throttled, rate.retryable, app.throttled, app.retryable) == (True, True, True, True)


async def test_an_error_object_counts_whatever_the_status_says(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(
        answer(200, {"error": {"code": "190", "error_subcode": "463", "message": "Session has expired"}}),
        answer(400, {"error": "invalid_request"}),
        answer(400, {"error": None}),
        answer(403, {"something": "else"}),
    )
    dead, text, empty, other = [await failure(graph, read) for _ in range(4)]
    assert (dead.kind, dead.code, dead.subcode, dead.token_death) == ("relogin", 190, 463, "token_expired")
    assert (text.kind, text.message) == ("unknown", "invalid_request")
    assert (empty.kind, empty.retryable, other.kind, other.status) == ("unknown", False, "unknown", 403)


async def test_nothing_was_sent_where_nobody_listens() -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{place.getsockname()[1]}"
        async with Graph(address, "v25.0", "1", Secret("s"), timeouts=Timeouts()) as graph:
            reading, exchanging, sending = [await failure(graph, verb) for verb in (read, exchange, send)]
    assert (reading.kind, reading.retryable, reading.status) == ("retry", True, 0)
    assert not isinstance(sending, OutcomeUnknown)
    assert (exchanging.retryable, sending.retryable) == (False, True)


async def test_a_code_is_not_lost_to_a_pooled_connection_that_meta_closes(graph: Graph, meta: ScriptedMeta) -> None:
    lying = {"Connection": "keep-alive"}
    meta.plan(*(answer(200, {"access_token": "EAAx"}, lying) for _ in range(5)))
    grants = [await graph.exchange_code(CODE) for _ in range(5)]
    assert [grant.access_token.reveal() for grant in grants] == ["EAAx"] * 5


async def test_a_message_that_waited_for_a_free_connection_was_not_sent(meta: ScriptedMeta) -> None:
    meta.plan(STALL)
    patience = Timeouts(connect=1.5, send=4.0)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        graph = Graph(meta.url, "v25.0", "1", Secret("s"), session=session, timeouts=patience)
        stalled, waited = await asyncio.gather(failure(graph, send), failure(graph, send))
        await graph.close()
        assert not session.closed
    assert (type(stalled), stalled.retryable) == (OutcomeUnknown, False)
    assert (type(waited), waited.retryable, len(meta.requests)) == (GraphError, True, 1)


async def test_an_answer_without_end_is_given_up(graph: Graph, meta: ScriptedMeta) -> None:
    meta.plan(answer(200, b'{"data":"' + b"x" * (9 * 1024 * 1024) + b'"}'))
    error = await failure(graph, read)
    assert error.kind in {"unreadable", "outcome_unknown"}
    assert error.retryable


async def test_rate_limit_headers_stay_on_the_client(graph: Graph, meta: ScriptedMeta, clock: ManualClock) -> None:
    business = (
        '{"524":[{"type":"whatsapp_business_management","call_count":97,"total_cputime":1,"total_time":2,'
        '"estimated_time_to_regain_access":3},{"type":"whatsapp","call_count":5}]}'
    )
    app = '{"call_count":28,"total_time":25,"total_cputime":31}'
    rows = {"data": []}
    meta.plan(
        answer(200, rows, {"X-App-Usage": app, "X-Business-Use-Case-Usage": business}),
        answer(200, rows, {"X-App-Usage": "{broken", "X-Business-Use-Case-Usage": "[]"}),
    )
    for _ in range(2):
        await read(graph)
    assert graph.usage.app.percent == 31
    assert [load.type for load in graph.usage.of("524")] == ["whatsapp_business_management", "whatsapp"]
    assert (graph.usage.percent("524"), graph.usage.percent("525")) == (97, 31)
    assert graph.usage.closed_until("524") == clock.now() + 3 * MINUTE
    assert graph.usage.closed_until("525") is None


async def test_no_secret_gets_into_a_log_or_an_exception(
    graph: Graph, meta: ScriptedMeta, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = f"Malformed access token {TOKEN.reveal()} {CODE.reveal()} {PIN.reveal()} app-secret EAAanother0123456789"
    meta.plan(*(refusal(400, 190, message=told, error_data={"details": told}, fbtrace_id="A\nB") for _ in range(5)))
    meta.plan(HANG_UP)
    errors = [await failure(graph, verb) for verb in (read, exchange, send, register, graph_debug, graph_debug)]
    formatter = JsonLines()
    lines = "".join(formatter.format(record) for record in caplog.records)
    written = lines + "".join(f"{error!s} {error!r} {error.__cause__} {error.__context__}" for error in errors)
    for secret in (TOKEN.reveal(), CODE.reveal(), PIN.reveal(), "app-secret", "EAAanother0123456789"):
        assert secret not in written
    assert TOKEN.reveal() not in "".join(f"{error.message} {error.details}" for error in errors)
    assert CODE.reveal() not in errors[1].message
    assert PIN.reveal() not in errors[3].message
    calls = [record for record in caplog.records if record.name == "setuplinks.meta"]
    assert [record.getMessage() for record in calls] == ["meta.call"] * 6
    assert '"route":"/{waba_id}/phone_numbers"' in lines
    assert '"fbtrace_id":"AB"' in lines


async def graph_debug(graph: Graph) -> object:
    return await graph.debug_token(TOKEN)
