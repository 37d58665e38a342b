"""`serve` and `worker` as processes: they start, they end gracefully, they share one PostgreSQL."""

import asyncio
import os
import resource
import signal
from pathlib import Path

import aiohttp

from tests.integration.cli.conftest import NO_SANDBOX
from tests.integration.cli.terminal import setuplinks
from tests.support.api import Api
from tests.support.inbox import Inbox
from tests.support.postgres import PostgresServer
from tests.support.processes import running_program
from tests.support.service import OPERATOR_KEY, environment_of, settings_for


async def test_a_service_starts_answers_and_ends_gracefully_on_sigterm(
    environ: dict[str, str], port: int, tmp_path: Path
) -> None:
    async with running_program("serve", "--port", str(port), folder=tmp_path, environ=environ) as program:
        await program.until_answers(f"http://127.0.0.1:{port}/readyz")
        assert await program.stop() == 0
        assert "serve.stopped" in program.output()
        assert "Traceback" not in program.output()


async def test_a_sqlite_file_that_is_not_there_is_made_and_migrated(
    embedded: dict[str, str], port: int, data_dir: Path, tmp_path: Path
) -> None:
    async with running_program("serve", "--port", str(port), folder=tmp_path, environ=embedded) as program:
        await program.until_answers(f"http://127.0.0.1:{port}/readyz")
        assert (data_dir / "setuplinks.sqlite3").exists()
        assert await program.stop() == 0


async def test_a_request_that_is_under_way_is_finished_before_the_service_ends(
    environ: dict[str, str], port: int, tmp_path: Path
) -> None:
    body = b'{"name": "Late but in time"}'
    async with running_program("serve", "--port", str(port), folder=tmp_path, environ=environ) as program:
        await program.until_answers(f"http://127.0.0.1:{port}/readyz")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            f"POST /admin/tenants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPERATOR_KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        writer.write(head.encode() + body[:5])
        # The service says this when it waits for the body: the request is under way, not only on the way.
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        ending = asyncio.create_task(program.stop())
        await program.until_prints("serve.stopping")
        writer.write(body[5:])
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 201 ")
        assert await ending == 0


async def test_ctrl_c_ends_it_as_well(environ: dict[str, str], port: int, tmp_path: Path) -> None:
    async with running_program("serve", "--port", str(port), folder=tmp_path, environ=environ) as program:
        await program.until_answers(f"http://127.0.0.1:{port}/readyz")
        os.kill(program.pid, signal.SIGINT)
        assert await program.ended() == 0


async def test_a_service_may_open_as_many_files_as_the_system_allows(
    embedded: dict[str, str], port: int, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        async with running_program("serve", "--port", str(port), folder=tmp_path, environ=embedded) as program:
            await program.until_answers(f"http://127.0.0.1:{port}/readyz")
            assert resource.prlimit(program.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_workers_apart_do_what_a_service_without_workers_leaves(
    postgres_server: PostgresServer, postgres_template: str, port: int, data_dir: Path, tmp_path: Path, inbox: Inbox
) -> None:
    url, database = f"http://127.0.0.1:{port}", postgres_server.create_database(postgres_template)
    environ = environment_of(settings_for(url, NO_SANDBOX, data_dir, database))
    async with (
        running_program("serve", "--port", str(port), "--no-workers", folder=tmp_path, environ=environ) as program,
        running_program("worker", folder=tmp_path, environ=environ) as worker,
        aiohttp.ClientSession() as session,
    ):
        await program.until_answers(f"{url}/readyz")
        await worker.until_prints("worker.ready")
        operator = Api(url, OPERATOR_KEY, session)
        tenant = await operator.made("/admin/tenants", {"name": "Acme"})
        home = f"/admin/tenants/{tenant['id']}"
        endpoint = await operator.made(f"{home}/webhook-endpoints", {"url": inbox.url})
        customer = await operator.made(f"{home}/customers", {"name": "Clinic"})
        await operator.made(f"/admin/customers/{customer['id']}/setup-links", {})
        [told] = await inbox.wait_for("setup_link.created")
        assert told.signed_by(endpoint["secret"])
        assert await worker.stop() == 0
        assert "worker.stopped" in worker.output()
        assert await program.stop() == 0
    postgres_server.drop_database(database)


async def test_a_port_that_links_do_not_lead_to_is_warned_of(
    embedded: dict[str, str], port: int, tmp_path: Path
) -> None:
    async with running_program("serve", "--port", "0", folder=tmp_path, environ=embedded) as program:
        await program.until_prints("serve.ready")
        assert "serve.other_port" in program.output()
        assert str(port) in program.output()


async def test_the_sandbox_needs_no_settings_and_says_where_it_is(tmp_path: Path) -> None:
    async with running_program("sandbox", "--port", "0", folder=tmp_path) as program:
        await program.until_prints("It sends no notifications")
        graph = next(line for line in program.output().splitlines() if "META_GRAPH_URL=" in line).partition("=")[2]
        assert graph.startswith("http://localhost:")
        async with aiohttp.ClientSession() as session, session.get(f"{graph}/en_US/sdk.js") as answer:
            assert answer.status == 200
        assert await program.stop() == 0


async def test_the_sandbox_takes_its_app_from_the_services_settings(embedded: dict[str, str], tmp_path: Path) -> None:
    async with running_program("sandbox", "--port", "0", folder=tmp_path, environ=embedded) as program:
        await program.until_prints("It sends its notifications to")
        graph = next(line for line in program.output().splitlines() if "META_GRAPH_URL=" in line).partition("=")[2]
        path = "/v25.0/debug_token?input_token=x&access_token="
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{graph}{path}1|wrong") as refused:
                assert refused.status == 401
            app, secret = embedded["SETUPLINKS_META_APP_ID"], embedded["SETUPLINKS_META_APP_SECRET"]
            async with session.get(f"{graph}{path}{app}|{secret}") as taken:
                assert taken.status == 200


async def test_help_names_every_command(tmp_path: Path) -> None:
    said = await setuplinks("--help", folder=tmp_path)
    assert said.code == 0
    for name in ("init", "serve", "worker", "migrate", "sandbox", "walk", "demo", "doctor", "tenants", "links"):
        assert name in said.out
