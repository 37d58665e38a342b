"""`setuplinks doctor`: looks, shows a row for each thing, and ends with 1 only where something fails."""

import asyncio
import dataclasses
import json

import typer
from rich.console import Console
from rich.markup import escape

from setuplinks.core import logs
from setuplinks.core.clock import SystemClock
from setuplinks.doctor.checks import Check, examine, wrong_settings
from setuplinks.settings import SettingsInvalid, load

_SHOWN = {"pass": "[green]pass[/green]", "warn": "[yellow]warn[/yellow]", "fail": "[red]fail[/red]"}


def run(*, as_json: bool) -> int:
    """Prints the rows; the exit code."""
    logs.configure("error")
    rows = _rows()
    failed = sum(1 for row in rows if row.verdict == "fail")
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2, ensure_ascii=False))
    else:
        _show(rows, failed)
    return 1 if failed else 0


def _rows() -> list[Check]:
    try:
        settings = load()
    except SettingsInvalid as invalid:
        return wrong_settings(invalid)
    return asyncio.run(examine(settings, SystemClock()))


def _show(rows: list[Check], failed: int) -> None:
    console = Console(highlight=False)
    width = max(len(row.name) for row in rows)
    for row in rows:
        console.print(f"{_SHOWN[row.verdict]}  {row.name:{width}}  {escape(row.said)}", soft_wrap=True)
        if row.fix:
            console.print(f"      {'':{width}}  [dim]→ {escape(row.fix)}[/dim]", soft_wrap=True)
    warned = sum(1 for row in rows if row.verdict == "warn")
    said = "Nothing fails" if not failed else f"{failed} of {len(rows)} fail"
    console.print(f"\n{said}{f', {warned} to look at' if warned else ''}.")
