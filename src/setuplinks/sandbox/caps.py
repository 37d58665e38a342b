"""Meta's caps, counted where a scenario asks for it: new customers in seven days, numbers in one portfolio.

The codes that Meta shows at these caps are not known; the ones here are the sandbox's own.
"""

from setuplinks.sandbox.scenarios import FlowError
from setuplinks.sandbox.world import Signup, World

WEEK = 7 * 86_400.0
CUSTOMERS, NUMBERS = "9990010", "9990002"


def reached(world: World, signup: Signup) -> FlowError | None:
    """The error that stands on the present screen, because of what was chosen on the one before."""
    scenario, business = signup.scenario, signup.business
    if signup.step == "business" or signup.number is not None:
        return None  # nothing is chosen yet, or she takes a number that is there
    if scenario.customers_a_week is not None and (business is None or business.id not in world.onboarded):
        fresh = sum(world.clock.now() - at < WEEK for at in world.onboarded.values())
        if fresh >= scenario.customers_a_week:
            return FlowError(signup.step, CUSTOMERS, "This app cannot onboard more businesses this week.")
    if scenario.numbers_a_business is not None and business is not None and signup.step != "number":
        held = sum(len(waba.numbers) for waba in business.wabas)
        if signup.kind != "none" and held >= scenario.numbers_a_business:
            return FlowError(signup.step, NUMBERS, "This business portfolio cannot add more phone numbers.")
    return None


def count(world: World, signup: Signup) -> None:
    """A business counts once, when it is first connected; coming back to reconnect does not."""
    for waba in signup.granted:
        world.onboarded.setdefault(waba.business.id, world.clock.now())
