"""The commands' own help as a page that people read.

Owns the wording; it knows any Typer application, not ours.
"""

from collections.abc import Iterator
from typing import Any

import typer


def cli_sections(app: typer.Typer, program: str) -> str:
    """Each command with its help, arguments and options, in the order of the help."""
    return "\n\n".join(_commands(typer.main.get_command(app), program))


def _commands(command: Any, path: str) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is None:
        yield _command(command, path)
        return
    for name, child in below.items():
        if not getattr(child, "hidden", False):
            yield from _commands(child, f"{path} {name}")


def _command(command: Any, path: str) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not getattr(one, "hidden", False)]
    usage = [path, *(one.name.upper() if one.required else f"[{one.name.upper()}]" for one in arguments)]
    lines = [f"## {' '.join(usage)}", "", _plain(command.help)]
    rows = [f"| `{_spelling(one)}` | {_default(one)} | {_plain(getattr(one, 'help', None))} |" for one in options]
    if rows:
        lines += ["", "| option | default | |", "| --- | --- | --- |", *rows]
    return "\n".join(lines)


def _spelling(option: Any) -> str:
    return ", ".join([*option.opts, *option.secondary_opts])


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.default is None or option.default == "" or callable(option.default):
        return "–"
    if isinstance(option.default, bool):
        return f"`{(option.opts if option.default else option.secondary_opts or ['off'])[0]}`"
    return f"`{option.default}`"


def _plain(text: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n")).replace("|", "\\|")
