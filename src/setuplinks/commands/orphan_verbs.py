"""How the verbs of `orphans` are said: their arguments, options, help. The work stands in `orphan_acts`."""

from typing import Annotated, Literal

import typer

from setuplinks.commands.verbs import SHOWN, Json, Limit

OrphanId = Annotated[int, typer.Argument(help="The authorisation's id.", min=1)]

orphans = typer.Typer(
    help="Accounts that were shared with your app while no setup link awaited them.", no_args_is_help=True
)


@orphans.command("list")
def list_orphans(
    status: Annotated[
        Literal["awaited", "open", "recovering", "connected", "removed", "dismissed", "all"],
        typer.Option(help="Only of this status."),
    ] = "open",
    limit: Limit = SHOWN,
    as_json: Json = False,
) -> None:
    """List the accounts that wait for you, or those of another status."""
    from setuplinks.commands import orphan_acts

    orphan_acts.list_orphans(None if status == "all" else status, limit, as_json=as_json)


@orphans.command("assign")
def assign_orphan(
    orphan_id: OrphanId,
    customer_id: Annotated[int, typer.Argument(help="The id of the customer whose account it is.", min=1)],
    as_json: Json = False,
) -> None:
    """Connect an account for a customer, with a token that Meta gives your portfolio. The running service does it."""
    from setuplinks.commands import orphan_acts

    orphan_acts.assign(orphan_id, customer_id, as_json=as_json)


@orphans.command("dismiss")
def dismiss_orphan(orphan_id: OrphanId) -> None:
    """Say that nothing is to be done about an account."""
    from setuplinks.commands import orphan_acts

    orphan_acts.dismiss(orphan_id)
