"""What doctor finds of the service's own address, asked as a stranger would ask it."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from setuplinks.core.clock import ManualClock
from setuplinks.core.db.database import Database
from tests.e2e.certificate import self_signed
from tests.integration.cli.terminal import setuplinks
from tests.integration.doctor.examined import rows
from tests.support.loopback import bound_socket, port_of, serving
from tests.support.service import RunningService, environment_of, running_service


async def test_a_loopback_address_that_answers_is_a_warning_and_its_challenge_passes(service: RunningService) -> None:
    found = await rows(service)
    assert (found["Public URL"].verdict, found["Callback"].verdict) == ("warn", "pass")
    assert "for this machine only" in found["Public URL"].said


async def test_an_address_where_nobody_answers_fails_once(service: RunningService) -> None:
    found = await rows(service, public_url="http://127.0.0.1:9")
    assert found["Public URL"].verdict == "fail"
    assert "connection refused" in found["Public URL"].said
    assert (found["Callback"].verdict, found["Callback"].said) == (
        "warn", "not looked at: the public URL does not answer",
    )  # fmt: skip


async def test_a_service_that_runs_with_another_verify_token_fails_at_the_challenge(service: RunningService) -> None:
    found = (await rows(service, meta_verify_token="a newer one"))["Callback"]
    assert found.verdict == "fail"
    assert "restart" in found.fix
    assert "a newer one" not in found.said + found.fix


async def _redirect(_: Request) -> Response:
    return RedirectResponse("https://www.example.com/healthz")


async def _other(_: Request) -> Response:
    return PlainTextResponse("It works!")


@pytest.mark.parametrize(
    ("answer", "said"),
    [(_redirect, "redirects to https://www.example.com: Meta follows no redirects"), (_other, "something else")],
)
async def test_a_redirect_or_another_program_at_the_address_fails(
    service: RunningService, answer: object, said: str
) -> None:
    app = Starlette(routes=[Route("/{path:path}", answer)])  # type: ignore[arg-type]
    with bound_socket() as place:
        async with serving(app, place):
            found = (await rows(service, public_url=f"http://127.0.0.1:{port_of(place)}"))["Public URL"]
    assert found.verdict == "fail"
    assert said in found.said


@pytest.mark.parametrize(("days", "verdict"), [(90, "pass"), (5, "warn")])
async def test_a_certificate_is_read_and_one_that_ends_soon_is_a_warning(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None, tmp_path: Path, days: int, verdict: str
) -> None:
    certificate = self_signed(tmp_path, days)
    async with running_service(db, clock, data_dir, database_url, tls=certificate) as service:
        trusting = {**environment_of(service.parts.settings), "SSL_CERT_FILE": str(certificate.certificate)}
        said = await setuplinks("doctor", folder=tmp_path, environ=trusting)
        assert f"{verdict}          Certificate " in said.out
        assert "pass          Callback " in said.out
        # 127.0.0.1 by https answers, and the world cannot mean that address.
        assert "leads to a loopback address" in said.out


async def test_a_certificate_that_nobody_trusts_fails(
    db: Database, clock: ManualClock, data_dir: Path, database_url: str | None, tmp_path: Path
) -> None:
    async with running_service(db, clock, data_dir, database_url, tls=self_signed(tmp_path)) as service:
        found = await rows(service)
    assert (found["Public URL"].verdict, found["Certificate"].verdict) == ("fail", "fail")
    assert "certificate is self-signed" in found["Certificate"].said
