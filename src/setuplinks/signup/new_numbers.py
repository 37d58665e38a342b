"""What a link whose customer may get a new number can offer: one that is kept for it, one that is free, or Meta's own.

Owns the reading for the pages; it reserves nothing, since looking at a page moves nothing. Who holds a number is
`number_pool`'s.
"""

from setuplinks.core.db.database import Database
from setuplinks.number_pool.models import LEAST_LEFT
from setuplinks.number_pool.reservations import reserved_for
from setuplinks.number_pool.store import FREE
from setuplinks.settings import Settings
from setuplinks.setup_links.models import SetupLink
from setuplinks.signup.views import NewNumber

# Where Meta's own free numbers (+1 555) count as being.
METAS_COUNTRY = "US"


async def new_number(
    db: Database, settings: Settings, link: SetupLink, now: int, *, in_a_window: bool = False
) -> NewNumber | None:
    """What the pages say of a new number; None for a link that offers none, or whose number is in an app already.

    `in_a_window`: Facebook opens in one for sure, which is always told of the number; the full page may not be.
    """
    if not link.phone_provisioning or link.purpose == "reconnect" or link.connection_types == ("coexistence",):
        return None
    metas = not link.country_isos or METAS_COUNTRY in link.country_isos
    if not settings.has_partner or not (in_a_window or settings.meta_page_extras == "on"):
        return NewNumber("off", metas)
    held = await reserved_for(db, link.id)
    if held is not None and held.lasts(now):
        return NewNumber("kept", metas, held.number)
    countries = f",{','.join(link.country_isos)}," if link.country_isos else ""
    free = await db.one(FREE, now + LEAST_LEFT, countries)
    return NewNumber("empty" if free is None else "ready", metas)
