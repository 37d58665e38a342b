"""The words of these benchmarks' rows: what was found, and the limit that it is held against."""

from collections.abc import Sequence
from statistics import median

from benchmarks.table import KEEPS, Kind, Round, Row, cpu_us, percentile, ratio
from benchmarks.traffic.fairness import Lateness
from benchmarks.traffic.ingest import Taken

INGEST, DELIVER, WAY = "notification committed", "due delivery, logged", "notification to tenant"
TIMES_LATER = 2.0


def taken(database: str, found: Taken) -> list[Row]:
    """Notifications beside the bare handler, and what else a machine like this can do."""
    share = ratio(found.ours, found.bare)
    own, bare, empty = (_rate(rounds) for rounds in (found.ours, found.bare, found.empty))
    p50, p99 = _times(found.ours)
    shown = f"{own:,.0f}/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms, CPU {cpu_us(found.ours):.0f} µs"
    limits = f"empty ASGI app {empty:,.0f}/s, single-row commit {found.commits:,.0f}/s"
    figure = f"{share:.2f} of bare ({own:,.0f}/s of {bare:,.0f}/s)"
    met = own >= 5_000 and p99 < 20
    return [
        Row(INGEST, database, figure, ">= 0.7", share >= 0.7, "deciding"),
        Row(f"{INGEST}, absolute", database, shown, "about 5,000/s, p99 < 20 ms", met, "guide"),
        Row(f"{INGEST}, limits", database, limits, "shown", True, "guide"),
    ]  # fmt: skip


def beside_raw(
    what: str, database: str, ours: Sequence[Round], raw: Sequence[Round], *, at_least: float, processes: int = 1
) -> list[Row]:
    """What is sent beside the raw loop. One process decides; more of them are shown."""
    share = ratio(ours, raw)
    named = what if processes == 1 else f"{what}, {processes} processes"
    figure = f"{share:.2f} of raw ({_rate(ours):,.0f}/s of {_rate(raw):,.0f}/s)"
    shown = f"CPU {cpu_us(ours):.0f} µs (raw {cpu_us(raw):.0f})"
    kind: Kind = "deciding" if processes == 1 else "guide"
    rows = [Row(named, database, figure, f">= {at_least}", share >= at_least, kind)]
    return rows if processes > 1 else [*rows, Row(f"{what}, cost", database, shown, "shown", True, "guide")]


def unloaded(database: str, late: Sequence[float]) -> Row:
    """One notification at a time."""
    p50, p99 = percentile(late, 0.5) * 1000, percentile(late, 0.99) * 1000
    return Row(f"{WAY}, unloaded", database, f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "p50 < 30 ms", p50 < 30, "deciding")


def fair(database: str, found: Lateness) -> Row:
    """The healthy beside the hostile."""
    alone, beside = (percentile(times, 0.99) * 1000 for times in (found.alone, found.beside))
    times = beside / alone
    figure = f"p99 {beside:.0f} ms, {times:.1f} x {alone:.0f} ms"
    return Row("healthy beside hostile", database, figure, f"<= {TIMES_LATER:g} x", times <= TIMES_LATER, "deciding")


def kept(what: str, database: str, large: Sequence[Round], small: Sequence[Round], attempts: int) -> Row:
    """The same on large tables."""
    share = ratio(large, small)
    figure = f"keeps {share:.2f} ({_rate(large):,.0f}/s)"
    return Row(f"{what}, {attempts:,} attempts", database, figure, f">= {KEEPS}", share >= KEEPS, "deciding")


def _rate(rounds: Sequence[Round]) -> float:
    return median(one.rate for one in rounds)


def _times(rounds: Sequence[Round]) -> tuple[float, float]:
    times = [time for one in rounds for time in one.times]
    return percentile(times, 0.5) * 1000, percentile(times, 0.99) * 1000
