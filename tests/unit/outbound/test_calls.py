"""The wire of one call: whatever a server does to it, there is an answer, and it is the answer to this request."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from setuplinks.core.outbound.calls import READ_OUT, Broken, Connection, Connections, Reply
from setuplinks.core.outbound.client import Answer, Outbound
from setuplinks.core.outbound.failures import FailureKind
from tests.unit.outbound.test_outbound import LOOPBACK, client, post, raw_server, saying

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request of each connection as `answers` says next; counts connections and keeps the heads."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.connections = 0
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError):
            while self._answers:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self._answers.pop(0)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
            await reader.read()


class Watched(Connection):
    """Tells when it has ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.lost = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.lost.set()


async def answers_to(server: Server, calls: int) -> list[tuple[int | None, bytes]]:
    """So many calls, one after the other: status and body of each."""
    async with client() as outbound, raw_server(server) as port:
        found = [await post(outbound, f"http://127.0.0.1:{port}/", b"") for _ in range(calls)]
    return [(one.status, one.body) for one in found]


async def test_one_connection_serves_calls_one_after_the_other() -> None:
    server = Server(OK, OK, OK)
    assert await answers_to(server, 3) == [(200, b"ok")] * 3
    assert server.connections == 1


async def test_a_body_that_is_longer_than_what_is_kept_is_read_out_and_the_connection_used_again() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000
    server = Server(long, OK)
    assert await answers_to(server, 2) == [(200, b"x" * 2048), (200, b"ok")]
    assert server.connections == 1


async def test_a_body_that_is_far_longer_ends_its_connection() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * (READ_OUT + 1), OK)
    assert await answers_to(server, 2) == [(200, b"x" * 2048), (200, b"ok")]
    assert server.connections == 2


@pytest.mark.parametrize(
    "last",
    [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
     b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"],
)  # fmt: skip
async def test_a_server_that_wants_no_more_on_a_connection_gets_no_more(last: bytes) -> None:
    server = Server(last, OK)
    assert await answers_to(server, 2) == [(200, b"ok")] * 2
    assert server.connections == 2


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
     b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
     b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + OK,
     b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"],
)  # fmt: skip
async def test_answers_of_every_shape_are_read(said: bytes) -> None:
    server = Server(said, OK)
    assert await answers_to(server, 2) == [(200, b"ok")] * 2
    assert server.connections == 1


async def posted_and_fetched(said: bytes) -> tuple[Answer, Answer]:
    """What a webhook and a file get from a server that says this and closes."""
    async with client() as outbound, raw_server(saying(said)) as port:
        posted = await post(outbound, f"http://127.0.0.1:{port}/", b"")
        return posted, await outbound.fetch(f"http://127.0.0.1:{port}/", 100)


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    posted, fetched = await posted_and_fetched(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert [(one.status, one.body) for one in (posted, fetched)] == [(200, b"all of it")] * 2


async def test_a_body_that_breaks_off_leaves_a_webhook_its_status_and_a_file_nothing() -> None:
    posted, fetched = await posted_and_fetched(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    assert (posted.status, posted.body) == (200, b"half")
    assert fetched.failure is not None
    assert (fetched.status, fetched.failure.kind) == (None, FailureKind.BROKEN)


async def test_a_second_answer_to_one_request_is_nobodys() -> None:
    server = Server(OK + b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n", OK)
    assert await answers_to(server, 2) == [(200, b"ok")] * 2
    assert server.connections == 2


async def test_an_answer_before_the_request_is_nobodys() -> None:
    async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Too soon\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    loop = asyncio.get_running_loop()
    async with raw_server(eager) as port:
        connection = Watched(loop)
        await loop.create_connection(lambda: connection, "127.0.0.1", port)
        await asyncio.wait_for(connection.lost.wait(), 60)
        with pytest.raises(Broken):
            await connection.call(b"POST / HTTP/1.1\r\n\r\n", keep=10, whole=False, until=loop.time() + 15)


async def test_a_connection_that_the_server_ended_between_two_calls_costs_no_try() -> None:
    server = Server(OK, None, OK)  # the second request meets a server that closes without a word
    assert await answers_to(server, 2) == [(200, b"ok")] * 2
    assert (server.connections, len(server.heads)) == (2, 3)


async def test_a_new_connection_that_ends_without_a_word_is_told_and_not_repeated() -> None:
    server = Server(None, OK)
    async with client() as outbound, raw_server(server) as port:
        answer = await post(outbound, f"http://127.0.0.1:{port}/", b"")
    assert answer.failure is not None
    assert (answer.failure.words, server.connections) == ("connection closed", 1)


async def test_a_connection_that_ends_within_an_answer_is_not_asked_again() -> None:
    async def first_whole_then_half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for said in (OK, b"HTTP/1.1 200"):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(said)

    asked: list[bytes] = []
    async with client() as outbound, raw_server(first_whole_then_half) as port:
        answers = [await post(outbound, f"http://127.0.0.1:{port}/", b"") for _ in range(2)]
    assert answers[1].failure is not None
    assert (answers[0].status, answers[1].failure.words, len(asked)) == (200, "connection closed", 2)


async def test_a_head_without_end_is_no_http() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-more: " + b"a" * 1000 + b"\r\n")
            await writer.drain()

    async with client() as outbound, raw_server(endless) as port:
        answer = await post(outbound, f"http://127.0.0.1:{port}/", b"")
    assert answer.failure is not None
    assert answer.failure.words == "the answer is not HTTP"


@pytest.mark.parametrize(
    ("first", "again"),
    [(b"0\r\n", b"x-%d: " + b"a" * 1000 + b"\r\n"), (b"", b"1;e%d=" + b"a" * 1000 + b"\r\nx\r\n")],
    ids=["trailers", "extensions"],
)
async def test_what_follows_a_body_without_end_is_not_read_without_end(first: bytes, again: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + first
    pieces = [head, *(again % number for number in range(1_000))]
    posted, fetched = Taken(), Taken()
    reply = await fed(pieces, taken=posted)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.whole) == (200, False)
    assert set(reply.headers) == {"transfer-encoding"}
    await fed(pieces, whole=True, taken=fetched)
    assert max(posted.size, fetched.size) < 300_000, "of a megabyte"


async def test_who_goes_away_takes_the_connection_along() -> None:
    silent = asyncio.Event()

    async def first_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if len(asked) == 1:
            silent.set()
            await reader.read()  # until the other side is gone
        writer.write(OK)
        await reader.read()

    asked: list[bytes] = []
    async with client() as outbound, raw_server(first_silent) as port:
        first = asyncio.create_task(post(outbound, f"http://127.0.0.1:{port}/", b"1"))
        await silent.wait()
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        second = await post(outbound, f"http://127.0.0.1:{port}/", b"2")
    assert (first.cancelled(), second.status, len(asked)) == (True, 200, 2)


async def test_a_connection_that_was_idle_for_long_is_not_used() -> None:
    loop = asyncio.get_running_loop()
    async with raw_server(Server(OK, OK)) as port:
        free = Connections(idle_seconds=0.01)
        connection = Watched(loop)
        await loop.create_connection(lambda: connection, "127.0.0.1", port)
        await connection.call(b"POST / HTTP/1.1\r\n\r\n", keep=10, whole=False, until=loop.time() + 15)
        began = loop.time()
        free.give("there", connection)
        await asyncio.wait_for(connection.lost.wait(), 60)  # the sweep ends it
        assert loop.time() - began >= 0.01
        assert free.take("there") is None
        free.close()


async def test_a_connection_that_is_old_serves_no_more() -> None:
    loop = asyncio.get_running_loop()
    async with raw_server(Server(OK, OK)) as port:
        free = Connections(age_seconds=0)
        connection = Watched(loop)
        await loop.create_connection(lambda: connection, "127.0.0.1", port)
        await connection.call(b"POST / HTTP/1.1\r\n\r\n", keep=10, whole=False, until=loop.time() + 15)
        assert connection.usable()
        free.give("there", connection)
        await asyncio.wait_for(connection.lost.wait(), 60)
        assert free.take("there") is None
        free.close()


@pytest.mark.parametrize("header", [{"x-mine": "a\r\nx-evil: b"}, {"x-mine": "a\n"}, {"x\r": "a"}, {"x-mine": "\0"}])
async def test_a_header_stays_in_its_line_or_nothing_is_sent(header: dict[str, str]) -> None:
    server = Server(OK)
    async with client() as outbound, raw_server(server) as port:
        url = f"http://127.0.0.1:{port}/"
        of_route = await post(outbound, url, b"", header)
        of_call = await outbound.post(outbound.route("POST", url, {}), b"", header)
    for answer in (of_route, of_call):
        assert answer.failure is not None
        assert (answer.failure.kind, answer.failure.words) == (FailureKind.BAD_URL, "a header has a line break")
    assert server.heads == []


async def test_the_request_names_its_host_and_carries_each_header_once() -> None:
    server = Server(OK)
    async with client() as outbound, raw_server(server) as port:
        answer = await post(outbound, f"http://127.0.0.1:{port}/a%20b/ä?c=d%20e", b"12", {"User-Agent": "Acme"})
    assert answer.status == 200
    assert server.heads == [
        b"POST /a%20b/%C3%A4?c=d%20e HTTP/1.1\r\nHost: 127.0.0.1:" + str(port).encode() + b"\r\n"
        b"Accept: */*\r\nAccept-Encoding: identity\r\nUser-Agent: Acme\r\nContent-Length: 2\r\n\r\n"
    ]


# -- beside another client -------------------------------------------------------------------------------------------
BODIES = st.binary(max_size=300)
NAMES = st.sampled_from([b"X-Request-Id", b"retry-after", b"Date", b"ETag"])
VALUES = st.text("abc 123,;=", max_size=20).map(lambda text: text.strip().encode())


@st.composite
def good_answers(draw: st.DrawFn) -> tuple[bytes, int, bytes]:
    """A valid answer as bytes, its status and its body."""
    status, body = draw(st.sampled_from([200, 201, 202, 204, 302, 400, 404, 410, 429, 500, 503])), draw(BODIES)
    headers = [name + b": " + value for name, value in draw(st.dictionaries(NAMES, VALUES, max_size=3)).items()]
    if status == 204:
        body, framed = b"", b""
    elif draw(st.booleans()):
        headers.append(b"Content-Length: %d" % len(body))
        framed = body
    else:
        headers.append(b"Transfer-Encoding: chunked")
        cut = draw(st.integers(0, len(body)))
        parts = [part for part in (body[:cut], body[cut:]) if part]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    head = b"\r\n".join([b"HTTP/1.1 %d Because" % status, *headers])
    return head + b"\r\n\r\n" + framed, status, body


class Fed(asyncio.Transport):
    """A transport to nowhere: what is written is gone, what is fed comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = False

    def write(self, data: object) -> None:  # noqa: ARG002 - asyncio names it
        return None

    def is_closing(self) -> bool:
        return self.ended

    def abort(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return 0


class Taken:
    """How many bytes a connection took before it ended."""

    size = 0


async def fed(pieces: list[bytes], *, whole: bool = False, taken: Taken | None = None) -> Reply | Broken:
    """What a call makes of these pieces, and the end of the connection after them."""
    taken = taken or Taken()
    loop = asyncio.get_running_loop()
    connection, transport = Connection(loop), Fed()
    connection.connection_made(transport)
    task = asyncio.ensure_future(connection.call(b"x", keep=100, whole=whole, until=loop.time() + 60))
    await asyncio.sleep(0)
    for piece in pieces:
        if connection.open():
            connection.data_received(piece)
            taken.size += len(piece)
    connection.connection_lost(None)
    try:
        return await task
    except Broken as broken:
        return broken


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


@given(good_answers(), st.lists(st.integers(0, 2000), max_size=5))
async def test_a_good_answer_is_the_same_in_whatever_pieces_it_comes(
    answer: tuple[bytes, int, bytes], places: list[int]
) -> None:
    data, status, body = answer
    reply = await fed(cut(data, places))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body, reply.whole) == (status, body[:100], True)


@given(good_answers(), st.binary(max_size=60), st.integers(0, 400), st.lists(st.integers(0, 2000), max_size=3))
async def test_whatever_comes_there_is_an_end_and_never_a_status_that_nobody_sent(
    answer: tuple[bytes, int, bytes], noise: bytes, place: int, places: list[int]
) -> None:
    data = answer[0][:place] + noise + answer[0][place:]
    reply = await fed(cut(data, places))
    if isinstance(reply, Reply):
        assert str(reply.status).encode() in data
    else:
        assert reply.words in {"connection closed", "the answer is not HTTP"}


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(good_answers())
async def test_another_client_reads_the_same(answer: tuple[bytes, int, bytes]) -> None:
    data = answer[0]
    async with raw_server(saying(data)) as port, aiohttp.ClientSession(auto_decompress=False) as session:
        url = f"http://127.0.0.1:{port}/"
        async with session.post(url, data=b"", allow_redirects=False) as other:
            wanted = other.status, (await other.read())[:2048], dict(other.headers)
        outbound = Outbound(LOOPBACK)
        ours = await post(outbound, url, b"")
        await outbound.close()
    assert (ours.status, ours.body) == wanted[:2]
    assert dict(ours.headers) == {name.lower(): value for name, value in wanted[2].items()}
