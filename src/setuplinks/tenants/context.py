"""What every route needs, built once by the composition root."""

from dataclasses import dataclass, field

from setuplinks.core.clock import Clock
from setuplinks.core.db.database import Database
from setuplinks.core.vault import Vault
from setuplinks.settings import Settings
from setuplinks.tenants.auth import Auth
from setuplinks.tenants.directory import Directory
from setuplinks.tenants.idempotency import Idempotency


@dataclass(slots=True)
class Deps:
    """The service's parts. `schemas` collects the bodies and answers that routes declare, for the OpenAPI document."""

    settings: Settings
    db: Database
    clock: Clock
    vault: Vault
    directory: Directory
    auth: Auth
    idempotency: Idempotency
    schemas: list[type] = field(default_factory=list)


def build(settings: Settings, db: Database, clock: Clock, vault: Vault) -> Deps:
    """All parts around one database. `await deps.auth.start()` before the first request."""
    directory = Directory(db)
    per_minute = settings.rate_api if settings.rate_limits == "on" else 0
    auth = Auth(db, clock, directory, settings.operator_key.get_secret_value(), per_minute=per_minute)
    return Deps(settings, db, clock, vault, directory, auth, Idempotency(db, vault, clock))
