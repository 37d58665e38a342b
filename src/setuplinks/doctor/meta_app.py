"""The app at Meta: what calls with its own token tell, and, for what no call tells, the place to look at by eye.

Owns the words and the places in Meta's dashboard. Places are named as Meta names them in 2026; it moves its buttons.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar
from urllib.parse import urlsplit

from setuplinks.doctor.installation import host_of
from setuplinks.doctor.models import Check
from setuplinks.meta.app_settings import (
    AppSubscription,
    MetaApp,
    permissions,
    portfolio,
    read_app,
    whatsapp_subscription,
)
from setuplinks.meta.errors import GraphError
from setuplinks.meta.graph import Graph
from setuplinks.meta.payloads import TokenInfo
from setuplinks.meta.secret import Secret
from setuplinks.settings import PREFIX, Settings

T = TypeVar("T")

META_GUIDE = "docs/guides/meta-app.md"
DASHBOARD = "https://developers.facebook.com/apps"
META_HOSTS = ("facebook.com", "facebook.net")
CALLBACK = "/meta/notifications"
NEEDED_PERMISSIONS = ("whatsapp_business_management", "whatsapp_business_messaging")
REVIEWED = frozenset({"live", "approved", "granted", "advanced"})

# What we read, and what is not told without it. The first ones are a failure, the others a warning.
VITAL_FIELDS = {
    "account_update": "that a customer removed the app, or that Meta restricted an account",
    "messages": "messages and their statuses",
}
USEFUL_FIELDS = {
    "account_alerts": "an account's alerts",
    "account_review_update": "an account's review",
    "business_capability_update": "an account's limits",
    "history": "coexistence: chats of the phone's app",
    "message_template_quality_update": "templates",
    "message_template_status_update": "templates",
    "phone_number_name_update": "a display name's review",
    "phone_number_quality_update": "a number's quality",
    "security": "a changed two-step PIN",
    "smb_app_state_sync": "coexistence: contacts of the phone's app",
    "smb_message_echoes": "coexistence: what the phone's app sends",
    "template_category_update": "templates",
}


class AppChecks:
    """The rows about the app. `graph` is one of the examination's own, with short time-outs."""

    def __init__(self, settings: Settings, graph: Graph) -> None:
        self._settings, self._graph = settings, graph
        # Only Meta's own dialog has a dashboard behind it.
        host = urlsplit(settings.meta_dialog_url).hostname or ""
        self._at_meta = any(host == one or host.endswith(f".{one}") for one in META_HOSTS)

    async def rows(self) -> tuple[list[Check], list[Check]]:
        """The rows about the app, and those about what it is told by notifications."""
        graph = self._graph
        token, app, subscription, granted, partner = await asyncio.gather(
            _tried(graph.debug_token(graph.app_token)),
            _tried(read_app(graph)),
            _tried(whatsapp_subscription(graph)),
            _tried(permissions(graph)),
            self.system_token(),
        )
        about = [
            self.app_secret(token, app), *self.app_mode(), self.configuration(), self.domains(app),
            *self.redirect_addresses(), self.permissions(granted), partner,
        ]  # fmt: skip
        told = [self.default_callback(subscription), self.fields(subscription), self.deauthorize(app)]
        return about, [*told, *self.data_deletion()]

    def app_secret(self, info: TokenInfo | GraphError, app: MetaApp | GraphError) -> Check:
        """Whether Meta takes the app's own token, which is made of id and secret.

        It asks about that very token; where Meta cannot tell of it but lets it read the app, that is as good.
        https://developers.facebook.com/docs/graph-api/reference/debug_token
        """
        settings, name = self._settings, "App id and secret"
        place = f"{self._place('App settings → Basic')}: App ID and App secret"
        fix = f"{PREFIX}META_APP_ID and {PREFIX}META_APP_SECRET as in {place}"
        link = self._link("settings/basic/")
        if not settings.meta_app_id.isdecimal():
            return Check(name, "fail", "the app's id is not a number", fix, link)
        if isinstance(info, GraphError):
            return self._graph_failed(name, info, fix, link)
        if info.app_id is not None and info.app_id != settings.meta_app_id:
            return Check(name, "fail", f"Meta says that the secret belongs to the app {info.app_id}", fix, link)
        if isinstance(app, GraphError) and app.code == 190:
            return self._graph_failed(name, app, fix, link)
        named = f" ({app.name})" if isinstance(app, MetaApp) and app.name else ""
        said = f"{settings.meta_graph_url} takes id and secret of the app {settings.meta_app_id}{named}"
        return Check(name, "pass", said)

    def app_mode(self) -> list[Check]:
        """No field of the API says whether the app is live."""
        if not self._at_meta:
            said = f"{self._settings.meta_dialog_url} stands in for Meta: real customers cannot sign in there"
            return [Check("App mode", "warn", said, f"{PREFIX}META_DIALOG_URL and its like: leave them out")]
        said = "no call tells it; unless it is Live, only people with a role in the app can sign in"
        place = self._place("the switch at the top, App mode: Live")
        return [Check("App mode", "by_eye", said, place, self._link(""))]

    def configuration(self) -> Check:
        """Config ids are numbers; that it is one of this app's no call tells."""
        name, config_id = "Configuration", self._settings.meta_config_id
        place = self._place("Facebook Login for Business → Configurations")
        link = self._link("business-login/configurations/")
        if not config_id.isdecimal():
            said = "the configuration's id is not a number"
            return Check(name, "fail", said, f"{PREFIX}META_CONFIG_ID as in {place}", link)
        if not self._at_meta:
            return Check(name, "pass", f"{config_id} is written as Meta writes them")
        said = f"no call tells whether {config_id} is this app's, for WhatsApp Embedded Signup, with both permissions"
        return Check(name, "by_eye", said, place, link)

    def domains(self, app: MetaApp | GraphError) -> Check:
        """The pages' host has to be among the app's domains."""
        name, host = "App domains", host_of(self._settings)
        if isinstance(app, GraphError):
            return _not_looked_at(name)
        if any(host == domain or host.endswith(f".{domain}") for domain in app.domains):
            return Check(name, "pass", f"{host} is one of them")
        said = f"{host} is not among them ({', '.join(app.domains) or 'none is set'}): Facebook may refuse the sign-in"
        place = self._place("App settings → Basic → App domains")
        return Check(name, "warn", said, f"{place}: add {host}", self._link("settings/basic/"))

    def redirect_addresses(self) -> list[Check]:
        """No call tells the list of redirect URIs, nor that of the SDK's domains."""
        if not self._at_meta:
            return []
        url = self._settings.public_url
        said = f"no call tells them; they must be {url}/meta/callback and {url}/, and the SDK's domain {url}/"
        place = self._place(
            "Facebook Login for Business → Settings: Valid OAuth redirect URIs; Allowed domains for the JavaScript SDK"
        )
        return [Check("Redirect addresses", "by_eye", said, place, self._link("business-login/settings/"))]

    def permissions(self, granted: dict[str, str] | GraphError) -> Check:
        """Advanced access to both permissions; Meta lists what its review has decided."""
        name, link = "Permissions", self._link("app-review/permissions/")
        place = f"{self._place('App review → Permissions and features')}: Advanced access"
        if isinstance(granted, GraphError):
            if granted.status == 0 or granted.code == 190:
                return _not_looked_at(name)
            said = f"Meta does not tell them; {' and '.join(NEEDED_PERMISSIONS)} are needed"
            return Check(name, "by_eye", said, place, link)
        states = {one: granted.get(one, "").lower() for one in NEEDED_PERMISSIONS}
        if all(state in REVIEWED for state in states.values()):
            return Check(name, "pass", f"{' and '.join(NEEDED_PERMISSIONS)} are approved")
        refused = [f"{one} is {state}" for one, state in states.items() if state and state not in REVIEWED]
        if refused:
            said = f"{' and '.join(refused)}: customers cannot grant it yet"
            return Check(name, "warn", said, place, link)
        missing = " and ".join(one for one, state in states.items() if not state)
        return Check(name, "by_eye", f"Meta does not name {missing} among what it approved", place, link)

    async def system_token(self) -> Check:
        """The operator's own portfolio: without it there is no automatic recovery and no number pool."""
        settings, name = self._settings, "System token"
        business_id, token = settings.meta_business_id, settings.meta_system_token
        fix = f"{PREFIX}META_BUSINESS_ID and {PREFIX}META_SYSTEM_TOKEN; {META_GUIDE}"
        if business_id is None or token is None:
            return Check(name, "warn", "automatic recovery and the number pool are off", fix)
        place = "business.facebook.com → Settings → Users → System users → Generate token"
        found = await _tried(portfolio(self._graph, business_id, Secret(token.get_secret_value())))
        if not isinstance(found, GraphError):
            return Check(name, "pass", f"it reaches the portfolio {business_id}{f' ({found})' if found else ''}")
        if found.code == 190:
            return Check(name, "fail", "Meta does not take it (any more)", f"{place}, then {PREFIX}META_SYSTEM_TOKEN")
        if found.status == 0 or found.status >= 500 or found.throttled:
            return _not_looked_at(name)
        said = f"it does not reach the portfolio {business_id}: {found.message or f'status {found.status}'}"
        where = f"{PREFIX}META_BUSINESS_ID as in business.facebook.com → Settings → Business portfolio info"
        return Check(name, "fail", said, where)

    def default_callback(self, found: AppSubscription | GraphError | None) -> Check:
        """Where Meta sends what no account overrides; account_update goes there in any case."""
        name, ours = "Default callback", f"{self._settings.public_url}{CALLBACK}"
        place, link = self._place("WhatsApp → Configuration → Webhook"), self._link("whatsapp-business/wa-settings/")
        fix = f"{place}: Callback URL {ours}, verify token as in {PREFIX}META_VERIFY_TOKEN"
        if isinstance(found, GraphError):
            return _not_looked_at(name)
        if found is None or found.callback_url is None:
            return Check(
                name, "fail", "the app is not subscribed to WhatsApp accounts: Meta tells us nothing", fix, link
            )
        if found.callback_url != ours:
            said = f"Meta sends to {found.callback_url} and not to {ours}"
            return Check(name, "fail", said, fix, link)
        if not found.active:
            return Check(name, "fail", f"the subscription to {ours} is switched off", fix, link)
        return Check(name, "pass", f"Meta sends to {ours}")

    def fields(self, found: AppSubscription | GraphError | None) -> Check:
        """Each field that we read."""
        name, link = "Fields", self._link("whatsapp-business/wa-settings/")
        if isinstance(found, GraphError):
            return _not_looked_at(name)
        if found is None:
            return Check(name, "warn", "not looked at: the app is not subscribed", link=link)
        vital = [f"{one} ({why})" for one, why in VITAL_FIELDS.items() if one not in found.fields]
        missing = [one for one in {**VITAL_FIELDS, **USEFUL_FIELDS} if one not in found.fields]
        fix = f"{self._place('WhatsApp → Configuration → Webhook fields')}: subscribe {', '.join(missing)}"
        if vital:
            return Check(name, "fail", f"Meta does not tell {'; nor '.join(vital)}", fix, link)
        if missing:
            lost = "; ".join(dict.fromkeys(USEFUL_FIELDS[one] for one in missing))
            return Check(name, "warn", f"{len(missing)} are not subscribed, so Meta does not tell: {lost}", fix, link)
        return Check(name, "pass", f"all {len(VITAL_FIELDS) + len(USEFUL_FIELDS)} that are read are subscribed")

    def deauthorize(self, app: MetaApp | GraphError) -> Check:
        """Where Meta tells that a person has removed the app."""
        name, ours = "Deauthorize callback", f"{self._settings.public_url}/meta/deauthorize"
        if isinstance(app, GraphError):
            return _not_looked_at(name)
        if app.deauthorize_url == ours:
            return Check(name, "pass", f"Meta calls {ours}")
        said = f"it is {app.deauthorize_url}" if app.deauthorize_url else "none is set"
        place = self._place("Facebook Login for Business → Settings → Deauthorize callback URL")
        link = self._link("business-login/settings/")
        return Check(name, "warn", f"{said}: we are not told who removes the app", f"{place}: {ours}", link)

    def data_deletion(self) -> list[Check]:
        """No call tells where Meta sends people who want their data deleted."""
        if not self._at_meta:
            return []
        place = self._place("Facebook Login for Business → Settings → Data deletion request URL")
        said = f"no call tells it; it must be {self._settings.public_url}/meta/data-deletion"
        return [Check("Data deletion", "by_eye", said, place, self._link("business-login/settings/"))]

    def _graph_failed(self, name: str, error: GraphError, fix: str, link: str | None) -> Check:
        url = self._settings.meta_graph_url
        if error.status == 0:
            fix = f"the network and its proxy, or {PREFIX}META_GRAPH_URL"
            return Check(name, "fail", f"{url} cannot be reached from here", fix)
        if error.status >= 500 or error.throttled:
            return Check(name, "fail", f"Meta could not answer now (status {error.status})", "try again in a minute")
        told = f": {error.message}" if error.message else f" (status {error.status})"
        return Check(name, "fail", f"Meta refused id or secret{told}", fix, link)

    def _place(self, way: str) -> str:
        return f"developers.facebook.com → My apps → {self._settings.meta_app_id} → {way}" if self._at_meta else way

    def _link(self, page: str) -> str | None:
        return f"{DASHBOARD}/{self._settings.meta_app_id}/{page}" if self._at_meta else None


def _not_looked_at(name: str) -> Check:
    return Check(name, "warn", "not looked at: Meta does not answer to this app's token")


async def _tried(call: Awaitable[T]) -> T | GraphError:
    try:
        return await call
    except GraphError as error:
        return error
