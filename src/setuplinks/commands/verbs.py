"""How the verbs are said: `tenants`, `customers`, `links`, `api-keys`, `master-keys`, their arguments, options, help.

Owns no work: each leads to `tenant_acts` or `customer_acts`, which are read only when a verb runs.
"""

from typing import Annotated, Literal

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Limit = Annotated[int, typer.Option(help="The most that are shown, newest first.", min=1, max=10_000)]
TenantId = Annotated[int, typer.Argument(help="The tenant's id.", min=1)]
CustomerId = Annotated[int, typer.Argument(help="The customer's id.", min=1)]
KeyName = Annotated[str, typer.Argument(help="What it is for.")]
KeyId = Annotated[int, typer.Argument(help="The key's id.", min=1)]
KeyEnds = Annotated[str | None, typer.Option(help="RFC 3339; else it does not end.")]
LinkId = Annotated[str, typer.Argument(help="The setup link's id.")]
Sure = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
SHOWN = 50

tenants = typer.Typer(help="SaaS companies whose customers are onboarded.", no_args_is_help=True)
customers = typer.Typer(help="Businesses that a tenant onboards.", no_args_is_help=True)
links = typer.Typer(help="Setup links.", no_args_is_help=True)
api_keys = typer.Typer(help="A tenant's API keys.", no_args_is_help=True)
master_keys = typer.Typer(help="The keys that seal every secret in the database.", no_args_is_help=True)


@tenants.command("create")
def create_tenant(name: Annotated[str, typer.Argument(help="Shown to its customers.")], as_json: Json = False) -> None:
    """Make a tenant. Its API key comes by `api-keys create`."""
    from setuplinks.commands import tenant_acts

    tenant_acts.create_tenant(name, as_json=as_json)


@tenants.command("list")
def list_tenants(limit: Limit = SHOWN, as_json: Json = False) -> None:
    """List the tenants."""
    from setuplinks.commands import tenant_acts

    tenant_acts.list_tenants(limit, as_json=as_json)


@tenants.command("show")
def show_tenant(tenant_id: TenantId, as_json: Json = False) -> None:
    """Show one tenant."""
    from setuplinks.commands import tenant_acts

    tenant_acts.show_tenant(tenant_id, as_json=as_json)


@tenants.command("suspend")
def suspend_tenant(tenant_id: TenantId, as_json: Json = False) -> None:
    """Suspend a tenant: its keys only read, its links do not start."""
    from setuplinks.commands import tenant_acts

    tenant_acts.set_status(tenant_id, "suspended", as_json=as_json)


@tenants.command("activate")
def activate_tenant(tenant_id: TenantId, as_json: Json = False) -> None:
    """Let a suspended tenant go on."""
    from setuplinks.commands import tenant_acts

    tenant_acts.set_status(tenant_id, "active", as_json=as_json)


@tenants.command("delete")
def delete_tenant(
    tenant_id: TenantId,
    cascade: Annotated[bool, typer.Option("--cascade", help="Off-board its customers first.")] = False,
    yes: Sure = False,
) -> None:
    """Delete a tenant for good; refused while it has customers, unless --cascade is given."""
    _ask(f"Delete tenant {tenant_id}{' and off-board all its customers' if cascade else ''}?", yes)
    from setuplinks.commands import tenant_acts

    tenant_acts.delete_tenant(tenant_id, cascade=cascade)


@customers.command("create")
def create_customer(
    tenant_id: TenantId,
    name: Annotated[str, typer.Argument(help="The business's name.")],
    external_id: Annotated[str | None, typer.Option(help="The tenant's own id for it.")] = None,
    email: Annotated[str | None, typer.Option(help="Its e-mail address.")] = None,
    phone: Annotated[str | None, typer.Option(help="Its phone number.")] = None,
    as_json: Json = False,
) -> None:
    """Make a customer of a tenant."""
    from setuplinks.commands import customer_acts

    customer_acts.create_customer(tenant_id, name, external_id, email, phone, as_json=as_json)


@customers.command("list")
def list_customers(tenant_id: TenantId, limit: Limit = SHOWN, as_json: Json = False) -> None:
    """List a tenant's customers."""
    from setuplinks.commands import customer_acts

    customer_acts.list_customers(tenant_id, limit, as_json=as_json)


@customers.command("show")
def show_customer(customer_id: CustomerId, as_json: Json = False) -> None:
    """Show one customer."""
    from setuplinks.commands import customer_acts

    customer_acts.show_customer(customer_id, as_json=as_json)


@customers.command("delete")
def delete_customer(customer_id: CustomerId, yes: Sure = False) -> None:
    """Off-board a customer for good: links revoked, numbers let go, secrets and payloads erased."""
    _ask(f"Off-board customer {customer_id} and erase its data?", yes)
    from setuplinks.commands import customer_acts

    customer_acts.delete_customer(customer_id)


@links.command("create")
def create_link(
    customer_id: CustomerId,
    success_url: Annotated[str | None, typer.Option(help="successRedirectUrl.")] = None,
    failure_url: Annotated[str | None, typer.Option(help="failureRedirectUrl.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="RFC 3339, such as 2026-05-25T23:59:59Z; else 7 days.")] = None,
    connection_type: Annotated[list[str] | None, typer.Option(help="dedicated or coexistence; else both.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the pages, such as es.")] = None,
    state: Annotated[str | None, typer.Option(help="Comes back on the redirect and in events.")] = None,
    reconnect: Annotated[int | None, typer.Option(help="The id of the number to reconnect.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Make a setup link for a customer. An older open one of the same purpose is revoked."""
    from setuplinks.commands import customer_acts

    wish = customer_acts.link_wish(
        success_redirect_url=success_url, failure_redirect_url=failure_url, expires_at=expires_at,
        allowed_connection_types=connection_type, language=language, state=state, reconnect_phone_number_id=reconnect,
    )  # fmt: skip
    customer_acts.create_link(customer_id, wish, as_json=as_json)


@links.command("list")
def list_links(
    tenant: Annotated[int | None, typer.Option(help="All links of this tenant.", min=1)] = None,
    customer: Annotated[int | None, typer.Option(help="All links of this customer.", min=1)] = None,
    status: Annotated[
        Literal["pending", "completed", "failed", "expired", "revoked"] | None,
        typer.Option(help="Only of this status."),
    ] = None,
    limit: Limit = SHOWN,
    as_json: Json = False,
) -> None:
    """List setup links of a tenant or of one customer."""
    if tenant is None and customer is None:
        raise typer.BadParameter("say --tenant or --customer")
    from setuplinks.commands import customer_acts

    customer_acts.list_links(tenant, customer, status, limit, as_json=as_json)


@links.command("show")
def show_link(link_id: LinkId, as_json: Json = False) -> None:
    """Show one setup link, with its URL while it is open."""
    from setuplinks.commands import customer_acts

    customer_acts.show_link(link_id, as_json=as_json)


@links.command("revoke")
def revoke_link(link_id: LinkId, as_json: Json = False) -> None:
    """Revoke an open setup link."""
    from setuplinks.commands import customer_acts

    customer_acts.revoke_link(link_id, as_json=as_json)


@links.command("timeline")
def show_timeline(link_id: LinkId, as_json: Json = False) -> None:
    """Show every step of a setup link with its time."""
    from setuplinks.commands import customer_acts

    customer_acts.show_timeline(link_id, as_json=as_json)


@api_keys.command("create")
def create_key(
    tenant_id: TenantId,
    name: KeyName,
    scope: Annotated[
        list[str] | None, typer.Option(help="admin, read or gateway; may be repeated; else admin.")
    ] = None,
    expires_at: KeyEnds = None,
    as_json: Json = False,
) -> None:
    """Make an API key; it is shown this once."""
    from setuplinks.commands import tenant_acts

    tenant_acts.create_key(tenant_id, name, list(scope) if scope else None, expires_at, as_json=as_json)


@api_keys.command("list")
def list_keys(tenant_id: TenantId, limit: Limit = SHOWN, as_json: Json = False) -> None:
    """List a tenant's living API keys."""
    from setuplinks.commands import tenant_acts

    tenant_acts.list_keys(tenant_id, limit, as_json=as_json)


@api_keys.command("revoke")
def revoke_key(tenant_id: TenantId, key_id: KeyId) -> None:
    """Revoke an API key."""
    from setuplinks.commands import tenant_acts

    tenant_acts.revoke_key(tenant_id, key_id)


@master_keys.command("new")
def new_master_key() -> None:
    """Print a fresh master key. Put it before the others in SETUPLINKS_MASTER_KEYS, restart, then `rewrap`."""
    from setuplinks.commands.fresh_keys import new_master_key as fresh

    typer.echo(fresh())


@master_keys.command("rewrap")
def rewrap() -> None:
    """Wrap every data key under the first key of SETUPLINKS_MASTER_KEYS; then the others may go."""
    from setuplinks.commands import tenant_acts

    tenant_acts.rewrap()


def _ask(question: str, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True)
