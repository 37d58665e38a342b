"""The hand-written documents hold together: links and anchors resolve, decisions have their parts, no code is missing.

What the reference says is held against the code in `test_docs`; the guides' samples run in `test_guides`.
"""

import re
from pathlib import Path

import pytest

from setuplinks.provisioning.machine import PLANS
from setuplinks.sandbox.scenarios import SCENARIOS
from setuplinks.settings import PREFIX, SECRETS, Settings
from setuplinks.setup_links.codes import CODES
from setuplinks.setup_links.machine import STATUS, Phase
from setuplinks.webhooks.models import EVENT_TYPES
from setuplinks.whatsapp.models import NUMBER_STATUSES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
AT_THE_ROOT = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
DOCUMENTS = [*AT_THE_ROOT, *sorted(DOCS.rglob("*.md"))]
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
PARTS = ["Context", "Decision", "Consequences", "Alternatives"]
FENCE = re.compile(r"^( *)```.*?^\1```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/admin/[^\s`?]+)")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    """A document without its code."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as the usual renderers make them."""
    heads = re.findall(r"^#{1,6} +(.+?) *$", prose(path), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links_of(path: Path) -> list[str]:
    return [target for target in LINK.findall(prose(path)) if not ELSEWHERE.match(target)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_the_links_of_a_document_resolve(path: Path) -> None:
    dead = []
    for target in links_of(path):
        place, _, anchor = target.partition("#")
        there = (path.parent / place).resolve() if place else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append(target)
    assert dead == []


def test_every_document_is_found_from_the_index() -> None:
    seen: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        path = waiting.pop()
        if path in seen or path.suffix != ".md" or not path.exists():
            continue
        seen.add(path)
        waiting += [(path.parent / target.partition("#")[0]).resolve() for target in links_of(path)]
    lost = {path for path in DOCS.rglob("*.md") if path not in seen and path not in DECISIONS}
    assert {name_of(path) for path in lost} == set()


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_four_parts_in_order(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"^(?:## |\*\*)(Context|Decision|Consequences|Alternatives)(?:$|\.\*\*)", text, re.M)
    assert found == PARTS
    assert re.match(rf"# {int(path.stem[:4])}\. \S", text)


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(path.stem[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_concepts_name_every_public_word() -> None:
    text = (DOCS / "concepts.md").read_text(encoding="utf-8")
    steps = {step.value for plan in PLANS.values() for step in plan}
    words = {*CODES, *(phase.value for phase in Phase), *STATUS.values(), *NUMBER_STATUSES, *steps}
    assert {word for word in words if f"`{word}`" not in text} == set()


def test_the_concepts_have_every_row_of_a_links_life() -> None:
    text = (DOCS / "concepts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+[ab]?) \|", text, re.M)
    assert rows == ["1", "2", "3a", "3b", *(str(number) for number in range(4, 21))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_document_names_no_event_that_does_not_exist(path: Path) -> None:
    named = set(re.findall(r"`((?:setup_link|whatsapp|webhook|webhook_endpoint)\.[a-z_.]+[a-z])`", prose(path)))
    assert {name for name in named if name not in EVENT_TYPES} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_document_names_no_setting_that_does_not_exist(path: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {f"{PREFIX}{name.upper()}_FILE" for name in SECRETS}
    named = re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b(?!_|…)", path.read_text(encoding="utf-8"))
    assert set(named) - known == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_document_names_no_route_that_does_not_exist(path: Path) -> None:
    reference = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    known = {(method, shape(route)) for method, route in ROUTE.findall(reference)}
    named = {(method, shape(route)) for method, route in ROUTE.findall(path.read_text(encoding="utf-8"))}
    assert named - known == set()
    assert known


def shape(route: str) -> str:
    return re.sub(r"\{\w+\}", "{}", route)


def test_the_guide_to_local_development_names_scenarios_that_exist() -> None:
    text = (DOCS / "guides" / "local-development.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| [^|]+ \| [^|]+ \|$", text, re.M)
    named = {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}
    named |= set(re.findall(r'(?:--scenario |"next": ")(\w+)', text))
    assert len(named) > 15
    assert named - set(SCENARIOS) == set()
