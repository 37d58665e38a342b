"""What is wrong is one plain line, or one for each setting, on standard error, and an exit code; never a traceback."""

import base64
from pathlib import Path

import pytest

from tests.integration.cli.conftest import NO_SANDBOX
from tests.integration.cli.terminal import Said, setuplinks
from tests.support.loopback import bound_socket, port_of
from tests.support.ports import reserved_port
from tests.support.postgres import PostgresServer
from tests.support.processes import running_program
from tests.support.service import environment_of, settings_for

REQUIRED = ("PUBLIC_URL", "MASTER_KEYS", "OPERATOR_KEY", "META_APP_ID", "META_APP_SECRET", "META_CONFIG_ID")


def one_line(said: Said) -> str:
    """The only line that the command said."""
    assert said.code == 1
    assert said.out == ""
    [line] = said.err.splitlines()
    return line


async def test_all_settings_that_are_missing_are_named_together(tmp_path: Path) -> None:
    said = await setuplinks("serve", folder=tmp_path)
    assert said.code == 2
    for name in (*REQUIRED, "META_VERIFY_TOKEN"):
        assert f"SETUPLINKS_{name} is missing" in said.err
    assert "setuplinks init" in said.err
    assert "Traceback" not in said.err


async def test_wrong_and_missing_settings_are_named_together(tmp_path: Path) -> None:
    wrong = {
        "SETUPLINKS_PUBLIC_URL": "http://links.example",
        "SETUPLINKS_MASTER_KEYS": "k1:short",
        "SETUPLINKS_TRUSTED_PROXIES": "everybody",
        "SETUPLINKS_META_APP_SECRET_FILE": "/no/such/file",
    }
    said = await setuplinks("serve", folder=tmp_path, environ=wrong)
    assert said.code == 2
    for name in wrong:
        assert f"{name} is wrong" in said.err
    assert "SETUPLINKS_META_APP_ID is missing" in said.err
    assert "short" not in said.err


async def test_a_service_without_a_master_key_does_not_start(embedded: dict[str, str], tmp_path: Path) -> None:
    del embedded["SETUPLINKS_MASTER_KEYS"]
    said = await setuplinks("serve", folder=tmp_path, environ=embedded)
    assert said.code == 2
    assert "SETUPLINKS_MASTER_KEYS is missing" in said.err


async def test_a_master_key_that_is_not_the_databases_own_is_refused(
    environ: dict[str, str], port: int, tmp_path: Path
) -> None:
    async with running_program("serve", "--port", str(port), folder=tmp_path, environ=environ) as program:
        await program.until_answers(f"http://127.0.0.1:{port}/readyz")
        assert await program.stop() == 0
    environ["SETUPLINKS_MASTER_KEYS"] = "other:" + base64.b64encode(bytes(32)).decode()
    said = await setuplinks("serve", "--port", str(port), folder=tmp_path, environ=environ)
    assert "'t1' is not in MASTER_KEYS" in one_line(said)


@pytest.mark.parametrize("command", ["serve", "sandbox"])
async def test_a_port_that_is_taken_is_told(command: str, embedded: dict[str, str], tmp_path: Path) -> None:
    with bound_socket() as place:
        place.listen()
        taken = port_of(place)
        said = await setuplinks(command, "--port", str(taken), folder=tmp_path, environ=embedded)
    assert one_line(said).startswith(f"Port {taken} of 127.0.0.1 is taken")


async def test_a_second_service_on_one_sqlite_file_is_refused(
    embedded: dict[str, str], port: int, tmp_path: Path
) -> None:
    async with running_program("serve", "--port", str(port), folder=tmp_path, environ=embedded) as program:
        await program.until_answers(f"http://127.0.0.1:{port}/readyz")
        said = await setuplinks("serve", "--port", "0", folder=tmp_path, environ=embedded)
    assert one_line(said).startswith("Another process already serves the database file")


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("worker",), ("migrate",), ("tenants", "list")])
async def test_a_database_that_is_away_is_told_without_its_password(
    command: tuple[str, ...], data_dir: Path, tmp_path: Path
) -> None:
    away = f"postgresql://me:hidden@127.0.0.1:{reserved_port()}/links"
    environ = environment_of(settings_for("http://127.0.0.1:8080", NO_SANDBOX, data_dir, away))
    line = one_line(await setuplinks(*command, folder=tmp_path, environ=environ))
    assert "cannot be reached" in line
    assert "hidden" not in line


async def test_postgresql_with_a_pending_migration_is_refused(
    postgres_server: PostgresServer, data_dir: Path, tmp_path: Path
) -> None:
    blank = postgres_server.create_database()
    environ = environment_of(settings_for("http://127.0.0.1:8080", NO_SANDBOX, data_dir, blank))
    for command in (("serve", "--port", "0"), ("worker",), ("tenants", "list")):
        said = await setuplinks(*command, folder=tmp_path, environ=environ)
        assert "run `setuplinks migrate`" in one_line(said)
    postgres_server.drop_database(blank)


async def test_a_worker_beside_sqlite_is_refused_in_plain_words(embedded: dict[str, str], tmp_path: Path) -> None:
    line = one_line(await setuplinks("worker", folder=tmp_path, environ=embedded))
    assert "`setuplinks serve` runs the workers inside" in line


@pytest.mark.parametrize(
    "arguments", [("serve", "--port", "x"), ("nothing",), ("walk",), ("tenants", "show", "0"), ("links", "list")]
)
async def test_a_command_said_wrongly_is_two_plain_lines(arguments: tuple[str, ...], tmp_path: Path) -> None:
    said = await setuplinks(*arguments, folder=tmp_path)
    assert said.code == 2
    assert len(said.err.splitlines()) == 2
    assert "--help` says more." in said.err
