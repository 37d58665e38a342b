"""`docs/reference/sandbox.md` names every scenario, setting, call and route of the sandbox."""

import json
import re
from pathlib import Path

from starlette.routing import Route

from setuplinks.sandbox.config import SandboxConfig, Settings
from setuplinks.sandbox.graph import NUMBER_EDGES, WABA_EDGES
from setuplinks.sandbox.graph_app import APP_EDGES
from setuplinks.sandbox.inbox import Inbox
from setuplinks.sandbox.scenarios import SCENARIOS
from setuplinks.sandbox.server import create_app
from setuplinks.sandbox.views import camel_fields

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "sandbox.md").read_text()
NOT_FOR_PEOPLE = {"/", "/sandbox/static/{name}", "/{version}", "/{version}/", "/{version}/{path:path}"}


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables under a heading, without their head."""
    section = PAGE.split(f"\n{heading}\n")[1].split("\n## ")[0].split("<!-- end of")[0]
    lines = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line] for line in lines]


def test_every_scenario_is_described_as_it_describes_itself() -> None:
    written = {row[0].strip("`"): row[1] for row in rows("## Scenarios")}
    assert written == {scenario.name: scenario.summary for scenario in SCENARIOS.values()}


def test_every_setting_stands_with_its_default() -> None:
    written = {row[0].strip("`"): row[1].strip("`") for row in rows("<!-- settings: written by `make reference` -->")}
    assert written == {name: json.dumps(value) for name, value in camel_fields(Settings()).items()}


def test_every_route_is_named() -> None:
    served = {r.path for r in [*create_app(SandboxConfig()).routes, *Inbox().app().routes] if isinstance(r, Route)}
    concrete = {"/{locale}/sdk.js": "/en_US/sdk.js", "/dialog/{signup_id}": "/dialog/{id}", "/sandbox": "`/sandbox`"}
    concrete |= {"/dialog/{signup_id}/closed": "/dialog/{id}/closed", "/hooks/{name}": "/hooks"}
    concrete |= {"/onboarding/{page}": "/onboarding/success"}
    missing = [path for path in served - NOT_FOR_PEOPLE if concrete.get(path, path) not in PAGE]
    assert missing == []


def test_every_edge_and_every_call_of_graph_is_named() -> None:
    edges = {edge for _, edge in [*APP_EDGES, *WABA_EDGES, *NUMBER_EDGES] if edge}
    calls = {name for name, _ in [*APP_EDGES.values(), *WABA_EDGES.values(), *NUMBER_EDGES.values()]} | {
        "exchange",
        "debug_token",
        "me",
        "system_user_access_tokens",
        "add_phone_numbers",
        "preverified_numbers",
    }
    assert [edge for edge in edges if f"/{edge}`" not in PAGE] == []
    assert [call for call in calls if not re.search(rf"`{call}`[,.]", PAGE)] == []
