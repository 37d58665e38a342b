"""The tables of `docs/reference/sandbox.md` that the code knows: scenarios and settings. The rest is written by hand.

Each table stands between two marks in the page; whatever is around them stays as it is.
"""

import json
import re

from setuplinks.sandbox.config import Settings
from setuplinks.sandbox.scenario_groups import GROUPS
from setuplinks.sandbox.scenarios import SCENARIOS
from setuplinks.sandbox.views import camel_fields

SETTINGS = {
    "redirectUris": "Exact addresses that the full page may lead to; empty: any http or https address",
    "allowedOrigins": "Pages that may hear from the popup; empty: the page that opened it",
    "codeSeconds": "Life of a code",
    "popupRedirectUri": "`page`: a popup's code wants the address of its page",
    "mismatchBurnsCode": "Whether an exchange with a wrong `redirect_uri` spends the code",
    "pageExtras": "Whether the full page honours `extras`",
    "requireAppsecretProof": "Whether calls without a proof are refused",
    "sdk": "`missing`: the script answers 404",
    "sdkDelayMs": "How late the script answers",
    "popupGapMs": "Time between the popup's two results",
    "notifications": "Whether any are sent",
    "appUsage": "Percent in `X-App-Usage`",
    "businessUsage": "Percent in `X-Business-Use-Case-Usage`",
    "regainMinutes": "Its `estimated_time_to_regain_access`, in minutes",
    "notificationRetrySeconds": "Waits before each further try, by the sandbox's clock: seven days in all",
    "notificationBatch": "Changes in one POST, at most",
    "notificationGatherMs": "How long changes are gathered where they are batched or turned round",
    "notificationOrder": "`reversed`: what was gathered goes out last one first",
    "notificationDuplicates": "Share of the POSTs that are sent twice, from 0 to 1",
    "deliveredAfterSeconds": "From `sent` to `delivered`, by the sandbox's clock",
    "readAfterSeconds": "From `sent` to `read`; null: when the end user answers, or opens the chat",
    "serviceWindowHours": "How long a free-form message arrives after the end user wrote last; 0: always",
    "conversationInStatuses": "Whether statuses carry `conversation`, as before v24.0",
    "failingRecipients": "Phone number → code: messages to it are accepted and fail by a status, such as `131026`",
    "allowedRecipients": "All other recipients answer 131030; empty allows everybody",
    "limits": "Whether the speed limits below are enforced, by the sandbox's clock",
    "messagesPerSecond": "Of one number: 130429",
    "coexistenceMessagesPerSecond": "The same, of a number of the WhatsApp Business app",
    "pairBurst": "Messages from one number to one person at once: 131056",
    "pairSeconds": "After that burst, one message in so many seconds",
    "callsPerHour": "Calls of one account that are neither messages nor media: 80007",
    "templateReviewSeconds": (
        "Until a new template is approved; null: when `PATCH /sandbox/templates/{template_id}` says so"
    ),
}


def sandbox_sections(page: str) -> str:
    """The page with both tables written anew. Raises ValueError where a mark is missing."""
    scenarios = []
    for group in GROUPS:
        rows = [f"| `{name}` | {SCENARIOS[name].summary} | {expect} |" for name, expect in group.expect.items()]
        scenarios += [f"### {group.title}", "", "| name | what happens | what to expect |", "|---|---|---|", *rows, ""]
    settings = ["| setting | default | what it does |", "|---|---|---|"]
    for name, value in camel_fields(Settings()).items():
        settings.append(f"| `{name}` | `{json.dumps(value)}` | {SETTINGS[name]} |")
    page = _between(page, "scenarios", "\n".join(scenarios).rstrip())
    return _between(page, "settings", "\n".join(settings))


def _between(page: str, name: str, text: str) -> str:
    mark = f"<!-- {name}: written by `make reference` -->", f"<!-- end of {name} -->"
    found = re.subn(
        f"{re.escape(mark[0])}.*?{re.escape(mark[1])}", lambda _: f"{mark[0]}\n{text}\n{mark[1]}", page, flags=re.S
    )
    if found[1] != 1:
        raise ValueError(f"docs/reference/sandbox.md has no place for its {name}")
    return found[0]
