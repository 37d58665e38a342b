"""How far links come: created, opened, started, authorised, completed; why others failed; how long connecting takes.

Owns the SQL of these figures. Quantiles are taken over at most `SAMPLE` of the newest completed links.
"""

from typing import Any

from setuplinks.core.clock import DAY, SECOND
from setuplinks.core.db.database import Database

DAYS, MOST_DAYS = 30, 366
SAMPLE = 10_000

COUNTS = (
    "SELECT COUNT(*) AS created, "
    "SUM(CASE WHEN opened_at IS NOT NULL OR used_at IS NOT NULL THEN 1 ELSE 0 END) AS opened, "
    "SUM(CASE WHEN used_at IS NOT NULL THEN 1 ELSE 0 END) AS started, "
    "SUM(CASE WHEN authorized_at IS NOT NULL THEN 1 ELSE 0 END) AS authorized, "
    "SUM(CASE WHEN completed_at IS NOT NULL THEN 1 ELSE 0 END) AS completed "
    "FROM setup_link WHERE tenant_id = $1 AND created_at >= $2"
)
FAILURES = (
    "SELECT failure_code, COUNT(*) AS n FROM setup_link "
    "WHERE tenant_id = $1 AND created_at >= $2 AND failure_code IS NOT NULL GROUP BY failure_code"
)
EXPIRED = (
    "SELECT COUNT(*) AS n FROM setup_link WHERE tenant_id = $1 AND created_at >= $2 AND (phase = 'expired' "
    "OR (phase IN ('pending', 'started', 'authorizing') AND lapses_at <= $3))"
)
DURATIONS = (
    "SELECT completed_at - used_at AS took FROM setup_link WHERE tenant_id = $1 AND created_at >= $2 "
    "AND completed_at IS NOT NULL AND used_at IS NOT NULL ORDER BY created_at DESC LIMIT $3"
)


async def funnel(db: Database, tenant_id: int, now: int, days: int) -> dict[str, Any]:
    """The figures of links created in the last `days`, in wire spelling; durations in seconds."""
    since = now - days * DAY
    [counts] = await db.read(COUNTS, tenant_id, since)
    failed = {row["failure_code"]: row["n"] for row in await db.read(FAILURES, tenant_id, since)}
    [expired] = await db.read(EXPIRED, tenant_id, since, now)
    if expired["n"]:
        failed["link_expired"] = expired["n"]
    took = sorted(row["took"] / SECOND for row in await db.read(DURATIONS, tenant_id, since, SAMPLE))
    return {
        **{name: int(counts[name] or 0) for name in ("created", "opened", "started", "authorized", "completed")},
        "failed": failed,
        "secondsToConnectP50": _quantile(took, 0.5),
        "secondsToConnectP90": _quantile(took, 0.9),
    }


def _quantile(ordered: list[float], share: float) -> float | None:
    """The nearest-rank quantile; None of nothing."""
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) if ordered else None
