"""Logs: one wide line for each act, as JSON or as plain text.

Owns the format and the rule that only named fields are written. What must never be logged (codes, states, tokens, PINs,
secrets, Meta's raw bodies) is never handed to it; a canary test proves it.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

FIELDS = "fields"


def act(logger: logging.Logger, name: str, /, level: int = logging.INFO, **fields: Any) -> None:
    """Writes the one line of an act, for example `provisioning.step`, with its fields."""
    if logger.isEnabledFor(level):
        logger.log(level, name, extra={FIELDS: {k: v for k, v in fields.items() if v is not None}})


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
        return json.dumps(line, ensure_ascii=False, default=str)


class PlainLines(logging.Formatter):
    """For a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; a traceback follows where there is one."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        fields = " ".join(f"{k}={v}" for k, v in getattr(record, FIELDS, {}).items())
        line = f"{time} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip()
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def configure(level: str = "info", style: str = "auto") -> None:
    """Sends the service's log to standard error; `style` is json, plain or auto (plain on a terminal)."""
    handler = logging.StreamHandler(sys.stderr)
    plain = style == "plain" or (style == "auto" and sys.stderr.isatty())
    handler.setFormatter(PlainLines() if plain else JsonLines())
    root = logging.getLogger("setuplinks")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
