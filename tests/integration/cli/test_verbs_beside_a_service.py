"""What the verbs make, a service that runs on the same database serves: each is a process."""

import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.integration.cli.terminal import setuplinks
from tests.support.api import Api
from tests.support.processes import running_program


class Desk:
    """An operator at a terminal, who wants JSON."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._folder, self._environ = folder, environ

    async def ask(self, *words: str) -> Any:
        """What a verb answers."""
        said = await setuplinks(*words, "--json", folder=self._folder, environ=self._environ)
        assert said.code == 0, said.err
        return json.loads(said.out)


async def test_what_the_verbs_make_the_running_service_serves(
    environ: dict[str, str], port: int, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, environ)
    url = f"http://127.0.0.1:{port}"
    async with (
        running_program("serve", "--port", str(port), folder=tmp_path, environ=environ) as program,
        aiohttp.ClientSession() as session,
    ):
        await program.until_answers(f"{url}/readyz")
        tenant = (await desk.ask("tenants", "create", "Acme SaaS"))["id"]
        key = await desk.ask("api-keys", "create", str(tenant), "server")
        customer = await desk.ask("customers", "create", str(tenant), "Clínica", "--external-id", "clinic_001")
        made = await desk.ask(
            "links", "create", str(customer["id"]), "--success-url", "https://your-app.com/done",
            "--connection-type", "dedicated",
        )  # fmt: skip
        api = Api(url, key["key"], session)
        shown = (await api.get(f"/admin/setup-links/{made['id']}")).json
        assert shown == made
        assert made["allowedConnectionTypes"] == ["dedicated"]
        timeline = (await api.get(f"/admin/setup-links/{made['id']}/timeline")).json
        assert timeline["data"][0]["detail"] == {"by": "cli"}
        async with session.get(made["url"]) as page:
            assert page.status == 200
        revoked = await desk.ask("links", "revoke", made["id"])
        assert (revoked["status"], revoked["url"]) == ("revoked", None)
        assert (await api.get(f"/admin/setup-links/{made['id']}")).json["status"] == "revoked"
        assert await program.stop() == 0
