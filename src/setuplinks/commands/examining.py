"""`setuplinks doctor`: looks, shows a row for each thing, and ends with 1 only where something fails."""

import asyncio
import json
import textwrap

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from setuplinks.core import logs
from setuplinks.core.clock import SystemClock
from setuplinks.doctor.examine import examine, without_settings
from setuplinks.doctor.models import WORDS, Report, Verdict
from setuplinks.doctor.views import view
from setuplinks.settings import SettingsInvalid, load

_COLOURS: dict[Verdict, str] = {"pass": "green", "warn": "yellow", "fail": "red", "by_eye": "cyan"}
MOST_NARROW = 30
_WIDTH = max(len(word) for word in WORDS.values())


def run(*, as_json: bool) -> int:
    """Prints the rows; the exit code."""
    logs.configure("error")
    report = _report()
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(view(report)), indent=2, ensure_ascii=False))
    else:
        _show(report)
    return 1 if report.count("fail") else 0


def _report() -> Report:
    clock = SystemClock()
    try:
        settings = load()
    except SettingsInvalid as invalid:
        return without_settings(invalid, clock)
    return asyncio.run(examine(settings, clock))


def _show(report: Report) -> None:
    console = Console(highlight=False)
    indent = 2 + _WIDTH + 2 + max(len(check.name) for check in report) + 2
    # Into a file or a pipe each row stays one line, so that it can be searched.
    room = max(console.width - indent, MOST_NARROW) if console.is_terminal else None
    for area in report.areas:
        console.print(f"[bold]{escape(area.name)}[/bold]", soft_wrap=True)
        for check in area.checks:
            colour, word = _COLOURS[check.verdict], WORDS[check.verdict]
            start = f"  [{colour}]{word:{_WIDTH}}[/{colour}]  {escape(check.name):{indent - _WIDTH - 6}}  "
            first, *more = _wrapped(check.said, room)
            console.print(start + escape(first), soft_wrap=True)
            notes = [f"→ {check.fix}", f"  {check.link}"] if check.fix and check.link else [f"→ {check.fix}"]
            more += [f"[dim]{escape(line)}[/dim]" for note in notes if check.fix for line in _wrapped(note, room)]
            for line in more:
                console.print(" " * indent + line, soft_wrap=True)
        console.print()
    console.print(report.summary, soft_wrap=True)


def _wrapped(text: str, room: int | None) -> list[str]:
    if room is None:
        return [text]
    start = " " * (len(text) - len(text.lstrip(" →")))
    lines = textwrap.wrap(text, room, subsequent_indent=start, break_long_words=False, break_on_hyphens=False)
    return [text[: len(start)] + lines[0].lstrip(" →"), *lines[1:]]
