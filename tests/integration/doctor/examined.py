"""An examination of a running service and its sandbox, as a test asks for it."""

from typing import Any

from pydantic import SecretStr

from setuplinks.core.clock import Clock
from setuplinks.doctor.examine import examine
from setuplinks.doctor.models import Check
from tests.support.sandbox import APP_ID, APP_SECRET
from tests.support.service import RunningService

SECRETS = {"meta_app_secret", "meta_verify_token", "meta_system_token", "operator_key"}


async def rows(service: RunningService, clock: Clock | None = None, **changed: Any) -> dict[str, Check]:
    """Each row by its name; `changed` are settings that differ from those which the service runs with."""
    values = {name: SecretStr(value) if name in SECRETS and value else value for name, value in changed.items()}
    settings = service.parts.settings.model_copy(update=values)
    report = await examine(settings, clock or service.clock, service.db)
    return {check.name: check for check in report}


async def graph(service: RunningService, method: str, edge: str, body: Any = None) -> dict[str, Any]:
    """A call of Graph as this app, as the operator would make it beside the service."""
    path = f"/v25.0/{APP_ID}{edge}{'&' if '?' in edge else '?'}access_token={APP_ID}|{APP_SECRET}"
    return await service.sandbox.ask(method, path, body)
