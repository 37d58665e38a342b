"""Meta's Graph API as the service uses it.

Owns paths, parameters, the fields asked for, paging, and which calls may be repeated. It does not own the wire
(`transport`), the shapes (`payloads`), nor what a failure means (`errors`).

Every method raises GraphError and nothing else. Base: https://developers.facebook.com/docs/graph-api
"""

from setuplinks.meta import errors
from setuplinks.meta.calls import each, shaped
from setuplinks.meta.errors import Call, GraphError
from setuplinks.meta.lenient import as_object, as_text
from setuplinks.meta.messaging import Messaging
from setuplinks.meta.payloads import PhoneNumber, SubscribedApp, TokenGrant, TokenInfo, Waba
from setuplinks.meta.secret import Secret

WABA_FIELDS = (
    "id,name,currency,timezone_id,message_template_namespace,account_review_status,business_verification_status,"
    "country,ownership_type,owner_business_info,on_behalf_of_business_info,health_status,status"
)
PHONE_FIELDS = (
    "id,display_phone_number,verified_name,status,quality_rating,code_verification_status,name_status,new_name_status,"
    "platform_type,throughput,account_mode,is_on_biz_app,is_official_business_account,is_pin_enabled,"
    "is_preverified_number,whatsapp_business_manager_messaging_limit,last_onboarded_time,webhook_configuration,"
    "health_status"
)
# What was there in every version: asked for where Meta no longer knows one of the fields above.
PLAIN_WABA_FIELDS = "id,name,currency,timezone_id"
PLAIN_PHONE_FIELDS = (
    "id,display_phone_number,verified_name,quality_rating,code_verification_status,platform_type,throughput,"
    "is_on_biz_app"
)

_EXCHANGE = Call("/oauth/access_token", "POST", repeatable=False, exchange=True)
_DEBUG_TOKEN = Call("/debug_token")
_ME = Call("/me")
_OWNED = Call("/{business_id}/owned_whatsapp_business_accounts")
_WABA = Call("/{waba_id}")
_NUMBERS = Call("/{waba_id}/phone_numbers")
_NUMBER = Call("/{phone_number_id}")
_SUBSCRIBE = Call("/{waba_id}/subscribed_apps", "POST")
_UNSUBSCRIBE = Call("/{waba_id}/subscribed_apps", "DELETE")
_SUBSCRIPTIONS = Call("/{waba_id}/subscribed_apps")
# Registering twice with one PIN is harmless, but each try counts: ten in 72 hours, then Meta locks the number.
_REGISTER = Call("/{phone_number_id}/register", "POST")
HALF_DEREGISTERED = 133000
_DEREGISTER = Call("/{phone_number_id}/deregister", "POST")
# Meta does each synchronisation once: a repeat answers 2593107, which says that the first had arrived.
_SYNC = Call("/{phone_number_id}/smb_app_data", "POST")
_CHANGE_NUMBER = Call("/{phone_number_id}", "POST")
# A repeat would send a second text message, or spend one of the few tries that a code has.
_REQUEST_CODE = Call("/{phone_number_id}/request_code", "POST", repeatable=False)
_VERIFY_CODE = Call("/{phone_number_id}/verify_code", "POST", repeatable=False)


class Graph(Messaging):
    """The client. One instance serves the whole process; tokens are given with each call and kept nowhere."""

    async def exchange_code(self, code: Secret, redirect_uri: str | None = None) -> TokenGrant:
        """Trades a sign-in's code for the customer's business token. Never retried: the code works once, for 30 s.

        `redirect_uri` is None for codes of the popup (the parameter is then left out, which is not the same as empty),
        and byte for byte the dialog's for codes of the full page.
        https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/onboarding-customers-as-a-tech-provider
        """
        form = {"client_id": self.app_id, "client_secret": self.app_secret.reveal(), "code": code.reveal()}
        if redirect_uri is not None:
            form["redirect_uri"] = redirect_uri
        answer = await self.call(_EXCHANGE, timeout=self.timeouts.exchange, form=form, hide=(code,))
        return shaped(_EXCHANGE, TokenGrant.of, answer)

    async def debug_token(self, token: Secret) -> TokenInfo:
        """What Meta says of a token; a dead one is an answer with `is_valid` False, not an error.

        Meta takes the token only in the query here, so the URL is never logged.
        https://developers.facebook.com/docs/graph-api/reference/debug_token
        """
        answer = await self.call(
            _DEBUG_TOKEN,
            timeout=self.timeouts.read,
            token=self.app_token,
            query={"input_token": token.reveal()},
            hide=(token,),
        )
        if not as_object(answer.get("data")):
            raise errors.unreadable(_DEBUG_TOKEN, 200)
        return TokenInfo.of(answer)

    async def waba(self, token: Secret, meta_waba_id: str) -> Waba:
        """One WABA. `not_found` also where the token does not reach it.

        https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account
        """
        answer = await self.with_fields(_WABA, meta_waba_id, token, {}, fields=WABA_FIELDS, plain=PLAIN_WABA_FIELDS)
        return shaped(_WABA, Waba.of, answer)

    async def portfolios_wabas(self, token: Secret) -> list[str]:
        """The ids of the WABAs of the portfolio that granted the token, reached by it or not; none where Meta names no
        portfolio. For tokens that name no WABA themselves: the ids are candidates, a call on each is the proof.

        https://developers.facebook.com/docs/marketing-api/reference/business/owned_whatsapp_business_accounts/
        """
        timeout = self.timeouts.read
        me = await self.call(_ME, timeout=timeout, token=token, query={"fields": "client_business_id"})
        business_id = as_text(me.get("client_business_id"))
        if business_id is None:
            return []
        rows = await self.rows(_OWNED, business_id, token, {"fields": "id"})
        return [waba_id for row in rows if (waba_id := as_text(row.get("id"))) is not None]

    async def phone_numbers(self, token: Secret, meta_waba_id: str) -> list[PhoneNumber]:
        """All numbers of a WABA, over all pages; being allowed to list them is the proof of access to the WABA.

        https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account/phone_numbers
        """
        rows = await self.rows(_NUMBERS, meta_waba_id, token, {}, fields=PHONE_FIELDS, plain=PLAIN_PHONE_FIELDS)
        return each(PhoneNumber.of, rows)

    async def phone_number(self, token: Secret, meta_phone_number_id: str) -> PhoneNumber:
        """One number.

        https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account-to-number-current-status
        """
        answer = await self.with_fields(
            _NUMBER, meta_phone_number_id, token, {}, fields=PHONE_FIELDS, plain=PLAIN_PHONE_FIELDS
        )
        return shaped(_NUMBER, PhoneNumber.of, answer)

    async def subscribe(self, token: Secret, meta_waba_id: str) -> None:
        """Our app hears of this WABA from now on; doing it again is harmless and takes off a callback override.

        https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account/subscribed_apps
        """
        await self.success(_SUBSCRIBE, meta_waba_id, token)

    async def unsubscribe(self, token: Secret, meta_waba_id: str) -> None:
        """Our app no longer hears of this WABA. Same page as `subscribe`."""
        await self.success(_UNSUBSCRIBE, meta_waba_id, token)

    async def override_callback(self, token: Secret, meta_waba_id: str, url: str, verify_token: Secret) -> None:
        """Sends this WABA's messages to another address; Meta asks that address for its challenge first.

        The app must be subscribed before. `subscribe` takes the override off; account news stays with the app's own
        callback in any case. Addresses of over 200 characters are refused.
        https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/override
        """
        body = {"override_callback_uri": url, "verify_token": verify_token.reveal()}
        await self.success(_SUBSCRIBE, meta_waba_id, token, body, (verify_token,))

    async def override_number_callback(
        self, token: Secret, meta_phone_number_id: str, url: str | None, verify_token: Secret
    ) -> None:
        """The same for one number, which wins over its WABA's; None takes it off. Same page as `override_callback`."""
        hook = {"override_callback_uri": url or "", "verify_token": verify_token.reveal()}
        body = {"webhook_configuration": hook if url else {"override_callback_uri": ""}}
        await self.success(_CHANGE_NUMBER, meta_phone_number_id, token, body, (verify_token,))

    async def subscribed_apps(self, token: Secret, meta_waba_id: str) -> list[SubscribedApp]:
        """The apps that hear of this WABA, other partners' among them. Same page as `subscribe`."""
        rows = await self.rows(_SUBSCRIPTIONS, meta_waba_id, token, {})
        return each(SubscribedApp.of, rows)

    async def register(
        self, token: Secret, meta_phone_number_id: str, pin: Secret, *, region: str | None = None
    ) -> None:
        """Registers a number for the Cloud API. The PIN becomes its two-step PIN, or must equal the old one (133005).

        Not for numbers in coexistence. `region` is an ISO country for data at rest, or None. Where an earlier
        deregistration has stopped half way (133000), it is done again first, as Meta wants it.
        https://developers.facebook.com/docs/whatsapp/cloud-api/reference/registration
        """
        body = {"messaging_product": "whatsapp", "pin": pin.reveal()}
        if region is not None:
            body["data_localization_region"] = region
        try:
            await self.success(_REGISTER, meta_phone_number_id, token, body, hide=(pin,))
        except GraphError as error:
            if error.code != HALF_DEREGISTERED:
                raise
            await self.deregister(token, meta_phone_number_id)
            await self.success(_REGISTER, meta_phone_number_id, token, body, hide=(pin,))

    async def deregister(self, token: Secret, meta_phone_number_id: str) -> None:
        """Takes a number off the Cloud API; Meta refuses it for numbers in coexistence. Same page as `register`."""
        await self.success(_DEREGISTER, meta_phone_number_id, token)

    async def change_pin(self, token: Secret, meta_phone_number_id: str, pin: Secret) -> None:
        """Sets the two-step PIN of a registered number; the old one is not asked for.

        https://developers.facebook.com/docs/whatsapp/cloud-api/reference/two-step-verification
        """
        await self.success(_CHANGE_NUMBER, meta_phone_number_id, token, {"pin": pin.reveal()}, (pin,))

    async def request_code(self, token: Secret, meta_phone_number_id: str, method: str, language: str) -> None:
        """Has Meta send a code to a number that is not verified yet (133006): `method` SMS or VOICE, `language` en_US.

        https://developers.facebook.com/docs/whatsapp/cloud-api/reference/phone-numbers
        """
        await self.success(_REQUEST_CODE, meta_phone_number_id, token, {"code_method": method, "language": language})

    async def verify_code(self, token: Secret, meta_phone_number_id: str, code: Secret) -> None:
        """Hands in the code that came. Same page as `request_code`."""
        await self.success(_VERIFY_CODE, meta_phone_number_id, token, {"code": code.reveal()}, (code,))

    async def sync_app_data(self, token: Secret, meta_phone_number_id: str, sync_type: str) -> str | None:
        """Starts a coexistence synchronisation, `smb_app_state_sync` or `history`; returns Meta's request id.

        Each once, within 24 hours of onboarding: else 2593107 (done before) or 2593108 (too late).
        https://developers.facebook.com/documentation/business-messaging/whatsapp/embedded-signup/onboarding-business-app-users
        """
        answer = await self.call(
            _SYNC,
            (meta_phone_number_id,),
            timeout=self.timeouts.write,
            token=token,
            body={"messaging_product": "whatsapp", "sync_type": sync_type},
        )
        return as_text(answer.get("request_id"))
