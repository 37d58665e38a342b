"""`docs/guides/meta-app.md` says where to click for each row of doctor's, and names the fields that doctor asks for."""

import re
from pathlib import Path

from setuplinks.doctor.meta_app import USEFUL_FIELDS, VITAL_FIELDS
from tests.integration.doctor.examined import rows
from tests.support.service import RunningService

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "meta-app.md").read_text()
# Rows about choices that stand in the settings alone; what they say is enough.
PLAIN = {"Settings", "Operator key", "Outbound", "Rate limits", "JavaScript SDK"}


async def test_every_row_stands_in_the_guide(service: RunningService) -> None:
    found = {*(await rows(service, meta_dialog_url="https://www.facebook.com")), "Certificate"}
    told = set(re.findall(r"\*\*([A-Z][\w ]+)\*\*", PAGE.split("## When something is wrong")[1]))
    assert found - PLAIN - told == set()
    assert told - found - {"Data folder"} == set()


def test_the_guide_names_the_fields_that_doctor_asks_for() -> None:
    table = PAGE.split("Fields to subscribe")[1].split("\n\n")[1]
    named = {field for row in table.splitlines()[2:] for field in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == {*VITAL_FIELDS, *USEFUL_FIELDS}
