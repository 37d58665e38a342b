"""The pages as text: what stands in them, what must never stand in them, and how much they weigh."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setuplinks.branding.theme import build_palette
from setuplinks.signup.rendering import STATIC_DIRECTORY, Renderer
from setuplinks.signup.views import Choose, Landing, NewNumber, Page, initials, make_brand
from tests.support.page_gallery import sample_logo
from tests.support.sample_pages import CUSTOMER, NUMBER, sample_brand, sample_done, sample_landing, sample_pages

RENDERER = Renderer()
PAGES = sample_pages(sample_brand())
BUDGET = 60_000


class Tags(HTMLParser):
    """Collects every start tag with its attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_no_page_breaks_the_content_rules(page: Page) -> None:
    seen = Tags(RENDERER.render(page, "n0nce"))
    assert not [tag for tag, attributes in seen.tags if "style" in attributes]
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]
    assert all(script.get("nonce") == "n0nce" and script.get("src") for script in seen.named("script"))
    assert all(style.get("nonce") == "n0nce" for style in seen.named("style"))
    assert not [
        src
        for tag, attributes in seen.tags
        if tag in {"img", "script", "link"}
        for src in attributes.values()
        if src and "//" in src
    ]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_page_has_one_heading_a_title_and_a_language(page: Page) -> None:
    seen = Tags(RENDERER.render(page, "n"))
    assert len(seen.named("h1")) == 1
    assert seen.named("html") == [{"lang": "en", "dir": "ltr"}]
    assert {"name": "robots", "content": "noindex, nofollow"} in seen.named("meta")
    assert "!" not in seen.words.replace("!important", "")


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_has_at_most_one_kind_of_filled_button(page: Page) -> None:
    seen = Tags(RENDERER.render(page, "n"))
    filled = {
        kind
        for _, attributes in seen.tags
        for kind in ("filled", "to-facebook")
        if kind in (attributes.get("class") or "").split()
    }
    assert len(filled) <= 1


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_form_is_a_post_with_the_pages_token(page: Page) -> None:
    seen = Tags(RENDERER.render(page, "n"))
    tokens = [field for field in seen.named("input") if field.get("name") == "form_token"]
    assert all(form["method"] == "post" and form["action"] for form in seen.named("form"))
    assert len(tokens) == len(seen.named("form"))


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_state_pages_carry_the_thread_and_work_pages_the_progress_and_never_both(page: Page) -> None:
    html = RENDERER.render(page, "n")
    work = page.template in {"choose.html", "signin.html", "pin.html", "numbers.html", "no_number.html"}
    assert ('class="progress"' in html) is work
    assert ('role="img"' in html) is not work


def test_the_preview_tags_carry_the_brand_and_nothing_of_the_customer() -> None:
    head = RENDERER.render(PAGES["landing"], "n").partition("</head>")[0]
    assert '<meta property="og:title" content="Connect your WhatsApp to Acme SaaS">' in head
    assert "San Lucas" not in head


def test_the_preview_picture_is_absolute() -> None:
    head = Renderer(public_url="https://links.example").render(PAGES["landing"], "n")
    assert '<meta property="og:image" content="https://links.example/logo.png">' in head


def test_the_landing_page_says_who_asks_and_for_whose_number() -> None:
    words = Tags(RENDERER.render(PAGES["landing"], "n")).words
    assert f"Acme SaaS asks to send and answer messages from {CUSTOMER}’s number." in words
    assert "You sign in on facebook.com. Acme SaaS never sees your password." in words
    assert "This link works until 25 May 2026" in words
    assert "JavaScript is off" in words


def test_names_stand_isolated_and_numbers_run_left_to_right_in_one_piece() -> None:
    html = RENDERER.render(PAGES["done"], "n")
    assert f"<bdi>{CUSTOMER}</bdi>" in html
    assert f'<bdi class="number" dir="ltr">{NUMBER}</bdi>' in html


def test_the_same_landing_pattern_is_filled_for_each_link_anew() -> None:
    first = RENDERER.render(sample_landing(sample_brand()), "one")
    other = replace(sample_landing(sample_brand()), customer_name="Óptica Belgrano", form_token="two-token")
    second = RENDERER.render(other, "two")
    assert "San Lucas" in first
    assert "San Lucas" not in second
    assert "Óptica Belgrano" in second
    assert ">ÓB<" in second
    assert 'nonce="two"' in second
    assert 'value="two-token"' in second
    assert "\ue000" not in second


def test_what_the_pattern_leaves_out_is_what_a_plain_render_would_have_put_in() -> None:
    page = replace(sample_landing(sample_brand()), customer_name="A & <b>B</b> 'C'", action_url="/x?a=1&b=2")
    plain = RENDERER._environment.get_template("landing.html").render(page=page, brand=page.brand, nonce="n")
    assert RENDERER.render(page, "n") == plain


@pytest.mark.parametrize("pool", ["kept", "ready", "empty", "off"])
def test_a_new_number_is_filled_in_as_any_text_of_the_link_is(pool: Literal["kept", "ready", "empty", "off"]) -> None:
    page = replace(
        sample_landing(sample_brand()), new_number=NewNumber(pool, metas=True), kept_number="+54 <b>9</b> 11"
    )
    plain = RENDERER._environment.get_template("landing.html").render(page=page, brand=page.brand, nonce="n")
    assert RENDERER.render(page, "n") == plain
    assert ("+54 &lt;b&gt;9&lt;/b&gt; 11" in plain) is (pool == "kept")


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_no_page_speaks_like_a_machine_or_begs(page: Page) -> None:
    words = Tags(re.sub(r"<style.*?</style>", "", RENDERER.render(page, "n"), flags=re.DOTALL)).words
    jargon = r"\b(WABA|OAuth|token|session|embedded|pre-verified|portfolio|please|oops|error)\b"
    assert not re.findall(jargon, words, re.IGNORECASE)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_gets_out_of_its_place(company: str, customer: str) -> None:
    brand = make_brand(build_palette(None, f"<i>{company}"), asked_by="Acme")
    for page in (
        Landing(brand, f"<u>{customer}", True, "/a", "t", "/b", "soon"),
        replace(sample_done(brand), customer_name=customer),
    ):
        seen = Tags(RENDERER.render(page, "n"))
        assert not seen.named("u")
        # Threads are drawn with <i class="strand">; one without a class would be the company's.
        assert all(attributes.get("class") == "strand" for attributes in seen.named("i"))


@pytest.mark.parametrize(
    ("choice", "kind", "count", "words"),
    [
        (True, "dedicated", 3, "Choose how to connect"),
        (False, "dedicated", 2, "you delete that account first, and its chats with it"),
        (False, "coexistence", 2, "scan a QR code"),
    ],
)
def test_the_landing_page_tells_the_steps_that_will_really_come(
    choice: bool, kind: str, count: int, words: str
) -> None:
    page = replace(
        sample_landing(sample_brand(), choice=choice),
        connection_type="coexistence" if kind == "coexistence" else "dedicated",
    )
    html = RENDERER.render(page, "n")
    assert html.count('<span class="dot">') == count
    assert words in html


def test_history_is_named_where_it_is_shared() -> None:
    choose = PAGES["choose"]
    assert isinstance(choose, Choose)
    shared = RENDERER.render(replace(choose, sync_history=True), "n")
    assert "those of the last months" in shared
    assert "those of the last months" not in RENDERER.render(choose, "n")


def test_keeping_the_app_is_preselected_because_it_destroys_nothing() -> None:
    radios = [
        field for field in Tags(RENDERER.render(PAGES["choose"], "n")).named("input") if field.get("type") == "radio"
    ]
    assert [radio["value"] for radio in radios if "checked" in radio] == ["coexistence"]


def test_a_tenant_that_shows_another_name_is_named_as_well() -> None:
    brand = make_brand(build_palette({"companyName": "WhatsApp Support"}, "Acme Holding"), asked_by="Acme Holding")
    assert "Sent by <bdi>Acme Holding</bdi>" in RENDERER.render(sample_landing(brand), "n")


def test_a_language_that_reads_from_the_right_turns_the_page() -> None:
    assert '<html lang="ar" dir="rtl">' in Renderer(language="ar").render(PAGES["landing"], "n")


def loud(message: str) -> str:
    """A language of capitals, in which a sentence that was not translated stands out."""
    return "".join(part if part.startswith("%(") else part.upper() for part in re.split(r"(%\([a-z]+\)s)", message))


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_sentence_goes_through_the_translator(page: Page) -> None:
    html = re.sub(r"<style.*?</style>", "", Renderer(translate=loud).render(page, "n"))
    # The finishing page's lines arrive as words: the route translates them, for the JSON too.
    html = re.sub(r"<ol class=\"steps live\".*?</ol>", "", html, flags=re.DOTALL)
    html = re.sub(r'<dd class="mono".*?</dd>', "", html)  # addresses and ids are no language's
    left = set(re.findall(r"\b[a-z]{3,}\b", Tags(html).words)) - {"visits_exhausted"}
    assert left == set()


def test_initials_are_two_capitals_at_most() -> None:
    assert [initials(name) for name in ("Clínica San Lucas", "óptica", "", "« La » Boulangerie", "李 小龙")] == [
        "CS", "Ó", "", "LB", "李小"
    ]  # fmt: skip


def test_a_first_view_stays_under_sixty_kilobytes_before_compression() -> None:
    html = len(RENDERER.render(PAGES["landing"], "n").encode())
    files = ("signup.css", "landing.js", "fonts/figtree-latin.woff2")
    total = html + len(sample_logo()) + sum((STATIC_DIRECTORY / name).stat().st_size for name in files)
    assert total < BUDGET


def test_the_fonts_licence_stands_beside_the_fonts() -> None:
    assert "SIL OPEN FONT LICENSE" in (STATIC_DIRECTORY / "fonts" / "OFL.txt").read_text()
