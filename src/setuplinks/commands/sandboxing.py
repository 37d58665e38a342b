"""Runs the stand-in for Meta from the command line, with the service's own `SETUPLINKS_META_*` where they are set."""

import asyncio
from collections.abc import Mapping

import typer

from setuplinks.commands.faults import cannot_listen
from setuplinks.commands.given import given_settings
from setuplinks.commands.serving import until_asked
from setuplinks.sandbox.config import DEFAULT_PARTNER_BUSINESS_ID, SandboxConfig
from setuplinks.sandbox.server import create_app, listening


def config_of(given: Mapping[str, str]) -> SandboxConfig:
    """What the settings say of the Meta app; what they do not say is not checked."""
    return SandboxConfig(
        app_id=given.get("meta_app_id"),
        app_secret=given.get("meta_app_secret"),
        config_id=given.get("meta_config_id"),
        verify_token=given.get("meta_verify_token"),
        public_url=given.get("public_url"),
        partner_business_id=given.get("meta_business_id", DEFAULT_PARTNER_BUSINESS_ID),
        system_token=given.get("meta_system_token"),
    )


def run(host: str, port: int) -> None:
    """Until SIGTERM or SIGINT. Raises Refused where the port is taken."""
    try:
        asyncio.run(_serve(config_of(given_settings()), host, port))
    except OSError as error:
        raise cannot_listen(error, host, port) from None


async def _serve(config: SandboxConfig, host: str, port: int) -> None:
    # Another host name than the service's 127.0.0.1, so that a browser sees another site, as it does with Meta.
    name = "localhost" if host in {"127.0.0.1", "0.0.0.0", "::1", "::"} else None  # noqa: S104 - only compared
    async with until_asked() as asked, listening(create_app(config), host, port, name) as sandbox:
        lines = [
            f"The sandbox stands in for Meta at {sandbox.url}/sandbox",
            "",
            f"  SETUPLINKS_META_GRAPH_URL={sandbox.url}",
            f"  SETUPLINKS_META_DIALOG_URL={sandbox.url}",
            f"  SETUPLINKS_META_SDK_URL={sandbox.url}/en_US/sdk.js",
            "",
            _notified(config),
        ]
        typer.echo("\n".join(lines))
        await asked.wait()


def _notified(config: SandboxConfig) -> str:
    if config.notification_url is None:
        return "It sends no notifications: SETUPLINKS_PUBLIC_URL is not set."
    return f"It sends its notifications to {config.notification_url}"
