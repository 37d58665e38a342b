"""The guarded client against hostile and broken servers on loopback, and against names that change their mind."""

import asyncio
import datetime as dt
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from setuplinks.core.addresses import parse_networks
from setuplinks.core.outbound.client import Answer, Outbound
from setuplinks.core.outbound.failures import FailureKind

LOOPBACK = parse_networks("127.0.0.0/8")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Names(AbstractResolver):
    """Answers names from a table; each entry is a list of answers, given in turn, the last one again and again."""

    def __init__(self, **table: list[list[str]]) -> None:
        self._table = {name.replace("_", "."): answers for name, answers in table.items()}
        self.hang: asyncio.Event | None = None

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - aiohttp names it
    ) -> list[ResolveResult]:
        if self.hang is not None:
            await self.hang.wait()
        answers = self._table.get(host, [[]])
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if not found:
            raise OSError(None, "no such name")
        return [
            ResolveResult(
                hostname=host, host=one, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in one else socket.AF_INET,
            )
            for one in found
        ]  # fmt: skip

    async def close(self) -> None:
        return None


@asynccontextmanager
async def raw_server(handle: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A TCP server of a few lines that says exactly what the test wants."""
    open_writers: list[asyncio.StreamWriter] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_writers:
            writer.transport.abort()
        await server.wait_closed()


@asynccontextmanager
async def client(**options: object) -> AsyncIterator[Outbound]:
    outbound = Outbound(**({"allow": LOOPBACK} | options))  # type: ignore[arg-type]
    try:
        yield outbound
    finally:
        await outbound.close()


async def post(outbound: Outbound, url: str, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    return await outbound.post(outbound.route("POST", url, headers or {}), body)


def saying(answer: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return handle


async def test_a_good_answer_comes_back_with_status_body_address_and_duration() -> None:
    async with client() as outbound, raw_server(saying(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")) as port:
        answer = await post(outbound, f"http://127.0.0.1:{port}/", b"{}", {"content-type": "application/json"})
    assert (answer.status, answer.body, answer.address, answer.failure) == (201, b"ok", "127.0.0.1", None)
    assert answer.duration > 0


async def test_the_address_is_known_also_on_a_connection_that_is_used_again() -> None:
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with client() as outbound, raw_server(twice) as port:
        answers = [await post(outbound, f"http://127.0.0.1:{port}/", b"") for _ in range(2)]
    assert [(one.status, one.address) for one in answers] == [(204, "127.0.0.1")] * 2


async def test_a_redirect_is_an_answer_and_is_never_followed() -> None:
    asked = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")

    async with client() as outbound, raw_server(redirect) as port:
        answer = await post(outbound, f"http://127.0.0.1:{port}/", b"x")
    assert answer.status == 302
    assert len(asked) == 1


async def test_an_answer_of_a_gigabyte_costs_two_kilobytes() -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with client() as outbound, raw_server(flood) as port:
        answer = await post(outbound, f"http://127.0.0.1:{port}/", b"")
    assert answer.status == 200
    assert answer.body == b"x" * 2048
    assert sent < 50_000_000


async def test_a_server_that_never_answers_is_left_at_the_time_cap() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with client(total_seconds=0.2) as outbound, raw_server(silent) as port:
        answer = await post(outbound, f"http://127.0.0.1:{port}/", b"")
    assert answer.failure is not None
    assert (answer.failure.kind, answer.failure.words) == (FailureKind.TIMEOUT, "no answer within 0.2 s")


async def test_a_head_that_drips_is_cut_at_the_time_cap_and_not_prolonged_by_each_byte() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 1000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with client(total_seconds=0.3) as outbound, raw_server(drip) as port:
        began = time.monotonic()
        answer = await post(outbound, f"http://127.0.0.1:{port}/", b"")
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.TIMEOUT
    assert time.monotonic() - began < 15


async def test_a_body_that_drips_does_not_undo_the_status() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"z")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with client(total_seconds=2.0) as outbound, raw_server(drip) as port:
        began = time.monotonic()
        answer = await post(outbound, f"http://127.0.0.1:{port}/", b"")
    assert (answer.status, answer.failure) == (200, None)
    assert answer.body.startswith(b"z")
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("said", "words"),
    [(b"", "connection closed"), (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"),
     (b"HTTP/1.1 abc\r\n\r\n", "the answer is not HTTP")],
)  # fmt: skip
async def test_what_is_no_http_is_told_in_words(said: bytes, words: str) -> None:
    async with client() as outbound, raw_server(saying(said)) as port:
        answer = await post(outbound, f"http://127.0.0.1:{port}/", b"")
    assert answer.failure is not None
    assert (answer.status, answer.failure.kind, answer.failure.words) == (None, FailureKind.BROKEN, words)


async def test_a_closed_port_is_told_in_words() -> None:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        async with client() as outbound:
            answer = await post(outbound, f"http://127.0.0.1:{place.getsockname()[1]}/", b"")
    assert answer.failure is not None
    assert (answer.failure.words, answer.address) == ("connection refused", "127.0.0.1")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
     "[2002:7f00:1::]", "169.254.169.254", "0.0.0.0", "10.0.0.1", "localhost"],
)  # fmt: skip
async def test_no_spelling_of_an_inside_address_is_ever_connected_to(host: str) -> None:
    reached = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(host)

    async with client(allow=()) as outbound, raw_server(note) as port:
        answer = await post(outbound, f"http://{host}:{port}/", b"")
    assert answer.failure is not None
    assert answer.failure.kind in (FailureKind.REFUSED_ADDRESS, FailureKind.NAME)
    assert reached == []


async def test_a_name_that_turns_to_an_inside_address_is_refused_at_connect() -> None:
    names = Names(rebind_example_com=[["8.8.8.8"], ["127.0.0.1"]])
    async with client(allow=(), resolver=names) as outbound:
        assert (await outbound.examine("https://rebind.example.com/")).refusal is None
        answer = await post(outbound, "https://rebind.example.com/", b"")
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.REFUSED_ADDRESS
    assert answer.failure.words == "refused: loopback address"
    assert answer.address == "127.0.0.1"


async def test_http_and_low_ports_need_an_opened_range_at_connect_too() -> None:
    names = Names(hooks_example_com=[["8.8.8.8"]])
    async with client(resolver=names) as outbound:
        plain = await post(outbound, "http://hooks.example.com/", b"")
        ssh = await post(outbound, "https://hooks.example.com:22/", b"")
    assert plain.failure is not None
    assert plain.failure.words == "refused: http to a public address"
    assert ssh.failure is not None
    assert ssh.failure.words == "refused: port 22"


async def test_a_name_without_address_and_a_broken_url_are_told_apart() -> None:
    async with client(resolver=Names()) as outbound:
        nowhere = await post(outbound, "https://nowhere.example.com/", b"")
        broken = await post(outbound, "https://user@hooks.example.com/", b"")
    assert nowhere.failure is not None
    assert (nowhere.failure.kind, nowhere.failure.words) == (FailureKind.NAME, "name does not resolve")
    assert broken.failure is not None
    assert broken.failure.kind is FailureKind.BAD_URL


async def test_proxy_variables_of_the_environment_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with client() as outbound, raw_server(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as port:
        answer = await post(outbound, f"http://127.0.0.1:{port}/", b"")
    assert answer.status == 200


async def test_a_look_before_saving_gives_up_after_two_seconds_and_warns() -> None:
    names = Names()
    names.hang = asyncio.Event()
    async with client(allow=(), resolver=names) as outbound:
        began = time.monotonic()
        examined = await outbound.examine("https://slow.example.com/")
        took = time.monotonic() - began
    assert examined.refusal is None
    assert examined.warning is not None
    assert "does not resolve" in examined.warning
    assert took < 30


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example.com/", "https://"),
        ("https://127.0.0.1/", "loopback"),
        ("https://93.184.216.34/", "use a name"),
        ("https://localhost/", "without a dot"),
        ("https://inside.example.com/", "private address"),
        ("https://mixed.example.com/", "link-local address"),
        ("https://hooks.example.com:25/", "port 25"),
    ],
)
async def test_a_url_that_must_not_be_saved_is_refused_in_words(url: str, words: str) -> None:
    names = Names(
        hooks_example_com=[["8.8.8.8"]],
        inside_example_com=[["10.0.0.7"]],
        mixed_example_com=[["8.8.8.8", "169.254.169.254"]],
    )
    async with client(allow=(), resolver=names) as outbound:
        examined = await outbound.examine(url)
    assert examined.refusal is not None
    assert words in examined.refusal


async def test_a_file_is_fetched_whole_or_not_at_all() -> None:
    picture = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n\r\n" + b"p" * 5000
    async with client() as outbound, raw_server(saying(picture)) as port:
        whole = await outbound.fetch(f"http://127.0.0.1:{port}/logo.png", 5000)
        over = await outbound.fetch(f"http://127.0.0.1:{port}/logo.png", 4999)
    assert (whole.status, len(whole.body), whole.headers["content-type"]) == (200, 5000, "image/png")
    assert over.failure is not None
    assert (over.status, over.failure.kind, over.body) == (None, FailureKind.TOO_LARGE, b"")


# -- certificates ----------------------------------------------------------------------------------------------------
class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        builder = self._builder(self._name, self._key, days=30)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        signs = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = builder.add_extension(signs, critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=60))
            .not_valid_after(now + dt.timedelta(days=days))
            # Python 3.13 checks strictly: certificates without these two are refused.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def server(self, host: str, days: int = 30) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), key, days)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pem = self._folder / f"{host}.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def trusting(self) -> ssl.SSLContext:
        pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)


@pytest.mark.parametrize(
    ("host", "days", "trusted", "kind", "words"),
    [
        ("hooks.example.com", 30, True, None, None),
        ("other.example.com", 30, True, FailureKind.TLS_NAME, "certificate is for another name"),
        ("hooks.example.com", -1, True, FailureKind.TLS, "certificate expired"),
        ("hooks.example.com", 30, False, FailureKind.TLS, "certificate issuer is not known"),
    ],
)
async def test_a_certificate_is_checked_and_its_fault_told_in_words(
    tmp_path: Path, *, host: str, days: int, trusted: bool, kind: FailureKind | None, words: str | None
) -> None:
    authority = Authority(tmp_path)
    names = Names(hooks_example_com=[["127.0.0.1"]])
    answered = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    tls = authority.trusting() if trusted else None
    async with (
        client(resolver=names, tls=tls) as outbound,
        raw_server(answered, authority.server(host, days)) as port,
    ):
        answer = await post(outbound, f"https://hooks.example.com:{port}/", b"")
    failure = answer.failure
    assert (failure.kind, failure.words) == (kind, words) if failure else (answer.status, kind) == (200, None)
