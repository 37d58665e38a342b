"""A person in Meta's dialog, in a real browser: looks at the screen that is there and answers it.

Owns which button is pressed on which screen of the sandbox's dialog. It knows nothing of our own pages.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

from playwright.async_api import Page, expect

CODE = "123456"
MOST_SCREENS = 12


@dataclass
class MetaDialog:
    """How this person answers; what is not said is what stands on the screen already."""

    page: Page
    business: str = ""  # an id to choose, or empty for what is preset (a new one for a person who has none)
    business_name: str = ""
    number: str = ""  # `new`, `555`, `none`, or Meta's id of one that is there
    phone_number: str = ""
    display_name: str = ""
    share_history: bool = True
    screens: list[str] = field(default_factory=list)
    _left: str = ""  # the screen whose button was pressed last: it may still be there for a moment

    async def finish(self) -> list[str]:
        """Goes through to the end and returns the names of the screens; the page is then elsewhere, or closed."""
        for _ in range(MOST_SCREENS):
            step = await self.screen()
            await self._answer(step)
            await self._press(self._onward(step))
            if step == "finish":
                return self.screens
        raise AssertionError(f"the dialog does not end: {self.screens}")

    async def finish_by_keyboard(self) -> None:
        """Goes through to the end without a mouse, taking what is preset and typing what is not."""
        while True:
            step = await self.screen()
            for name, value in self._fills(step).items():
                entry = self.page.locator(f"input[name={name}]")
                if value and await entry.count():
                    await entry.focus()
                    await self.page.keyboard.press("Control+a")
                    await self.page.keyboard.type(value)
            button = self.page.get_by_role("button", name=self._onward(step), exact=True)
            await button.focus()
            self._left = step
            await button.press("Enter", no_wait_after=True)
            if step == "finish":
                return

    async def finish_without_going(self) -> str:
        """Goes through to the end; the address to which the browser would be sent back, where it has not gone yet."""
        await self.go_to("finish")
        action = urljoin(self.page.url, await self.page.locator("form[data-step]").get_attribute("action"))
        answer = await self.page.context.request.post(
            action, form={"step": "finish", "action": "continue"}, max_redirects=0
        )
        return answer.headers["location"]

    async def go_to(self, wanted: str) -> None:
        """Goes on until that screen is there."""
        while (step := await self.screen()) != wanted:
            await self._answer(step)
            await self._press(self._onward(step))

    async def cancel_at(self, wanted: str) -> None:
        """Goes to that screen and presses Cancel."""
        await self.go_to(wanted)
        await self._press("Cancel")

    async def screen(self) -> str:
        """The name of the screen that is there, once it is another than the last one."""
        form = self.page.locator("form[data-step]")
        if self._left:
            await expect(form).not_to_have_attribute("data-step", self._left)
        await expect(form).to_have_attribute("data-step", re.compile(".+"))
        name = await form.get_attribute("data-step") or ""
        if not self.screens or self.screens[-1] != name:
            self.screens.append(name)
        return name

    def _fills(self, step: str) -> dict[str, str]:
        """What is typed on a screen; nothing stands for what is preset."""
        fills = {
            "business": {"business_name": self.business_name},
            "profile": {"display_name": self.display_name},
            "phone": {"phone_number": self.phone_number},
            "verify": {"code": CODE},
        }
        return fills.get(step, {})

    def _onward(self, step: str) -> str:
        return {"finish": "Finish", "permissions": "Allow"}.get(step, "Continue")

    async def _answer(self, step: str) -> None:
        for name, value in self._fills(step).items():
            entry = self.page.locator(f"input[name={name}]")
            if value and await entry.count():
                await entry.fill(value)
        for name, chosen in (("business", self.business), ("number", self.number)):
            if step == name and chosen:
                await self.page.locator(f"input[name={name}][value='{chosen}']").check()
        if step == "verify" and await self.page.locator("input[name=share_history]").count():
            await self.page.locator("input[name=share_history]").set_checked(self.share_history)

    async def _press(self, name: str) -> None:
        self._left = self.screens[-1]
        # The last press may close the window under our hand, so the click does not wait for what comes after it.
        await self.page.get_by_role("button", name=name, exact=True).click(no_wait_after=True)
