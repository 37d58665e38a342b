"""An examination as it goes over the wire, in the API and in `setuplinks doctor --json` alike."""

from setuplinks.core import wire
from setuplinks.core.wire import Moment, instant
from setuplinks.doctor.models import Report


class CheckView(wire.View):
    """One thing that was looked at: what was found, and where to put it right. `by_eye`: no call tells it."""

    area: str
    name: str
    verdict: str
    said: str
    fix: str
    link: str | None


class DoctorView(wire.View):
    """A whole examination; `verdict` is the worst of its rows: `pass`, `warn` or `fail`."""

    verdict: str
    summary: str
    checked_at: Moment
    checks: list[CheckView]


def view(report: Report) -> DoctorView:
    """The report as it goes over the wire."""
    checks = [
        CheckView(area.name, check.name, check.verdict, check.said, check.fix, check.link)
        for area in report.areas
        for check in area.checks
    ]
    return DoctorView(report.verdict, report.summary, instant(report.checked_at), checks)
