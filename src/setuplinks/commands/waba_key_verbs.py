"""How the verbs of `waba-keys` are said: their arguments, options, help. The work stands in `waba_key_acts`."""

from typing import Annotated

import typer

from setuplinks.commands.verbs import SHOWN, Json, KeyEnds, KeyId, KeyName, Limit

WabaId = Annotated[int, typer.Argument(help="The WABA's id, ours and not Meta's.", min=1)]

waba_keys = typer.Typer(help="Keys that reach one WABA through the gateway.", no_args_is_help=True)


@waba_keys.command("create")
def create_key(
    waba_id: WabaId,
    name: KeyName,
    scope: Annotated[
        list[str] | None, typer.Option(help="send, manage or read; may be repeated; else all three.")
    ] = None,
    expires_at: KeyEnds = None,
    address: Annotated[
        list[str] | None, typer.Option(help="Address or range it may be used from; may be repeated; else any.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key; it is shown this once."""
    from setuplinks.commands import waba_key_acts

    waba_key_acts.create_key(waba_id, name, scope or None, expires_at, address or None, as_json=as_json)


@waba_keys.command("list")
def list_keys(waba_id: WabaId, limit: Limit = SHOWN, as_json: Json = False) -> None:
    """List a WABA's living keys."""
    from setuplinks.commands import waba_key_acts

    waba_key_acts.list_keys(waba_id, limit, as_json=as_json)


@waba_keys.command("revoke")
def revoke_key(waba_id: WabaId, key_id: KeyId) -> None:
    """Revoke a key."""
    from setuplinks.commands import waba_key_acts

    waba_key_acts.revoke_key(waba_id, key_id)
