"""Single settings for commands that run before all of them are there: the sandbox, `init`, `migrate`, the verbs.

Owns the reading of what is given, in the same order as `settings`: the environment, then the file. It checks nothing.
"""

import os
from pathlib import Path

from setuplinks.settings import ENV_FILE, PREFIX, SECRETS, Settings, SettingsInvalid, load, read_env_file

NOT_YET = "not set yet"
OF_META = ("meta_app_id", "meta_app_secret", "meta_config_id", "meta_verify_token")


def given_settings(*, with_file: bool = True) -> dict[str, str]:
    """Field name → text, of those that are not empty; a secret's file is read where it can be."""
    found: dict[str, str] = {}
    in_file = read_env_file(Path(ENV_FILE)) if with_file else {}
    for name, text in {**in_file, **os.environ}.items():
        field = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX) or not text:
            continue
        if field.removesuffix("_file") in SECRETS and field.endswith("_file"):
            path = Path(text)
            if path.is_file():
                found[field.removesuffix("_file")] = path.read_text(encoding="utf-8").strip()
        else:
            found.setdefault(field, text)
    return found


def without_meta() -> Settings:
    """The settings for work that never talks to Meta, so that tenants and customers can be made before the Meta app.

    Raises SettingsInvalid with one line for each of the others that is missing or wrong.
    """
    given = {**read_env_file(Path(ENV_FILE)), **os.environ}
    present = given_settings()
    for field in OF_META:
        if field not in present:
            given[PREFIX + field.upper()] = NOT_YET
    return load(given, Path(os.devnull))


def database_place() -> tuple[str | None, Path]:
    """DATABASE_URL (None: SQLite) and DATA_DIR, for work that needs no other setting. Raises SettingsInvalid."""
    try:
        load()
    except SettingsInvalid as invalid:
        mine = [line for line in invalid.lines if line.startswith((f"{PREFIX}DATABASE_", f"{PREFIX}DATA_DIR"))]
        if mine:
            raise SettingsInvalid(mine) from None
    given = given_settings()
    return given.get("database_url"), Path(given.get("data_dir", Settings.model_fields["data_dir"].default))
