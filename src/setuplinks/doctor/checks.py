"""Is this installation ready for its first customer? One row for each thing looked at.

Owns what is looked at, the verdict, and the words: what is wrong, and where to put it right. It changes nothing,
neither here nor at Meta. How rows are shown is the command's matter.
"""

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

import aiohttp

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.db.errors import SchemaBehind
from setuplinks.core.db.open import FILE_NAME, open_database
from setuplinks.core.problems import Problem
from setuplinks.core.vault import VaultClosed
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.secret import Secret
from setuplinks.migrations.apply import check_revision
from setuplinks.settings import GOOD_OPERATOR_KEY, PREFIX, Settings, SettingsInvalid

SDK_SECONDS = 10.0
SKEW_SEEN, SKEW_BAD = 10, 120  # seconds; receivers refuse webhooks that are five minutes off
MOST_KEYS = 1_000
META_GUIDE = "docs/guides/meta-app.md"

FIND_DATA_KEYS = "SELECT tenant_id, id, kid, wrapped FROM data_key ORDER BY tenant_id, id LIMIT $1"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `said` is what was found, `fix` where to put it right ("" for a pass)."""

    name: str
    verdict: Literal["pass", "warn", "fail"]
    said: str
    fix: str = ""


def wrong_settings(invalid: SettingsInvalid) -> list[Check]:
    """A row for each setting that is missing or wrong."""
    rows = []
    for line in invalid.lines:
        name, _, said = line.partition(" ")
        rows.append(Check(name, "fail", said, "docs/reference/settings.md"))
    return rows


def of_settings(settings: Settings) -> list[Check]:
    """What the settings alone can tell."""
    return [Check("Settings", "pass", "all are there and can be read"), public_url(settings), *_by_choice(settings)]


def public_url(settings: Settings) -> Check:
    """https for everybody, or http for this machine alone."""
    url = settings.public_url
    if urlsplit(url).scheme == "https":
        return Check("Public URL", "pass", url)
    return Check(
        "Public URL", "warn", f"{url} is for this machine only: neither customers nor Meta reach it",
        f"{PREFIX}PUBLIC_URL: an https address; docs/guides/local-development.md has a tunnel",
    )  # fmt: skip


def _by_choice(settings: Settings) -> list[Check]:
    """Choices that are fine on a laptop and rarely meant elsewhere, and what is off without a setting."""
    rows = []
    if len(settings.operator_key.get_secret_value()) < GOOD_OPERATOR_KEY:
        said = f"it has fewer than {GOOD_OPERATOR_KEY} characters; whoever guesses it reaches every tenant"
        rows.append(Check("Operator key", "warn", said, f"{PREFIX}OPERATOR_KEY: `setuplinks init` makes a good one"))
    if settings.meta_business_id is None or settings.meta_system_token is None:
        said = "automatic recovery and the number pool are off"
        rows.append(Check("System token", "warn", said, f"{PREFIX}META_BUSINESS_ID and {PREFIX}META_SYSTEM_TOKEN"))
    if not settings.on_loopback:
        if settings.outbound_networks:
            said = f"webhooks may reach private addresses: {settings.outbound_allow}"
            rows.append(Check("Outbound", "warn", said, f"{PREFIX}OUTBOUND_ALLOW: empty, unless you mean it"))
        if settings.rate_limits == "off":
            rows.append(Check("Rate limits", "warn", "they are off", f"{PREFIX}RATE_LIMITS: on"))
    return rows


async def of_database(settings: Settings) -> list[Check]:
    """Whether the database is there, at this program's revision, and opens under the master keys."""
    url = None if settings.database_url is None else settings.database_url.get_secret_value()
    if url is None and not (settings.data_dir / FILE_NAME).exists():
        said = f"{settings.data_dir / FILE_NAME} is not there yet; `setuplinks serve` makes it"
        return [Check("Database", "warn", said, f"{PREFIX}DATA_DIR, where it should be elsewhere")]
    try:
        db = await open_database(url, settings.data_dir, pool_size=1, flock=False)
    except Problem as problem:
        fix = f"{PREFIX}DATABASE_URL" if url else f"{PREFIX}DATA_DIR"
        return [Check("Database", "fail", problem.detail, fix)]
    try:
        return [await _revision(db), await master_keys(db, settings)]
    finally:
        await db.close()


async def _revision(db: Database) -> Check:
    try:
        await check_revision(db)
    except SchemaBehind as behind:
        if db.dialect == "sqlite":
            return Check("Database", "warn", "its schema is older; the next `setuplinks serve` migrates it")
        return Check("Database", "fail", behind.detail, "setuplinks migrate")
    except Problem as problem:
        return Check("Database", "fail", problem.detail, f"{PREFIX}DATABASE_URL")
    kind = "SQLite, one file" if db.dialect == "sqlite" else "PostgreSQL"
    return Check("Database", "pass", f"{kind}, at this program's revision")


async def master_keys(db: Database, settings: Settings) -> Check:
    """Whether the master keys open what they once wrapped."""
    fix, ring = f"{PREFIX}MASTER_KEYS: every key that was ever current", settings.key_ring
    try:
        rows = await db.read(FIND_DATA_KEYS, MOST_KEYS)
        for row in rows:
            ring.unwrap(row["tenant_id"], row["id"], row["kid"], bytes(row["wrapped"]))
    except VaultClosed as closed:
        return Check("Master keys", "fail", closed.detail, fix)
    except Problem:  # without a schema there is nothing that they could open; the row above says so
        return Check("Master keys", "warn", "not looked at: the database has no tables yet")
    former = sum(1 for row in rows if row["kid"] != ring.current)
    if former:
        said = f"{former} data keys are under a former master key"
        return Check("Master keys", "warn", said, "setuplinks master-keys rewrap")
    return Check("Master keys", "pass", f"{ring.current!r} opens every data key ({len(rows)} looked at)")


async def of_meta(settings: Settings, clock: Clock) -> list[Check]:
    """What can be asked from here without a customer: app and secret, the SDK, and the clock by its answer."""
    return [await app_secret(settings, clock), *await sdk_and_clock(settings)]


async def app_secret(settings: Settings, clock: Clock) -> Check:
    """Asks Meta about the app's own token, which is made of id and secret.

    https://developers.facebook.com/docs/graph-api/reference/debug_token
    """
    name, fix = "Meta app", f"{PREFIX}META_APP_ID and {PREFIX}META_APP_SECRET; {META_GUIDE}"
    secret = Secret(settings.meta_app_secret.get_secret_value())
    async with Graph(
        settings.meta_graph_url, settings.meta_graph_version, settings.meta_app_id, secret, clock=clock
    ) as graph:
        try:
            info = await graph.debug_token(graph.app_token)
        except GraphError as error:
            return _graph_failed(name, settings, error, fix)
    if info.app_id is not None and info.app_id != settings.meta_app_id:
        return Check(name, "fail", f"Meta says that the secret belongs to the app {info.app_id}", fix)
    return Check(name, "pass", f"{settings.meta_graph_url} takes id and secret of the app {settings.meta_app_id}")


def _graph_failed(name: str, settings: Settings, error: GraphError, fix: str) -> Check:
    if error.status == 0:
        said = f"{settings.meta_graph_url} cannot be reached from here"
        return Check(name, "fail", said, f"the network and its proxy, or {PREFIX}META_GRAPH_URL")
    if error.status >= 500 or error.throttled:
        return Check(name, "fail", f"Meta could not answer now (status {error.status})", "try again in a minute")
    told = f": {error.message}" if error.message else f" (status {error.status})"
    return Check(name, "fail", f"Meta refused id or secret{told}", fix)


async def sdk_and_clock(settings: Settings) -> list[Check]:
    """Loads the sign-in script as a browser would; its `Date` tells how far this machine's clock is off."""
    url, fix = settings.meta_sdk_url, f"{PREFIX}META_SDK_URL"
    timeout = aiohttp.ClientTimeout(total=SDK_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            status, date = answer.status, answer.headers.get("Date")
    except (aiohttp.ClientError, TimeoutError, OSError):
        said = f"{url} cannot be reached from here; customers' browsers must reach it"
        return [Check("JavaScript SDK", "warn", said, fix), Check("Clock", "warn", "nobody to compare it with")]
    found = Check("JavaScript SDK", "pass", url)
    if status != 200:
        found = Check("JavaScript SDK", "fail", f"{url} answers {status}", fix)
    return [found, clock_against(date, time.time())]


def clock_against(date: str | None, now: float) -> Check:
    """This machine's clock (unix seconds) against the `Date` of an answer that came just now."""
    try:
        off = now - parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return Check("Clock", "warn", "the answer of the SDK's host has no date to compare with")
    if abs(off) <= SKEW_SEEN:
        return Check("Clock", "pass", "it is right within 10 seconds")
    way = "ahead" if off > 0 else "behind"
    return Check(
        "Clock", "fail" if abs(off) > SKEW_BAD else "warn",
        f"it is {abs(off):.0f} seconds {way}: signatures carry the time, and receivers refuse what is 5 minutes off",
        "time synchronisation (NTP) of this machine",
    )  # fmt: skip


async def examine(settings: Settings, clock: Clock) -> list[Check]:
    """All rows, in the order in which things depend on each other."""
    return [*of_settings(settings), *await of_database(settings), *await of_meta(settings, clock)]
