"""The database: reachable, at this program's schema, durable, under keys that we hold, with room to grow."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from setuplinks.core.db.database import Database
from setuplinks.core.db.errors import SchemaBehind
from setuplinks.core.db.open import FILE_NAME, open_database
from setuplinks.core.problems import Problem
from setuplinks.core.vault import VaultClosed
from setuplinks.doctor.models import Check
from setuplinks.migrations.apply import check_revision
from setuplinks.settings import PREFIX, Settings

MOST_KEYS = 1_000
OPEN_SECONDS = 5.0
LITTLE_SPACE, TOO_LITTLE_SPACE = 2_000_000_000, 200_000_000  # bytes
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
OVER_A_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"})
IN_A_CONTAINER = frozenset({"overlay", "aufs"})

FIND_DATA_KEYS = "SELECT tenant_id, id, kid, wrapped FROM data_key ORDER BY tenant_id, id LIMIT $1"
FIND_KIDS = "SELECT kid, COUNT(*) AS keys FROM data_key GROUP BY kid ORDER BY kid"
# What could be off. SQLite has nothing of the kind: how it writes is our own doing.
FIND_DURABILITY = {
    "sqlite": "SELECT 'fsync' AS name, 'on' AS setting",
    "postgres": (
        "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') "
        "ORDER BY name"
    ),
}


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The database for one examination beside a process that may be serving. Raises DatabaseAway."""
    url = None if settings.database_url is None else settings.database_url.get_secret_value()
    db = await open_database(url, settings.data_dir, pool_size=2, flock=False, command_timeout=OPEN_SECONDS)
    try:
        yield db
    finally:
        await db.close()


def not_there_yet(settings: Settings) -> Check | None:
    """A warning where SQLite's file is still to be made; opening it would make it."""
    file = settings.data_dir / FILE_NAME
    if settings.database_url is not None or file.exists():
        return None
    said = f"{file} is not there yet; `setuplinks serve` makes it"
    return Check("Database", "warn", said, f"{PREFIX}DATA_DIR, where it should be elsewhere")


def away(settings: Settings, problem: Problem) -> Check:
    """The row for a database that cannot be opened."""
    return Check(
        "Database", "fail", problem.detail, f"{PREFIX}{'DATABASE_URL' if settings.database_url else 'DATA_DIR'}"
    )


async def of_database(db: Database, settings: Settings) -> list[Check]:
    """Revision, durability and keys."""
    return [await revision(db), await durability(db, settings), await master_keys(db, settings)]


async def revision(db: Database) -> Check:
    """Whether this program can serve the schema."""
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


async def durability(db: Database, settings: Settings) -> Check:
    """Whether what was committed survives a power cut."""
    if db.dialect == "sqlite":
        return await asyncio.to_thread(file_durability, settings.data_dir, on_loopback=settings.on_loopback)
    try:
        found = {row["name"]: row["setting"] for row in await db.read(FIND_DURABILITY[db.dialect])}
    except Problem as problem:
        return Check("Durability", "warn", f"not looked at: {problem.detail}")
    off = [name for name, setting in found.items() if setting == "off"]
    if off:
        said = f"PostgreSQL runs with {' and '.join(f'{name} = off' for name in off)}: a power cut may lose commits"
        return Check("Durability", "warn", said, "postgresql.conf of the database server: set it to on")
    return Check("Durability", "pass", "PostgreSQL writes each commit to disk")


def file_durability(folder: Path, *, on_loopback: bool) -> Check:
    """Whether SQLite's file stands where it lasts, by the kind of file system."""
    kind, fix = file_system(folder), f"{PREFIX}DATA_DIR: a folder on a disk of this machine, or a volume"
    if kind in IN_MEMORY:
        return Check("Durability", "warn", f"{folder} is in memory ({kind}): a restart of the machine empties it", fix)
    if kind in OVER_A_NETWORK:
        said = f"{folder} is on a network ({kind}): SQLite's locks do not hold there"
        return Check("Durability", "fail", said, f"{fix}; or PostgreSQL by {PREFIX}DATABASE_URL")
    if kind in IN_A_CONTAINER and not on_loopback:
        return Check("Durability", "warn", f"{folder} is inside of a container ({kind}) and goes with it", fix)
    return Check("Durability", "pass", "SQLite writes each commit to disk")


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, as Linux names it; empty where nobody tells."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
        place = folder.resolve()
    except OSError:
        return ""
    found, kind = Path("/"), ""
    for line in lines:
        _, mounted, name, *_ = line.split(" ")
        at = Path(mounted.replace("\\040", " "))
        if (at == place or at in place.parents) and len(at.parts) >= len(found.parts):
            found, kind = at, name
    return kind


async def master_keys(db: Database, settings: Settings) -> Check:
    """Whether the master keys open what they once wrapped."""
    fix, ring = f"{PREFIX}MASTER_KEYS: every key that was ever current", settings.key_ring
    try:
        kids = {row["kid"]: int(row["keys"]) for row in await db.read(FIND_KIDS)}
        rows = await db.read(FIND_DATA_KEYS, MOST_KEYS)
    except Problem:  # without a schema there is nothing that they could open; the row above says so
        return Check("Master keys", "warn", "not looked at: the database has no tables yet")
    missing = sorted(set(kids) - {ring.current, *ring.former})
    if missing:
        return Check("Master keys", "fail", f"The master key {missing[0]!r} is not in MASTER_KEYS.", fix)
    try:
        for row in rows:
            ring.unwrap(row["tenant_id"], row["id"], row["kid"], bytes(row["wrapped"]))
    except VaultClosed as closed:
        return Check("Master keys", "fail", closed.detail, fix)
    former = sum(number for kid, number in kids.items() if kid != ring.current)
    if former:
        said = f"{former} data keys are under a former master key"
        return Check("Master keys", "warn", said, "setuplinks master-keys rewrap")
    return Check("Master keys", "pass", f"{ring.current!r} opens every data key ({len(rows)} looked at)")


def data_folder(folder: Path, *, little: int = LITTLE_SPACE, too_little: int = TOO_LITTLE_SPACE) -> Check:
    """Whether SQLite's folder can be written to and has room; `little` and `too_little` in bytes."""
    fix = f"{PREFIX}DATA_DIR: a folder that this user may write to"
    place = next(one for one in (folder, *folder.resolve().parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=place):  # leaves nothing, whatever happens
            free = shutil.disk_usage(place).free
    except OSError as error:
        return Check("Data folder", "fail", f"{folder} cannot be written to: {error.strerror}", fix)
    said = f"{free / 1e9:.1f} GB are free in {folder}"
    if free < too_little:
        return Check("Data folder", "fail", f"{said}: soon nothing can be stored", "room on that disk")
    if free < little:
        return Check("Data folder", "warn", said, "room on that disk")
    return Check("Data folder", "pass", said)
