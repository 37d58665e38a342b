"""Writes `docs/reference` from the code, so that what is public is documented and the document is right.

Owns the shape of those pages. What they say comes from the code: settings' descriptions, the errors' own words, the
table of events, the OpenAPI document, the commands' help.
"""

import asyncio
import base64
import importlib
import pkgutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

import setuplinks
from scripts.reference_api import api_sections
from scripts.reference_cli import cli_sections
from scripts.reference_sandbox import sandbox_sections
from setuplinks.app import build, create_app
from setuplinks.cli import app as cli
from setuplinks.core.clock import SystemClock
from setuplinks.core.db.open import open_database
from setuplinks.core.problems import Problem
from setuplinks.settings import ENV_FILE, PREFIX, SECRETS, Settings
from setuplinks.setup_links.codes import CODES
from setuplinks.webhooks.models import EVENT_TYPES

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- Written by `make reference` from the code; change it there. -->"


def settings_page() -> str:
    """Every setting, the required ones first."""
    fields = Settings.model_fields.items()
    rows = [
        (f"`{PREFIX}{name.upper()}`", _default(name, field), _sentence(field.description or ""))
        for name, field in sorted(fields, key=lambda item: not item[1].is_required())
    ]
    secrets = ", ".join(f"`{PREFIX}{name.upper()}_FILE`" for name in SECRETS)
    return _page(
        "Settings",
        f"All are environment variables; `{ENV_FILE}` in the current folder may hold them as well, and the environment "
        "wins. What is missing or wrong is reported together at start. A secret may be given as a file: "
        f"{secrets}.\n\n{_table(('setting', 'default', 'what'), rows)}",
    )


def errors_page() -> str:
    """Every error of the API, and every code that a link may end or pause with."""
    _import_everything()
    by_code: dict[str, list[type[Problem]]] = {}
    for problem in _subclasses(Problem):
        by_code.setdefault(problem.code, []).append(problem)
    rows = [
        (f"`{code}`", str(problem.status), problem.title)
        for code, problems in sorted(by_code.items())
        for problem in _distinct(problems)
    ]
    failures = [
        (f"`{name}`", code.message, code.who, "yes" if code.retryable else "no") for name, code in sorted(CODES.items())
    ]
    return _page(
        "Errors",
        "Errors of the API are problem JSON by RFC 9457: `type`, `title`, `status`, `code`, `detail`, and `errors` "
        "with `field` and `message` where fields are wrong. `code` is stable: a program decides by it.\n\n"
        f"{_table(('code', 'status', 'what'), rows)}\n\n## Why a link or a visit stopped\n\n"
        "These stand in a link's `failure.code`, in events, and in `error_code` of the redirect.\n\n"
        f"{_table(('code', 'what', 'whose turn', 'same link again'), failures)}",
    )


def events_page() -> str:
    """Every event type, and when it comes."""
    rows = [(f"`{name}`", when) for name, when in EVENT_TYPES.items()]
    return _page(
        "Events",
        "Each is a signed POST to the endpoints that ask for its type, and stands in `GET "
        "/admin/tenants/{tenantId}/events`. The envelope is `{type, timestamp, data}`; `data` is snake_case, and "
        "`waba_id` and `phone_number_id` in it are Meta's.\n\n"
        f"{_table(('type', 'when'), rows)}",
    )


def api_page() -> str:
    """Every route of the API."""
    return _page(
        "API",
        "Authenticate by `Authorization: Bearer <key>` or `X-API-Key: <key>`. Bodies and answers are JSON; a field is "
        "taken in camelCase and snake_case alike and answered in camelCase. Every POST takes an `Idempotency-Key`. A "
        "running service serves this as OpenAPI 3.1 under `/openapi.json`, and as a page under `/docs`.\n\n"
        f"{api_sections(asyncio.run(_openapi()))}",
    )


def cli_page() -> str:
    """Every command."""
    commands = cli_sections(cli, "setuplinks")
    return _page("Commands", f"`setuplinks --help` says the same.\n\n{commands}")


def sandbox_page() -> str:
    """What is written by hand, with the tables of scenarios and settings."""
    return sandbox_sections((FOLDER / "sandbox.md").read_text(encoding="utf-8"))


PAGES: dict[str, Callable[[], str]] = {
    "api.md": api_page,
    "cli.md": cli_page,
    "errors.md": errors_page,
    "events.md": events_page,
    "sandbox.md": sandbox_page,
    "settings.md": settings_page,
}


async def _openapi() -> dict[str, Any]:
    """The document of a service that serves nothing: its database is empty and goes away again."""
    with tempfile.TemporaryDirectory() as folder:
        db = await open_database(None, Path(folder))
        service = build(_any_settings(), db, SystemClock())
        document: dict[str, Any] = create_app(service, workers=False).openapi()
        await service.stop(workers=False)
        await db.close()
    return document


def _any_settings() -> Settings:
    values: dict[str, Any] = {name: "any" for name, field in Settings.model_fields.items() if field.is_required()}
    values["public_url"] = "https://links.example"
    values["master_keys"] = "any:" + base64.b64encode(bytes(32)).decode()
    values["operator_key"] = "o" * 32
    return Settings(**values)


def _default(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default == "" or name in SECRETS:
        return "–"
    return f"`{field.default}`" + _choices(field.annotation)


def _choices(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " of " + ", ".join(f"`{value}`" for value in get_args(annotation))
    return ""


def _distinct(problems: list[type[Problem]]) -> list[type[Problem]]:
    """One class for each (status, title) of a code: feature errors often inherit the words."""
    seen = {(problem.status, problem.title): problem for problem in problems}
    return [seen[key] for key in sorted(seen)]


def _subclasses(parent: type[Problem]) -> list[type[Problem]]:
    below = [child for child in parent.__subclasses__() if child.__module__.startswith("setuplinks.")]
    return [parent, *(deeper for child in below for deeper in _subclasses(child))]


def _import_everything() -> None:
    # Errors stand beside the rule that raises them, so all rooms must be read before they can be listed.
    for module in pkgutil.walk_packages(setuplinks.__path__, "setuplinks."):
        if not module.name.startswith(("setuplinks.migrations", "setuplinks.sandbox")):
            importlib.import_module(module.name)


def _page(title: str, body: str) -> str:
    return f"{NOTE}\n\n# {title}\n\n{body}\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _sentence(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    """Writes the pages that changed and names them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        path, text = FOLDER / name, write()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.name}\n")


if __name__ == "__main__":
    main()
