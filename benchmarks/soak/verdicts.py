"""What the soak must not find: something lost, something doubled, a link without a way on, a secret in the open.

Owns the checks, each over what stands in the database, at Meta's stand-in, at the tenants' server and in the logs.
"""

from collections import Counter
from typing import Any

from benchmarks.soak.canary import Canary
from benchmarks.soak.scene import Scene
from benchmarks.trial import Verdict
from setuplinks.core.clock import SystemClock
from setuplinks.core.vault import KeyRing, Vault
from setuplinks.migrations.schema import metadata
from setuplinks.setup_links.codes import CODES
from tests.support import sandbox as meta
from tests.support.service import MASTER_KEYS, OPERATOR_KEY

ONCE = ("setup_link.created", "setup_link.completed", "setup_link.failed", "setup_link.revoked", "setup_link.expired")
USED = {"active", "pending"}  # a number that is connected


async def all_of(scene: Scene) -> list[Verdict]:
    """Every check, over a scene whose programs have ended."""
    tables = {name: await scene.ground.rows(f"SELECT * FROM {name}") for name in metadata.tables}  # noqa: S608
    held = await _held(scene, tables)
    return [
        _links(tables),
        _events(scene, tables),
        _messages(scene),
        _doubled(tables),
        Verdict("webhooks are signed, and the same each time", f"{scene.receiver.posts} came", scene.receiver.problems),
        _tokens(scene, tables, held),
        _subscriptions(scene, tables),
        _waiting(tables),
        _secrets(scene, tables),
        _crashes(scene),
    ]


def _links(tables: dict[str, list[dict[str, Any]]]) -> Verdict:
    """Each link is completed, or ended with a code that says what to do."""
    links, wrong = tables["setup_link"], []
    for link in links:
        if link["phase"] == "completed" and not link["resulting_waba_id"]:
            wrong.append(f"{link['id']} is completed without an account")
        elif link["phase"] == "failed" and link["failure_code"] not in CODES:
            wrong.append(f"{link['id']} failed with {link['failure_code']}")
        elif link["phase"] not in {"completed", "failed", "revoked"}:
            wrong.append(f"{link['id']} is still {link['phase']}: nobody found a way on")
    counted = Counter(str(link["phase"]) for link in links)
    return Verdict("each link has ended", ", ".join(f"{n} {phase}" for phase, n in counted.most_common()), wrong)


def _events(scene: Scene, tables: dict[str, list[dict[str, Any]]]) -> Verdict:
    """Every committed event has reached its tenant, signed."""
    names = {tenant.id: tenant.name for tenant in scene.tenants}
    wanted = {(names[row["tenant_id"]], row["id"]): row["type"] for row in tables["event"] if row["tenant_id"] in names}
    lost = [f"{wanted[key]} {key[1]}" for key in wanted if key not in scene.receiver.seen]
    never = [f"{event} was never committed" for _, event in scene.receiver.seen.keys() - wanted.keys()]
    return Verdict("every event has arrived", f"{len(wanted)} events", lost + never)


def _messages(scene: Scene) -> Verdict:
    """What an end user wrote to a connected number has reached its tenant, as one event."""
    told = scene.receiver.messages
    wrong = [f"{wamid[:24]} was told as {len(told.get(wamid, ()))} events" for wamid in scene.written
             if len(told.get(wamid, ())) != 1]  # fmt: skip
    return Verdict("every message has arrived, once", f"{len(scene.written)} messages", wrong)


def _doubled(tables: dict[str, list[dict[str, Any]]]) -> Verdict:
    """Nothing was told or made twice."""
    told = Counter((row["link_id"], row["type"]) for row in tables["event"] if row["type"] in ONCE)
    numbers = Counter(
        (row["customer_id"], row["phone_id"]) for row in tables["event"] if row["type"].endswith("number.created")
    )
    runs = Counter(row["link_id"] for row in tables["provisioning"] if row["status"] == "running")
    done = Counter(row["link_id"] for row in tables["setup_link_step"] if row["kind"] == "connected")
    numbers_held = Counter(row["meta_phone_number_id"] for row in tables["phone_number"] if row["status"] in USED)
    wrong = [f"{what}: {key} {count} times" for what, counted in (
        ("told", told), ("number.created", numbers), ("runs at once", runs), ("completed", done),
        ("connected", numbers_held),
    ) for key, count in counted.items() if count > 1]  # fmt: skip
    return Verdict("nothing is doubled", f"{sum(numbers.values())} numbers, {sum(done.values())} completions", wrong)


async def _held(scene: Scene, tables: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Every sealed token, opened: the token → where it stands. One that does not open raises VaultClosed."""
    found: dict[str, str] = {}
    async with scene.ground.database() as db:
        vault = Vault(db, KeyRing.parse(MASTER_KEYS), SystemClock())
        for table, key in (("credential", "waba_id"), ("provisioning", "id"), ("offboarding", "id")):
            for row in tables[table]:
                if row["token"] is not None:
                    sealer = await vault.tenant(row["tenant_id"])
                    found[sealer.open(row["token"], table, row[key], "token").decode()] = f"{table} {row[key]}"
    return found


def _tokens(scene: Scene, tables: dict[str, list[dict[str, Any]]], held: dict[str, str]) -> Verdict:
    """A grant that was taken up is held while it is needed, and erased where it ended without an account."""
    granted = scene.ground.world.tokens
    wrong = [f"{where} holds a token that Meta never gave" for token, where in held.items() if token not in granted]
    wrong += [
        f"provisioning {row['id']} has ended as {row['status']} and keeps its token"
        for row in tables["provisioning"]
        if row["status"] != "running" and row["token"] is not None
    ]
    accounts = {(row["tenant_id"], row["waba_id"]) for row in tables["credential"]}
    wrong += [
        f"number {row['id']} is connected without a token"
        for row in tables["phone_number"]
        if row["status"] in USED and (row["tenant_id"], row["waba_id"]) not in accounts
    ]
    return Verdict("tokens are held, or cleaned up", f"{len(held)} held of {len(granted)} granted", wrong)


def _subscriptions(scene: Scene, tables: dict[str, list[dict[str, Any]]]) -> Verdict:
    """The app is subscribed where a number is connected, and nowhere else."""
    needed = {row["meta_waba_id"] for row in tables["connected_number"]}
    there = {waba.id for waba in scene.ground.world.wabas.values() if waba.subscriptions}
    wrong = [f"{waba} is connected and not subscribed" for waba in sorted(needed - there)]
    wrong += [f"{waba} is subscribed and nobody's" for waba in sorted(there - needed)]
    return Verdict("subscriptions are where numbers are", f"{len(there)} subscribed", wrong)


def _waiting(tables: dict[str, list[dict[str, Any]]]) -> Verdict:
    """Nothing waits any more that somebody waits for."""
    waiting = Counter(f"delivery {row['status']}" for row in tables["delivery"] if row["status"] != "delivered")
    waiting += Counter("a running provisioning" for row in tables["provisioning"] if row["status"] == "running")
    waiting += Counter("an open off-boarding" for row in tables["offboarding"] if row["due_at"] is not None)
    wrong = [f"{count} times {what}" for what, count in waiting.items()]
    return Verdict("nothing waits", f"{len(tables['delivery'])} deliveries done", wrong)


def _secrets(scene: Scene, tables: dict[str, list[dict[str, Any]]]) -> Verdict:
    """No token, code, PIN or key stands in a log line or in the database."""
    keys = [tenant.api.key or "" for tenant in scene.tenants]
    keys += [*scene.receiver.secrets.values(), OPERATOR_KEY, MASTER_KEYS.partition(":")[2]]
    keys += [secret.removeprefix("whsec_") for secret in scene.receiver.secrets.values()]
    world = scene.ground.world
    # The sandbox's app secret and verify token are words that could stand anywhere; these are looked for as they are.
    long = [*world.tokens, *world.codes, *keys, meta.APP_SECRET, meta.VERIFY_TOKEN]
    canary = Canary(long, [number.pin for number in world.numbers.values() if number.pin])
    logs = scene.ground.logs()
    wrong = canary.in_logs(logs)
    for name, rows in tables.items():
        wrong += canary.in_rows(name, rows)
    lines = sum(log.read_bytes().count(b"\n") for log in logs)
    rows_seen = sum(map(len, tables.values()))
    return Verdict("no secret in logs and database", f"{lines:,} log lines, {rows_seen:,} rows", wrong)


def _crashes(scene: Scene) -> Verdict:
    """Bad weather is no crash: no program has printed a traceback."""
    wrong = []
    for log in scene.ground.logs():
        text = log.read_text(encoding="utf-8", errors="replace")
        wrong += [f"{log.name}: {line[:200]}" for line in text.splitlines() if "Traceback" in line]
    return Verdict("no program has crashed", f"{scene.kills} sudden deaths", wrong)
