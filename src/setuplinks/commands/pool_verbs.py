"""How the verbs of `number-pool` are said: their arguments, options, help. The work stands in `pool_acts`."""

from typing import Annotated, Literal

import typer

from setuplinks.commands.verbs import SHOWN, Json, Limit

NumberId = Annotated[int, typer.Argument(help="The number's id in the pool.", min=1)]

number_pool = typer.Typer(help="Numbers that you offer to customers who have none.", no_args_is_help=True)


@number_pool.command("add")
def add_number(
    number: Annotated[str, typer.Argument(help="With its country code: +54 351 555 0100.")],
    country: Annotated[str | None, typer.Option(help="ISO code such as AR; else by the number.")] = None,
    as_json: Json = False,
) -> None:
    """Add a number that you have bought elsewhere, here and at Meta."""
    from setuplinks.commands import pool_acts

    pool_acts.add_number(number, country, as_json=as_json)


@number_pool.command("list")
def list_numbers(limit: Limit = SHOWN, as_json: Json = False) -> None:
    """List the pool's numbers, their states, and when each has to be verified again."""
    from setuplinks.commands import pool_acts

    pool_acts.list_numbers(limit, as_json=as_json)


@number_pool.command("request-code")
def request_code(
    number_id: NumberId,
    method: Annotated[Literal["SMS", "VOICE"], typer.Option(help="By message or by a call.")] = "SMS",
    language: Annotated[str, typer.Option(help="Language of the message, such as en_US.")] = "en_US",
    as_json: Json = False,
) -> None:
    """Have Meta send a code to the number."""
    from setuplinks.commands import pool_acts

    pool_acts.request_code(number_id, method, language, as_json=as_json)


@number_pool.command("verify-code")
def verify_code(
    number_id: NumberId,
    code: Annotated[str, typer.Argument(help="The six digits that came.")],
    as_json: Json = False,
) -> None:
    """Hand in the code; customers may then be offered the number for 90 days."""
    from setuplinks.commands import pool_acts

    pool_acts.verify_code(number_id, code, as_json=as_json)


@number_pool.command("remove")
def remove_number(number_id: NumberId) -> None:
    """Take a number out of the pool; at Meta it stays in your portfolio."""
    from setuplinks.commands import pool_acts

    pool_acts.remove_number(number_id)
