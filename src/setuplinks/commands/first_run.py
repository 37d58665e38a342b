"""`setuplinks init` and `migrate`: from an empty folder to a service that can be started and a tenant with a key.

Owns the settings file that `init` writes and the order in which file and rows come to be: the file is put in place
last, and never without the keys that the rows were sealed with.
"""

import asyncio
import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from setuplinks.commands.faults import Refused
from setuplinks.commands.fresh_keys import new_master_key
from setuplinks.commands.given import NOT_YET, OF_META, database_place, given_settings
from setuplinks.core import logs
from setuplinks.core.clock import SystemClock
from setuplinks.core.db.database import Database
from setuplinks.core.db.open import FILE_NAME, open_database
from setuplinks.core.ids import crockford
from setuplinks.core.vault import KeyRing, Vault, VaultClosed
from setuplinks.migrations.apply import HEAD, check_revision, migrate
from setuplinks.settings import ENV_FILE, PREFIX, load, read_env_file
from setuplinks.tenants import service as tenants
from setuplinks.tenants.auth import CLI
from setuplinks.tenants.keys import OPERATOR_PREFIX, new_key

PUBLIC_URL = "http://127.0.0.1:8080"
SANDBOX_URL = "http://localhost:8090"
VERIFY_TOKEN_BITS = 160


@dataclass(frozen=True)
class Begun:
    """What `init` made; the key is shown once."""

    tenant_id: int
    tenant_name: str
    key: str


def run_migrate() -> None:
    """Brings the database to this program's schema. Raises SettingsInvalid, DatabaseAway, DatabaseBusy, SchemaAhead."""
    url, data_dir = database_place()

    async def work() -> None:
        await migrate(url, data_dir)
        db = await open_database(url, data_dir, flock=False)
        try:
            await check_revision(db)
        finally:
            await db.close()

    asyncio.run(work())
    which = str(data_dir / FILE_NAME) if url is None else "The PostgreSQL database"
    typer.echo(f"{which} is at revision {HEAD}.")


def run_init(tenant: str, *, sandbox: bool, force: bool) -> None:
    """Writes the file, makes tenant and key, and prints what to do next. Raises Refused, SettingsInvalid, Invalid."""
    path = Path(ENV_FILE)
    if path.exists() and not force:
        raise Refused(f"{ENV_FILE} exists already in {Path.cwd()}; --force writes a new one and keeps its master keys.")
    lines = _lines(read_env_file(path), sandbox=sandbox)
    ready = path.with_name(ENV_FILE + ".new")
    try:
        _write(ready, _text(lines, sandbox=sandbox))
        begun = asyncio.run(_begin(lines, tenant))
        ready.replace(path)
    finally:
        ready.unlink(missing_ok=True)
    public_url = {**lines, **given_settings(with_file=False)}["public_url"]
    typer.echo(_told(begun, public_url, sandbox=sandbox))


def _lines(former: Mapping[str, str], *, sandbox: bool) -> dict[str, str]:
    """Field → value of what the file will say. What a former file sealed must open, so its master keys follow ours."""
    fresh = new_master_key()
    old = former.get(PREFIX + "MASTER_KEYS", "")
    lines = {
        "public_url": PUBLIC_URL,
        "master_keys": f"{fresh},{old}" if old else fresh,
        "operator_key": new_key(OPERATOR_PREFIX),
        "meta_verify_token": crockford(VERIFY_TOKEN_BITS),
        "meta_app_id": "",
        "meta_app_secret": "",
        "meta_config_id": "",
    }
    if sandbox:
        lines |= {
            "meta_app_id": str(10**14 + secrets.randbelow(9 * 10**14)),
            "meta_app_secret": secrets.token_hex(16),
            "meta_config_id": str(10**14 + secrets.randbelow(9 * 10**14)),
            "meta_business_id": str(10**14 + secrets.randbelow(9 * 10**14)),
            "meta_system_token": f"EAA{secrets.token_hex(24)}",
            "meta_graph_url": SANDBOX_URL,
            "meta_dialog_url": SANDBOX_URL,
            "meta_sdk_url": f"{SANDBOX_URL}/en_US/sdk.js",
            "outbound_allow": "127.0.0.0/8",
        }
    return lines


def _text(lines: Mapping[str, str], *, sandbox: bool) -> str:
    above = {
        "master_keys": "Seals every secret in the database. Keep a copy: without it nothing sealed can be opened.",
        "operator_key": "Reaches everything.",
        "meta_verify_token": "Say this to Meta where it asks for the verify token of your webhook.",
        "meta_app_id": "The app at the sandbox; it takes them from here." if sandbox else "From your Meta app.",
        "meta_graph_url": "The sandbox in place of Meta: `setuplinks sandbox`.",
        "outbound_allow": "Webhooks may go to this machine. Not for production.",
    }
    out = ["# Settings of setuplinks. The environment wins over this file.", ""]
    for field, value in lines.items():
        if field in above:
            out.append(f"# {above[field]}")
        name = PREFIX + field.upper()
        out.append(f"# {name} is set in the environment." if _taken(field) else f"{name}={value}")
    return "\n".join(out) + "\n"


def _taken(field: str) -> bool:
    """Whether the environment says it already, itself or by a file: then ours is neither written nor used."""
    name = PREFIX + field.upper()
    return name in os.environ or f"{name}_FILE" in os.environ


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(place, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


async def _begin(lines: Mapping[str, str], name: str) -> Begun:
    logs.configure("warning")
    present = {**lines, **given_settings(with_file=False)}
    filled = {PREFIX + field.upper(): value for field, value in lines.items() if not _taken(field)}
    filled |= {PREFIX + field.upper(): NOT_YET for field in OF_META if not present.get(field)}
    settings = load({**filled, **os.environ}, Path(os.devnull))
    url = None if settings.database_url is None else settings.database_url.get_secret_value()
    if url is None:
        await migrate(None, settings.data_dir)
    db = await open_database(url, settings.data_dir, flock=False)
    try:
        await check_revision(db)
        clock = SystemClock()
        vault = Vault(db, settings.key_ring, clock)
        await _same_keys(vault, settings.key_ring)
        return await _first_tenant(db, vault, name, clock.now(), loopback=settings.on_loopback)
    finally:
        await db.close()


async def _same_keys(vault: Vault, ring: KeyRing) -> None:
    """Rows under another master key must not be joined by rows under ours: no file would open both."""
    try:
        await vault.installation()
    except VaultClosed as closed:
        raise Refused(
            f"The database holds data under another master key ({closed.detail}) Set SETUPLINKS_MASTER_KEYS to the "
            f"former keys, or move the database away. The new key was {ring.current}; nothing was written."
        ) from None


async def _first_tenant(db: Database, vault: Vault, name: str, now: int, *, loopback: bool) -> Begun:
    async with db.transaction() as tx:
        wish = tenants.Wish(name=name)
        tenant = await tenants.create(tx, db, vault, wish, now=now, actor=CLI.actor, loopback=loopback)
    async with db.transaction() as tx:
        _, key = await tenants.create_key(
            tx, db, tenant.id, name="first key", scopes=None, expires_at=None, now=now, actor=CLI.actor
        )
    return Begun(tenant.id, tenant.name, key)


def _program() -> str:
    """How this program is called here: by its name where the shell finds it, else as it was called just now."""
    return shlex.quote("setuplinks" if shutil.which("setuplinks") else sys.argv[0])


def _told(begun: Begun, public_url: str, *, sandbox: bool) -> str:
    program = _program()
    if sandbox:
        start = f"  {program} sandbox    # the stand-in for Meta, in a terminal of its own\n  {program} serve"
    else:
        start = (
            f"  Fill in the SETUPLINKS_META_… lines of {ENV_FILE} (docs/guides/meta-app.md), then:\n  {program} serve"
        )
    key = shlex.quote(begun.key)
    return f"""\
Wrote {ENV_FILE}, which only you can read. It holds the master key: keep a copy of it.

  Tenant   {begun.tenant_name} (id {begun.tenant_id})
  API key  {begun.key}
           It is shown this once.

Start:

{start}

A customer, and the link to send to them:

  export KEY={key} API={public_url}

  curl -s "$API/admin/tenants/{begun.tenant_id}/customers" \\
    -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
    -d '{{"name": "Clínica San Lucas", "external_id": "clinic_001"}}'

  curl -s "$API/admin/customers/1/setup-links" \\
    -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
    -d '{{"successRedirectUrl": "https://your-app.com/onboarding/success",
         "failureRedirectUrl": "https://your-app.com/onboarding/failed"}}'

(1 is the customer's id in the first answer.)

Whether all is ready, while it runs:

  {program} doctor    # or, with SETUPLINKS_OPERATOR_KEY, {public_url}/dashboard"""
