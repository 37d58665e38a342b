"""Logs: one wide line for each act, as JSON or as plain text.

Owns the format and the rule that only named fields are written. What must never be logged (codes, states, tokens, PINs,
secrets, Meta's raw bodies) is never handed to it; a canary test proves it.
"""

import asyncio
import logging
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

FIELDS = "fields"
MOMENT = 0.05  # seconds


def act(logger: logging.Logger, name: str, /, level: int = logging.INFO, **fields: Any) -> None:
    """Writes the one line of an act, for example `provisioning.step`, with its fields."""
    if logger.isEnabledFor(level):
        # As `logger.log` does, without the look for the caller, which nobody prints.
        record = logging.LogRecord(logger.name, level, "", 0, name, (), None)
        record.fields = {key: value for key, value in fields.items() if value is not None}
        logger.handle(record)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, FIELDS, {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class PlainLines(logging.Formatter):
    """For a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; a traceback follows where there is one."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        fields = " ".join(f"{k}={v}" for k, v in getattr(record, FIELDS, {}).items())
        line = f"{time} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class Together(logging.StreamHandler[TextIO]):
    """Writes what came within a moment in one go: a write for each line lets the database's thread take over each time.

    A warning leaves at once, with all that waited before it. Without a running loop every line leaves at once.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a line; errors of formatting are told as logging tells them."""
        try:
            self._waiting.append(self.format(record) + self.terminator)
        except Exception:
            self.handleError(record)
            return
        if record.levelno >= logging.WARNING:
            self.flush()
        elif len(self._waiting) == 1:
            try:
                asyncio.get_running_loop().call_later(MOMENT, self.flush)
            except RuntimeError:
                self.flush()

    def flush(self) -> None:
        """Writes what waits; at the process's end logging itself calls it."""
        with self.lock or nullcontext():
            lines, self._waiting = self._waiting, []
            if lines:
                self.stream.write("".join(lines))
            super().flush()


def configure(level: str = "info", style: str = "auto") -> None:
    """Sends the service's log to standard error; `style` is json, plain or auto (plain on a terminal)."""
    handler = Together(sys.stderr)
    plain = style == "plain" or (style == "auto" and sys.stderr.isatty())
    handler.setFormatter(PlainLines() if plain else JsonLines())
    # Nobody prints the caller, thread or process of a line, and looking them up costs as much as writing it.
    logging._srcfile = None  # documented: docs.python.org/3/howto/logging.html
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger("setuplinks")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
