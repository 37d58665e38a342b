"""Lists of setup links with their filters; a lapsed link counts as expired before the sweeper has written so.

Owns the SQL of these lists only.
"""

import json
from dataclasses import dataclass
from typing import Any

from setuplinks.core.db.database import Database
from setuplinks.core.db.unit import Row
from setuplinks.setup_links.machine import STATUS, WAITING, Phase


@dataclass(frozen=True)
class Wanted:
    """Which links; None leaves a filter out. `now` (µs) decides which have lapsed."""

    customer_id: int | None
    status: str | None
    phase: str | None
    now: int


async def rows(db: Database, tenant_id: int, wanted: Wanted, at: int, key: str, limit: int) -> list[Row]:
    """At most `limit` rows of `setup_link` before (at, key), newest first."""
    params: list[object] = [tenant_id, at, key, limit]
    where = ["tenant_id = $1", "(created_at, id) < ($2, $3)"]
    if wanted.customer_id is not None:
        params.append(wanted.customer_id)
        where.append(f"customer_id = ${len(params)}")
    phases = _phases(wanted)
    if phases is not None:
        params.append(wanted.now)
        where.append(_phase_is(phases, f"${len(params)}"))
    text = (
        f"SELECT * FROM setup_link WHERE {' AND '.join(where)} "  # noqa: S608 - phases are our own words
        "ORDER BY created_at DESC, id DESC LIMIT $4"
    )
    return await db.read(text, *params)


def _phases(wanted: Wanted) -> set[Phase] | None:
    if wanted.status is None and wanted.phase is None:
        return None
    by_status = {phase for phase in Phase if wanted.status is None or STATUS[phase] == wanted.status}
    return {phase for phase in by_status if wanted.phase is None or phase == wanted.phase}


def _phase_is(phases: set[Phase], now: str) -> str:
    """SQL for "the phase as a reader sees it is one of these"."""
    cases = []
    waiting = sorted(phase.value for phase in phases & WAITING)
    other = sorted(phase.value for phase in phases - WAITING)
    if waiting:
        cases.append(f"(phase IN ({_words(waiting)}) AND lapses_at > {now})")
    if other:
        cases.append(f"phase IN ({_words(other)})")
    if Phase.EXPIRED in phases:
        cases.append(f"(phase IN ({_words(sorted(p.value for p in WAITING))}) AND lapses_at <= {now})")
    # The parameter must stand in each text, or a driver cannot tell its type.
    return f"({' OR '.join(cases) or 'FALSE'}) AND {now} = CAST({now} AS BIGINT)"


def _words(values: list[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def detail(text: str) -> dict[str, Any]:
    """A step's details."""
    found: dict[str, Any] = json.loads(text)
    return found
