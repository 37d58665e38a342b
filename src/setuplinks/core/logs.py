"""Logs: one wide line for each act, as JSON or as plain text.

Owns the format and the rule that only named fields are written. What must never be logged (codes, states, tokens, PINs,
secrets, Meta's raw bodies) is never handed to it; a canary test proves it.
"""

import asyncio
import logging
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol, TextIO

import msgspec

FIELDS = "fields"
MOMENT = 0.05  # seconds

_ours = logging.getLogger("setuplinks")
_names = {level: name.lower() for name, level in logging.getLevelNamesMapping().items()}


def act(logger: logging.Logger, name: str, /, level: int = logging.INFO, **fields: Any) -> None:
    """Writes the one line of an act, for example `provisioning.step`, with its fields."""
    if not logger.isEnabledFor(level):
        return
    known = {key: value for key, value in fields.items() if value is not None}
    handlers = _ours.handlers
    if len(handlers) == 1 and type(handlers[0]) is Together and not logger.handlers:
        handlers[0].take(level, logger.name, name, known)  # a record and its way through logging cost four times this
        return
    # As `logger.log` does, without the look for the caller, which nobody prints.
    record = logging.LogRecord(logger.name, level, "", 0, name, (), None)
    record.fields = known
    logger.handle(record)


class Lines(Protocol):
    """Makes the text of a line."""

    def line(self, created: float, level: int, logger: str, message: str, fields: dict[str, Any], /) -> str:
        """One line without its end; `created` is in seconds since 1970."""


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        fields = getattr(record, FIELDS, {})
        if record.exc_info:
            fields = {**fields, "traceback": self.formatException(record.exc_info)}
        return self.line(record.created, record.levelno, record.name, record.getMessage(), fields)

    def line(self, created: float, level: int, logger: str, message: str, fields: dict[str, Any], /) -> str:
        """One JSON object."""
        second = int(created)
        time = f"{_second(second)}.{int((created - second) * 1000):03d}+00:00"
        values = {"time": time, "level": _names.get(level, str(level)), "logger": logger, "message": message, **fields}
        return _encoder.encode(values).decode()


class PlainLines(logging.Formatter):
    """For a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; a traceback follows where there is one."""
        fields = getattr(record, FIELDS, {})
        line = self.line(record.created, record.levelno, record.name, record.getMessage(), fields)
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")

    def line(self, created: float, level: int, _logger: str, message: str, fields: dict[str, Any], /) -> str:
        """Time, level, message and fields; the logger is left out."""
        time = datetime.fromtimestamp(created, UTC).strftime("%H:%M:%S.%f")[:-3]
        said = " ".join(f"{k}={v}" for k, v in fields.items())
        return f"{time} {_names.get(level, str(level)):7} {message} {said}".rstrip()


_encoder = msgspec.json.Encoder(enc_hook=str)


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    """2026-11-22T22:12:30"""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class Together(logging.StreamHandler[TextIO]):
    """Writes what came within a moment in one go: a write for each line lets the database's thread take over each time.

    A warning leaves at once, with all that waited before it. Without a running loop every line leaves at once.
    """

    def __init__(self, stream: TextIO, lines: Lines) -> None:
        super().__init__(stream)
        self._lines = lines
        self._waiting: list[str | tuple[float, int, str, str, dict[str, Any]]] = []

    def take(self, level: int, logger: str, message: str, fields: dict[str, Any]) -> None:
        """Takes an act's line; its text is made when it is written."""
        with self.lock or nullcontext():
            self._waiting.append((time.time(), level, logger, message, fields))
            self._soon(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a line of whoever speaks by way of logging; errors of formatting are told as logging tells them."""
        try:
            self._waiting.append(self.format(record))
        except Exception:
            self.handleError(record)
            return
        self._soon(record.levelno)

    def _soon(self, level: int) -> None:
        if level >= logging.WARNING:
            self.flush()
        elif len(self._waiting) == 1:
            try:
                asyncio.get_running_loop().call_later(MOMENT, self.flush)
            except RuntimeError:
                self.flush()

    def flush(self) -> None:
        """Writes what waits; at the process's end logging itself calls it."""
        with self.lock or nullcontext():
            waiting, self._waiting = self._waiting, []
            if waiting:
                texts = [said if isinstance(said, str) else self._lines.line(*said) for said in waiting]
                self.stream.write("\n".join(texts) + "\n")
            super().flush()


def configure(level: str = "info", style: str = "auto") -> None:
    """Sends the service's log to standard error; `style` is json, plain or auto (plain on a terminal)."""
    plain = style == "plain" or (style == "auto" and sys.stderr.isatty())
    lines = PlainLines() if plain else JsonLines()
    handler = Together(sys.stderr, lines)
    handler.setFormatter(lines)
    # Nobody prints the caller, thread or process of a line, and looking them up costs as much as writing it.
    logging._srcfile = None  # documented: docs.python.org/3/howto/logging.html
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    _ours.handlers[:] = [handler]
    _ours.setLevel(level.upper())
    _ours.propagate = False
