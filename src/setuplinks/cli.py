"""The command line: what can be said, and to which part of `commands` it leads.

Owns names, options and help. Each command reads what it needs when it runs, so that every start is quick.
"""

from typing import Annotated, Literal

import typer

from setuplinks.commands import orphan_verbs, pool_verbs, verbs, waba_key_verbs

app = typer.Typer(
    name="setuplinks",
    help="Self-hosted setup links: your customers connect their own WhatsApp number, you get a signed webhook.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Host = Annotated[str, typer.Option(help="The address to listen on.")]


@app.command()
def init(
    tenant: Annotated[str, typer.Option(help="Name of the first tenant, shown to its customers.")] = "Acme",
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Fill in the settings for the local sandbox.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace setuplinks.env; its master keys are kept.")] = False,
) -> None:
    """Write setuplinks.env with fresh keys, make the first tenant and its API key, and say what comes next."""
    from setuplinks.commands import first_run

    first_run.run_init(tenant, sandbox=sandbox, force=force)


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.", min=0, max=65535)] = 8080,
    workers: Annotated[bool, typer.Option("--workers/--no-workers", help="Do the due work in this process.")] = True,
) -> None:
    """Serve pages and API.

    A SQLite database is migrated at start; PostgreSQL is refused while a migration is pending.
    SIGTERM ends it gracefully: requests and work that are under way are finished.
    """
    from setuplinks.settings import load

    settings = load()
    from setuplinks.commands import serving

    serving.run(serving.serve(settings, host, port, workers=workers))


@app.command()
def worker() -> None:
    """Do the due work only, beside `serve --no-workers` on the same PostgreSQL."""
    from setuplinks.settings import load

    settings = load()
    from setuplinks.commands import serving

    serving.run(serving.work(settings))


@app.command()
def migrate() -> None:
    """Bring the database to this program's schema. Of the settings, only those of the database are needed."""
    from setuplinks.commands import first_run

    first_run.run_migrate()


@app.command()
def sandbox(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.", min=0, max=65535)] = 8090,
) -> None:
    """Run the stand-in for Meta: sign-in dialog, Graph API, JavaScript SDK, notifications.

    It takes the SETUPLINKS_META_… settings where they are set and accepts any app where they are not.
    """
    from setuplinks.commands import sandboxing

    sandboxing.run(host, port)


@app.command()
def walk(
    link_url: Annotated[str, typer.Argument(help="The setup link's URL.")],
    scenario: Annotated[str | None, typer.Option(help="How the signup goes, by the sandbox's name for it.")] = None,
    transport: Annotated[
        Literal["page", "popup"] | None, typer.Option(help="How the customer signs in; else as the service offers it.")
    ] = None,
    connection_type: Annotated[
        Literal["dedicated", "coexistence"], typer.Option(help="What the customer chooses.")
    ] = "dedicated",
) -> None:
    """Play the customer over HTTP, against the sandbox.

    Prints one JSON object: `finalUrl`, where the browser would leave to (not fetched), and `page`, the last page.
    Exit code 0 where it leaves by a redirect, else 1 with `finalUrl` null.
    """
    from setuplinks.commands import walking
    from setuplinks.walk import Wishes

    raise typer.Exit(walking.run(link_url, Wishes(scenario, transport, connection_type)))


@app.command()
def demo(
    auto: Annotated[
        bool, typer.Option("--auto", help="Play the customer too, print what came of it, and end.")
    ] = False,
) -> None:
    """Show the whole thing on free ports: service, stand-in for Meta, a tenant's inbox and a link to open."""
    from setuplinks.commands import demo as demonstration

    raise typer.Exit(demonstration.run(auto=auto))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Look whether this installation is ready for its first customer; exit code 1 where something fails."""
    from setuplinks.commands import examining

    raise typer.Exit(examining.run(as_json=as_json))


app.add_typer(verbs.tenants, name="tenants")
app.add_typer(verbs.customers, name="customers")
app.add_typer(verbs.links, name="links")
app.add_typer(verbs.api_keys, name="api-keys")
app.add_typer(waba_key_verbs.waba_keys, name="waba-keys")
app.add_typer(verbs.master_keys, name="master-keys")
app.add_typer(pool_verbs.number_pool, name="number-pool")
app.add_typer(orphan_verbs.orphans, name="orphans")


def main() -> None:
    """Runs the command; whatever goes wrong is one plain line and an exit code."""
    try:
        code = app(standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        from setuplinks.commands.faults import explain

        raise SystemExit(explain(error)) from None
    raise SystemExit(code)


if __name__ == "__main__":
    main()
