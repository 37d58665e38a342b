"""What a person at the terminal is told when a command cannot do its work: plain lines and an exit code.

Owns the wording; it raises nothing itself. A traceback is shown only where somebody asks for it.
"""

import asyncio
import errno
import os
import sys
import traceback
from pathlib import Path

import typer
from typer.exceptions import TyperException

FAILED, MISUSED = 1, 2


class Refused(Exception):
    """The command cannot do this; the message says why and what to do. `code` is the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def explain(error: BaseException) -> int:
    """Prints what is wrong to standard error; the exit code."""
    lines, code = _words(error)
    for line in lines:
        typer.echo(line, err=True)
    return code


def _words(error: BaseException) -> tuple[list[str], int]:
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        return ["Aborted."], FAILED
    if isinstance(error, TyperException):
        return _of_usage(error)
    # Read here: a command that goes well pays nothing for it.
    from setuplinks.core.problems import Problem  # noqa: PLC0415
    from setuplinks.settings import ENV_FILE, SettingsInvalid  # noqa: PLC0415

    if isinstance(error, SettingsInvalid):
        head = f"Settings are missing or wrong (from the environment, or from {ENV_FILE} in {Path.cwd()}):"
        tail = [] if Path(ENV_FILE).exists() else ["`setuplinks init` writes such a file to begin with."]
        return [head, *(f"  {line}" for line in error.lines), *tail], MISUSED
    if isinstance(error, Refused):
        return str(error).splitlines(), error.code
    if isinstance(error, Problem):
        told = [f"{name}: {message}" for name, message in error.fields.items() if name not in error.detail]
        return [error.detail, *told], FAILED
    if isinstance(error, OSError):
        return [_of_system(error)], FAILED
    if os.environ.get("SETUPLINKS_LOG_LEVEL") == "debug":
        traceback.print_exception(error, file=sys.stderr)
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    return [f"setuplinks failed: {said} (SETUPLINKS_LOG_LEVEL=debug shows where)"], FAILED


def _of_usage(error: TyperException) -> tuple[list[str], int]:
    """A command that was said wrongly; without arguments its help was printed already, and there are no words."""
    said, context = error.format_message(), getattr(error, "ctx", None)
    if context is None or not said:
        return said.splitlines(), error.exit_code
    return [f"{context.command_path}: {said}", f"`{context.command_path} --help` says more."], error.exit_code


def _of_system(error: OSError) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "There was no answer in time."
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename else what


def cannot_listen(error: OSError, host: str, port: int) -> Refused:
    """Why this program cannot listen there."""
    if error.errno == errno.EADDRINUSE:
        return Refused(f"Port {port} of {host} is taken by another program; choose another one with --port.")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Refused(f"This user may not listen on port {port} of {host}; choose one above 1023 with --port.")
    return Refused(f"Cannot listen on {host} port {port}: {error.strerror or error}.")
