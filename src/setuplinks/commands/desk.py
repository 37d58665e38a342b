"""Where the verbs are done: the database without the serving lock, the same services as the API, and what is printed.

Owns opening, closing and the two ways of printing: tables for people, JSON for programs.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from setuplinks.app import build
from setuplinks.commands.given import without_meta
from setuplinks.core import logs
from setuplinks.core.clock import SystemClock
from setuplinks.core.db.open import open_database
from setuplinks.core.problems import NotFound
from setuplinks.migrations.apply import check_revision
from setuplinks.settings import Settings
from setuplinks.tenants.auth import CLI
from setuplinks.tenants.directory import Kind

if TYPE_CHECKING:
    from setuplinks.app import Service

ACTOR = CLI.actor
LATEST = 2**62
PIPE_WIDTH = 240  # a table that nobody looks at is not folded

Act = Callable[["Service"], Awaitable[Any]]


def done(act: Act, settings: Settings | None = None) -> Any:
    """What `act` answers, with the service open around it; without `settings`, by those that need no Meta app.

    Raises SettingsInvalid, SchemaBehind, DatabaseAway.
    """
    return asyncio.run(_done(act, without_meta() if settings is None else settings))


async def _done(act: Act, settings: Settings) -> Any:
    logs.configure("warning", settings.log_format)
    url = None if settings.database_url is None else settings.database_url.get_secret_value()
    db = await open_database(url, settings.data_dir, pool_size=2, flock=False)
    try:
        await check_revision(db)
        service = build(settings, db, SystemClock())
        try:
            return await act(service)
        finally:
            await service.stop(workers=False)
    finally:
        await db.close()


async def tenant_of(service: "Service", kind: Kind, object_id: int | str) -> int:
    """The tenant of an object. Raises NotFound."""
    tenant_id = await service.deps.directory.tenant_of(kind, object_id)
    if tenant_id is None:
        raise NotFound(f"There is no {kind.replace('_', ' ')} {object_id}.")
    return tenant_id


def show(item: Any, *, as_json: bool) -> None:
    """One object: its fields, one a line."""
    fields = _plain(item)
    if as_json:
        typer.echo(json.dumps(fields, indent=2, ensure_ascii=False))
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():  # no table: a URL must stay in one piece, to be copied
        _console().print(f"[dim]{name:{width}}[/dim]  {_cell(value)}", soft_wrap=True)


def show_all(items: Sequence[Any], columns: Sequence[str], *, as_json: bool, what: str) -> None:
    """Several objects: a row each, with the columns that people look for; `what` names them where there is none."""
    rows = [_plain(item) for item in items]
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not rows:
        typer.echo(f"No {what}.", err=True)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        table.add_column(name, no_wrap=name == "id")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    _console().print(table)


def said(text: str) -> None:
    """One line to standard output."""
    typer.echo(text)


def _plain(item: Any) -> dict[str, Any]:
    value = item if isinstance(item, Mapping) else msgspec.to_builtins(item)
    return dict(value)


def _cell(value: Any) -> str:
    from rich.markup import escape  # noqa: PLC0415 - of rich's parts, only tables need it

    if value is None or value in ("", [], {}):
        return "[dim]–[/dim]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        return escape(", ".join(map(str, value)))
    if isinstance(value, dict) and all(isinstance(one, str | int) for one in value.values()):
        return escape(", ".join(f"{name}: {one}" for name, one in value.items()))
    return escape(json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value))


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)
