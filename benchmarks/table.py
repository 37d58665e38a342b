"""The result table: what was measured, beside its limit, and what the exit code is.

Owns the arithmetic on figures and the words of a row. It measures nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

KEEPS = 0.8
START_SECONDS = 1.5
MEMORY_MB = 120.0

Kind = Literal["deciding", "guide"]


@dataclass(frozen=True)
class Round:
    """One short run of load: answers a second, how long each answer took, and the CPU of all of them (seconds).

    The CPU is the server's and PostgreSQL's, without the load generator's.
    """

    rate: float
    times: tuple[float, ...]
    cpu: float = 0.0


@dataclass(frozen=True)
class Row:
    """One line of the table. Only deciding rows touch the exit code; a guide depends on the machine."""

    what: str
    database: str
    figure: str
    limit: str
    met: bool
    kind: Kind

    @property
    def verdict(self) -> str:
        """`ok`, `MISS` for a deciding row, `below` for a guide that this machine does not reach."""
        if self.met:
            return "ok"
        return "MISS" if self.kind == "deciding" else "below"


def percentile(times: Iterable[float], share: float) -> float:
    """The time that this share of all answers did not exceed."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def ratio(ours: Sequence[Round], theirs: Sequence[Round]) -> float:
    """The median of the rounds' ratios: both of a pair met the same weather on the machine."""
    return median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True))


def cpu_us(rounds: Sequence[Round]) -> float:
    """CPU microseconds an answer; steadier than rates where others use the machine too."""
    return 1e6 * sum(one.cpu for one in rounds) / sum(len(one.times) for one in rounds)


def compared(
    what: str, database: str, ours: Sequence[Round], bare: Sequence[Round], *, at_least: float, rate: float,
    p99_ms: float | None = None,
) -> list[Row]:  # fmt: skip
    """The rows of one route beside its bare handler: the ratio decides, rate and times are shown."""
    found = ratio(ours, bare)
    own, other = median(one.rate for one in ours), median(one.rate for one in bare)
    times = [time for one in ours for time in one.times]
    p50, p99 = percentile(times, 0.5) * 1000, percentile(times, 0.99) * 1000
    decides = f"{found:.2f} of bare ({own:,.0f}/s of {other:,.0f}/s)"
    limit = f"about {rate:,.0f}/s" + ("" if p99_ms is None else f", p99 < {p99_ms:.0f} ms")
    shown = f"{own:,.0f}/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms, CPU {cpu_us(ours):.0f} µs (bare {cpu_us(bare):.0f})"
    guide_met = own >= rate and (p99_ms is None or p99 < p99_ms)
    return [
        Row(what, database, decides, f">= {at_least}", found >= at_least, "deciding"),
        Row(f"{what}, absolute", database, shown, limit, guide_met, "guide"),
    ]  # fmt: skip


def kept(what: str, database: str, large: Sequence[Round], small: Sequence[Round], rows: int) -> Row:
    """The row of a route on large tables: it keeps its speed."""
    found = ratio(large, small)
    rate = median(one.rate for one in large)
    figure = f"keeps {found:.2f} ({rate:,.0f}/s)"
    return Row(f"{what}, {rows:,} links", database, figure, f">= {KEEPS}", found >= KEEPS, "deciding")


def flows(database: str, rate: float, added: Sequence[float]) -> list[Row]:
    """The rows of the whole signup: flows a second, and what we add to Meta's own time (seconds each)."""
    p50, p99 = percentile(added, 0.5) * 1000, percentile(added, 0.99) * 1000
    return [
        Row("whole signup, 16 at once", database, f"{rate:,.0f} flows/s", "about 100/s", rate >= 100, "guide"),
        Row(
            "whole signup, what we add", database, f"p50 {p50:.0f} ms, p99 {p99:.0f} ms", "p99 < 100 ms", p99 < 100,
            "guide",
        ),
    ]  # fmt: skip


def cold(database: str, seconds: Sequence[float], megabytes: Sequence[float]) -> list[Row]:
    """The rows of `serve` from cold."""
    start, memory = median(seconds), median(megabytes)
    soon, small = start < START_SECONDS, memory < MEMORY_MB
    return [
        Row("serve, first answer", database, f"{start:.2f} s", f"< {START_SECONDS} s", soon, "deciding"),
        Row("serve, memory", database, f"{memory:.0f} MB", f"< {MEMORY_MB:.0f} MB", small, "deciding"),
    ]


def exit_code(rows: Iterable[Row]) -> int:
    """1 where a deciding row misses its limit."""
    return int(any(row.kind == "deciding" and not row.met for row in rows))


def drawn(rows: Sequence[Row]) -> str:
    """The table as text, columns aligned."""
    lines = [("row", "database", "figure", "limit", "")]
    lines += [(row.what, row.database, row.figure, row.limit, row.verdict) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
