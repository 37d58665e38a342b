"""PostgreSQL's days: events, payloads and attempts stand in one partition a day, made ahead and dropped whole.

Owns the statements that make and drop a day, and the runner that does it. It does not own how long a table is kept
(`retention`), nor SQLite, which has no partitions. A row whose day has no partition goes to the table's default one, so
that a clock that is wrong loses nothing; rows in there are never moved, and `retention` prunes them.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from setuplinks.core.clock import DAY, HOUR, MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.logs import act
from setuplinks.core.problems import Problem
from setuplinks.webhooks.retention import DAILY, KEYS, SENT_AGAIN, before

log = logging.getLogger("setuplinks.webhooks")

AHEAD = 2
"""Days that are made after today's: so long may all workers be away before rows go to the default partition."""
LOOK_EVERY = HOUR
TRY_AGAIN = MINUTE
BY_ITSELF = 4 * DAY
"""After this a delivery is tried no more, unless somebody sends it again."""
MOST = 1 << 30
"""Bytes of a default partition that is read under its lock, for about a second; a table with more gets no more days,
as if it were not split."""

_NAME = re.compile(rf"({'|'.join(DAILY)})_d(\d{{8}})", re.ASCII)
_MADE = (
    "SELECT c.relname AS name, CASE WHEN i.inhparent IS NULL THEN 0 ELSE 1 END AS attached "  # noqa: S608
    "FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid WHERE c.relkind = 'r' "
    "AND c.relnamespace = (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = CAST('event' AS regclass)) "
    f"AND c.relname ~ '^({'|'.join(DAILY)})_d[0-9]{{8}}$'"
)

# One process at a time, by a number that nothing else on the server locks: others wait for it, and then find it done.
# A table is locked, or waited for, or its default partition is read under the lock, for a moment only, since everybody
# else waits behind that.
_ALONE = (
    "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '5s'; "
    "DO $$ BEGIN PERFORM pg_advisory_xact_lock(7268417310); PERFORM set_config('lock_timeout', '100ms', true); "
    "{step} END $$"
)
# ATTACH, unlike CREATE TABLE … PARTITION OF, lets the table be read and written meanwhile. A row of that day that was
# on its way to the default partition is refused then, as DatabaseBusy, and its unit is sent again.
_MAKE = (
    "IF pg_relation_size('{table}_default') > {most} THEN "
    "RAISE EXCEPTION 'too many rows stand in {table}_default to look through them'; END IF; "
    "IF to_regclass('{name}') IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM {table}_default WHERE {key} >= '{first}' AND {key} < '{end}') THEN "
    "CREATE TABLE {name} (LIKE {table} INCLUDING ALL); "
    "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}'); END IF;"
)
# Several steps: the table's lock is held for the first alone, and removing the files of a big day takes a while.
_IS_PART = "EXISTS (SELECT 1 FROM pg_catalog.pg_inherits WHERE inhrelid = to_regclass('{name}'))"
_DETACH = f"IF {_IS_PART} THEN ALTER TABLE {{table}} DETACH PARTITION {{name}}; END IF;"
_DROP = f"IF NOT {_IS_PART} THEN DROP TABLE IF EXISTS {{name}}; END IF;"
# Tries of an old delivery that was sent again go where those are whose day is gone already, and are pruned by their own
# age. Nobody waits for this: the day is detached.
_SPARE = (
    "SET LOCAL statement_timeout = '100s'; "  # noqa: S608 - names of our tables
    "DO $$ BEGIN PERFORM pg_advisory_xact_lock(7268417310); "
    f"IF to_regclass('{{name}}') IS NOT NULL AND NOT {_IS_PART} THEN "
    "INSERT INTO {table} SELECT * FROM {name} WHERE started_at >= {young} ON CONFLICT DO NOTHING; END IF; END $$"
)


@dataclass(frozen=True, slots=True)
class Day:
    """One table's day, from midnight UTC (µs). Not attached: a process died while it dropped it."""

    table: str
    begins: int
    attached: bool = True

    @property
    def date(self) -> str:
        """As `20260518`."""
        return f"{datetime.fromtimestamp(self.begins // SECOND, UTC):%Y%m%d}"

    @property
    def name(self) -> str:
        """Its partition: `event_d20260518`."""
        return f"{self.table}_d{self.date}"

    def statement(self, step: str, most: int) -> str:
        """SQL that makes it, detaches it, spares what is young in it, or drops it."""
        first, end = before(self.begins), before(self.begins + DAY)
        asked = step.format(
            name=self.name, table=self.table, key=KEYS[self.table], first=first, end=end, most=most,
            young=self.begins + DAY + BY_ITSELF,
        )  # fmt: skip
        return asked if step is _SPARE else _ALONE.format(step=asked)


class Days:
    """One of the worker's runners, in any number of processes at once; it looks once an hour. `kept` from `kept_days`.

    What somebody else has locked is tried again after a minute. A day of which the default partition has rows already
    gets no partition: they are few, and while they were moved an erasure could miss them.
    """

    name = "days"
    channel = "days"

    def __init__(self, db: Database, clock: Clock, kept: Mapping[str, int], *, most: int = MOST) -> None:
        self._db, self._clock, self._kept, self._most = db, clock, kept, most
        self._look_at = 0

    async def run_once(self) -> int:
        """Drops the days that are over, makes today's and the next ones; how many statements that took."""
        now = self._clock.now()
        if self._db.dialect != "postgres" or now < self._look_at:
            return 0
        self._look_at = now + TRY_AGAIN
        made = await self.made()
        steps = [(day, step) for day in made if self._over(day, now) for step in _ending(day)]
        known, today = {day.name for day in made}, now // DAY * DAY
        ahead = [Day(table, today + number * DAY) for table in DAILY for number in range(AHEAD + 1)]
        steps += [(day, _MAKE) for day in ahead if day.name not in known]
        done, waiting = 0, set[Day]()
        for day, step in steps:
            if day not in waiting and await self._done(day, step):
                done += 1
            else:
                waiting.add(day)  # nothing is dropped before what is young in it was spared
        if not waiting:
            self._look_at = now + LOOK_EVERY
        return done

    async def made(self) -> list[Day]:
        """The days that there are, of all tables."""
        found: list[Day] = []
        for row in await self._db.read(_MADE):
            if named := _NAME.fullmatch(row["name"]):
                begins = datetime.strptime(named[2], "%Y%m%d").replace(tzinfo=UTC)
                found.append(Day(named[1], round(begins.timestamp()) * SECOND, bool(row["attached"])))
        return found

    def _over(self, day: Day, now: int) -> bool:
        """True once its last row is as old as the setting says; one that was detached never comes back."""
        return not day.attached or day.begins + DAY <= now - self._kept[day.table] * DAY

    async def _done(self, day: Day, step: str) -> bool:
        try:
            await self._db.bulk(day.statement(step, self._most))
        except Problem as problem:
            words = {"table": day.table, "day": day.date, "why": problem.code, "detail": problem.detail}
            act(log, "retention.day_waits", logging.WARNING, **words)
            return False
        if step is _DROP:
            act(log, "retention.day_dropped", table=day.table, day=day.date)
        return True


def _ending(day: Day) -> tuple[str, ...]:
    return (_DETACH, _SPARE, _DROP) if day.table in SENT_AGAIN else (_DETACH, _DROP)
