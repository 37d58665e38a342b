"""The key that a link with `issueApiKey` offers to whoever did the signup: made when it is asked for, shown once.

Owns what the done page says of it. Nothing is made before the button is pressed, so nothing secret waits anywhere; a
mail scanner or a reload presses no button. One key for each account of which the link connected a number.
"""

import logging

from setuplinks.core.clock import DAY
from setuplinks.core.db.unit import Row, Unit
from setuplinks.core.logs import act
from setuplinks.setup_links import store as links
from setuplinks.setup_links.models import SetupLink
from setuplinks.signup.key_views import KeyOffer, ShownKey
from setuplinks.signup.room import Room
from setuplinks.signup.showing import Shown
from setuplinks.whatsapp import store as whatsapp
from setuplinks.whatsapp import waba_keys
from setuplinks.whatsapp.models import PhoneNumber, Waba
from setuplinks.whatsapp.waba_keys import KeyWasShown, WabaGone, Wish

OFFERED_FOR = DAY
ACTOR = "customer"
NAME = "Shown on the setup page"
BASE_PATH = "/graph"

log = logging.getLogger("setuplinks.signup")


class KeyOffers:
    """Offers keys, and makes them."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def of(self, shown: Shown) -> KeyOffer | None:
        """What the page says: the button, or when the key was shown; None where the link offers none, or not now."""
        link, now = shown.link, self._room.clock.now()
        if not link.issue_api_key or link.completed_at is None:
            return None
        before = await self._room.db.few(waba_keys.OF_LINK, link.tenant_id, link.id)
        if not before:
            return self._offer(link) if now - link.completed_at < OFFERED_FOR else None
        return self._over(shown, before)

    async def make(self, shown: Shown) -> KeyOffer | None:
        """The keys themselves, for the one page that shows them; as `of` where they were shown before."""
        offer = await self.of(shown)
        if offer is None or offer.shown_at is not None:
            return offer
        try:
            keys = await self._room.db.unit(self._issue, shown.link)
        except (KeyWasShown, WabaGone):  # another tab was first; or the number was given up at this moment
            return await self.of(shown)
        act(log, "waba_key.shown", link=shown.link.id, keys=len(keys))
        return KeyOffer("", "", None, tuple(keys), self._room.settings.public_url + BASE_PATH)

    async def _issue(self, tx: Unit, link: SetupLink) -> list[ShownKey]:
        """One unit for all of them: either every key is on the page, or none was made."""
        now = self._room.clock.now()
        made: list[ShownKey] = []
        for waba, numbers in await self._connected(tx, link):
            _, text = await waba_keys.issue(
                tx, self._room.db, waba, Wish(NAME), now=now, actor=ACTOR, link_id=link.id
            )  # fmt: skip
            named = tuple((one.display_phone_number or "", one.meta_phone_number_id) for one in numbers)
            made.append(ShownKey(text, waba.name or waba.meta_waba_id, named))
        if not made:
            raise WabaGone("None of the link's numbers is connected.")
        links.add_step(tx, link, now, "key_shown")
        return made

    async def _connected(self, tx: Unit, link: SetupLink) -> list[tuple[Waba, list[PhoneNumber]]]:
        """The accounts with those of the link's numbers that are still connected."""
        numbers = [await whatsapp.number(tx, link.tenant_id, one) for one in link.resulting_phone_ids]
        alive = [one for one in numbers if one is not None and one.is_connected]
        found = []
        for waba_id in dict.fromkeys(one.waba_id for one in alive):
            waba = await whatsapp.waba(tx, link.tenant_id, waba_id)
            if waba is not None:
                found.append((waba, [one for one in alive if one.waba_id == waba_id]))
        return found

    def _offer(self, link: SetupLink) -> KeyOffer:
        return KeyOffer(f"/signup/{link.id}/key#key", self._room.browsers.form_token(link.id))

    def _over(self, shown: Shown, before: list[Row]) -> KeyOffer:
        at = min(int(row["created_at"]) for row in before)
        return KeyOffer("", "", f"{shown.day(at)}, {shown.time(at)}")
