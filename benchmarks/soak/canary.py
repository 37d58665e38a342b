"""Looks for secrets where none may stand: in every log line and every value of the database.

Owns the search. What is secret is what Meta's stand-in gave out and what the service was started with; a PIN has six
digits, so it counts only where it stands alone as a word.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_TIMES = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?")


class Canary:
    """`long` secrets are found anywhere, `pins` only as words of their own."""

    def __init__(self, long: Iterable[str], pins: Iterable[str]) -> None:
        self._long = {secret for secret in long if len(secret) >= 12}
        self._heads = {secret[:12] for secret in self._long}
        self._pins = set(pins)

    def found(self, text: str) -> str | None:
        """What kind of secret stands in the text, without the secret; None for none."""
        if any(head in text for head in self._shapes(text)):
            return "a token, code or key"
        words = set(re.findall(r"(?<![\w.])\d{6}(?![\w.])", _TIMES.sub("", text)))
        return "a PIN" if words & self._pins else None

    def _shapes(self, text: str) -> Iterator[str]:
        """The long secrets of the text: by their first letters, so that thousands of them are looked for at once."""
        for start in (match.start() for match in re.finditer(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{12}", text)):
            if text[start : start + 12] in self._heads:
                yield from (secret for secret in self._long if text.startswith(secret, start))

    def in_logs(self, logs: Iterable[Path]) -> list[str]:
        """One line for each log line with a secret, at most ten."""
        hits: list[str] = []
        for log in logs:
            with log.open(encoding="utf-8", errors="replace") as lines:
                for number, line in enumerate(lines, 1):
                    if (what := self.found(line)) is not None:
                        hits.append(f"{log.name}:{number} holds {what}: {_masked(line)}")
        return hits[:10]

    def in_rows(self, table: str, rows: Iterable[dict[str, Any]]) -> list[str]:
        """One line for each value with a secret, at most ten."""
        hits: list[str] = []
        for row in rows:
            for column, value in row.items():
                text = value.decode("latin-1") if isinstance(value, bytes) else value
                if isinstance(text, str) and (what := self.found(text)) is not None:
                    hits.append(f"{table}.{column} holds {what}")
        return hits[:10]


def _masked(line: str) -> str:
    return re.sub(r"[A-Za-z0-9_-]{20,}", "…", line.strip())[:160]
