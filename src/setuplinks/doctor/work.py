"""What waits: due work that nobody does, tokens that end, things that only the operator can decide.

It counts rows of every room's tables, and is the one place outside of their stores that does; it changes none.
"""

from setuplinks.core.clock import DAY, MINUTE, SECOND, Clock
from setuplinks.core.db.database import Database
from setuplinks.core.problems import Problem
from setuplinks.core.wire import instant
from setuplinks.doctor.models import Check
from setuplinks.number_pool.models import WARN_WITHIN

LATE, STOPPED = 2 * MINUTE, 15 * MINUTE
SOON = 14 * DAY

# Queue → its table and the column that says when a row is due.
QUEUES = {
    "provisioning": ("provisioning", "due_at"),
    "notifications": ("notification", "due_at"),
    "deliveries": ("endpoint_state", "next_due"),
    "links": ("setup_link", "due_at"),
    "numbers": ("phone_number", "due_at"),
    "tokens": ("credential", "due_at"),
    "recovery": ("orphan_authorisation", "due_at"),
    "off-boarding": ("offboarding", "due_at"),
    "images": ("theme_image", "due_at"),
}
# An endpoint has no lease of its own: it is due again when its deliveries' leases end.
NOT_HELD = dict.fromkeys(QUEUES, " AND (lease_until IS NULL OR lease_until <= $1)") | {"deliveries": ""}
# Work that is due and that nobody holds. A queue that stands still is one whose oldest row is old.
DUE = " UNION ALL ".join(
    f"SELECT '{queue}' AS queue, COUNT(*) AS waiting, MIN({due}) AS oldest FROM {table} "  # noqa: S608 - constants
    f"WHERE {due} <= $1{NOT_HELD[queue]}"
    for queue, (table, due) in QUEUES.items()
)
ORPHANS = "SELECT COUNT(*) AS n, MIN(created_at) AS oldest FROM orphan_authorisation WHERE status = 'open'"
POOL = """
SELECT COUNT(*) AS held,
 SUM(CASE WHEN status = 'verified' AND expires_at > $1 AND expires_at <= $2 THEN 1 ELSE 0 END) AS soon,
 SUM(CASE WHEN status = 'verified' AND expires_at <= $1 THEN 1 ELSE 0 END) AS ended,
 SUM(CASE WHEN missing_since IS NOT NULL THEN 1 ELSE 0 END) AS missing,
 MIN(CASE WHEN status = 'verified' AND expires_at > $1 THEN expires_at END) AS next
 FROM pool_number WHERE status IN ('added', 'code_sent', 'verified')
"""
TOKENS = """
SELECT COUNT(*) AS held,
 MIN(CASE WHEN token_expires_at > $1 THEN token_expires_at END) AS next,
 SUM(CASE WHEN token_expires_at <= $1 THEN 1 ELSE 0 END) AS ended,
 SUM(CASE WHEN token_expires_at > $1 AND token_expires_at <= $2 THEN 1 ELSE 0 END) AS soon
 FROM credential
"""


async def of_work(db: Database, clock: Clock) -> list[Check]:
    """Workers, tokens, authorisations that nobody awaits, the pool's numbers."""
    return [await look(db, clock) for look in (workers, tokens, authorisations, number_pool)]


async def workers(db: Database, clock: Clock) -> Check:
    """Whether somebody does what is due."""
    name, now = "Workers", clock.now()
    try:
        rows = [row for row in await db.read(DUE, now) if row["waiting"]]
    except Problem as problem:
        return Check(name, "warn", f"not looked at: {problem.title}")
    if not rows:
        return Check(name, "pass", "nothing waits that is due")
    worst = min(rows, key=lambda row: int(row["oldest"]))
    age = now - int(worst["oldest"])
    waiting = sum(int(row["waiting"]) for row in rows)
    if age < LATE:
        return Check(name, "pass", f"{waiting} due, the oldest for {age // SECOND} seconds")
    said = f"{waiting} due that nobody takes, the oldest ({worst['queue']}) for {age // MINUTE} minutes"
    fix = "`setuplinks serve` or `setuplinks worker`: is one running, and does its log show failures?"
    return Check(name, "fail" if age >= STOPPED else "warn", said, fix)


async def tokens(db: Database, clock: Clock) -> Check:
    """When the customers' tokens end; there is no renewal but their own sign-in."""
    name, now = "Tokens", clock.now()
    try:
        [row] = await db.read(TOKENS, now, now + SOON)
    except Problem as problem:
        return Check(name, "warn", f"not looked at: {problem.title}")
    held, ended, soon = int(row["held"]), int(row["ended"] or 0), int(row["soon"] or 0)
    fix = "a reconnect link for each; a configuration whose tokens never expire ends this (docs/guides/meta-app.md)"
    if ended or soon:
        parts = [f"{ended} have ended"] if ended else []
        parts += [f"{soon} end within 14 days, the first at {instant(int(row['next']))}"] if soon else []
        return Check(name, "warn", f"of {held} customers' tokens {' and '.join(parts)}", fix)
    if not held:
        return Check(name, "pass", "none is held yet")
    if row["next"] is None:
        return Check(name, "pass", f"{held} held; none of them ends")
    return Check(name, "pass", f"{held} held; the next one ends at {instant(int(row['next']))}")


async def authorisations(db: Database, clock: Clock) -> Check:
    """Accounts that were shared with the app, and no link awaits them: only the operator knows whose they are."""
    name = "Authorisations"
    try:
        [row] = await db.read(ORPHANS)
    except Problem as problem:
        return Check(name, "warn", f"not looked at: {problem.title}")
    if not row["n"]:
        return Check(name, "pass", "each belongs to a link")
    days = (clock.now() - int(row["oldest"])) // DAY
    said = f"{row['n']} came without a link, the oldest {f'{days} days' if days else 'less than a day'} ago"
    return Check(name, "warn", said, "`setuplinks orphans list`, then `assign` each to a customer or `dismiss` it")


async def number_pool(db: Database, clock: Clock) -> Check:
    """Numbers that are ready for customers: verified again in time."""
    name, now = "Number pool", clock.now()
    try:
        [row] = await db.read(POOL, now, now + WARN_WITHIN)
    except Problem as problem:
        return Check(name, "warn", f"not looked at: {problem.title}")
    ended, soon, missing = (int(row[column] or 0) for column in ("ended", "soon", "missing"))
    if not row["held"]:
        return Check(name, "pass", "it holds no numbers")
    parts = [f"the verification of {ended} has ended"] if ended else []
    parts += [f"that of {soon} ends within 14 days, the first at {instant(int(row['next']))}"] if soon else []
    parts += [f"Meta no longer names {missing} of them"] if missing else []
    if parts:
        fix = "`setuplinks number-pool list`, then `request-code` and `verify-code` for each"
        return Check(name, "warn", f"of {row['held']} held {'; '.join(parts)}", fix)
    return Check(name, "pass", f"{row['held']} held, none near its end")
