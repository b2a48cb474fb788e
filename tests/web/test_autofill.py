"""Browsers fill in a form for a person, and leave the trap empty.

Headless Chromium (``chromium-headless-shell``) has no autofill. So one test fills every field whose name or label has a
word that form fillers know, in the languages of the form. Another uses the autofill of a whole browser; it exists where
COMMENTSVC_TEST_BROWSER is the path of one, such as Debian's ``chromium``.
"""

import asyncio
import os
from contextlib import suppress

import pytest
import pytest_asyncio
from playwright.async_api import Error, async_playwright

from commentsvc.sites import manage
from commentsvc.sites.schemas import SiteChange
from commentsvc.web.pages.i18n import LANGUAGES
from tests.chromium import ARGUMENTS
from tests.conftest import EVERYTHING

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PAGE = "/t?thread=/a-post/"
WHOLE_BROWSER = os.environ.get("COMMENTSVC_TEST_BROWSER")
# Fillers search names, ids and labels for words of a profile: of persons, addresses, companies, cards and accounts.
# These are such words in the languages of the form; a part of a word counts too, as it does for Chromium and Firefox.
KNOWN_WORDS = (
    "name|mail|phone|mobile|fax|address|street|city|town|county|state|province|region|country|zip|postal|postcode"
    "|company|business|organi|firm|job|birth|age|user|login|account|pass|card|cvc|cvv|iban|code|coupon|otp|pin"
    "|search|query|url|website|site|title|subject|message|nick|first|last|full|middle|contact|vat|tax|gender"
    "|salutation|vorname|nachname|anrede|adresse|straße|ort|plz|land|firma|telefon|benutzer|passwort|betreff"
    "|prénom|courriel|rue|ville|pays|société|téléphone|sujet|nombre|apellido|correo|calle|ciudad|país|empresa"
    "|teléfono|asunto|nome|sobrenome|endereço|cidade|telefone|assunto|cognome|indirizzo|città|azienda|telefono"
    "|oggetto|naam|straat|stad|plaats|bedrijf|telefoon|onderwerp|imię|nazwisko|ulica|miasto|kraj|temat|ім'я"
    "|прізвище|вулиця|місто|країна|телефон|тема|اسم|بريد|عنوان|مدينة|هاتف|موضوع|שם|אימייל|כתובת|עיר|טלפון|נושא"
    "|نام|ایمیل|نشانی|شهر|تلفن|姓名|名字|邮箱|地址|城市|电话|主题|名前|氏名|住所|電話|件名|이름|이메일|주소|전화"
    "|제목"
)
KNOWN_TOKENS = {"name", "email", "url"}  # values of autocomplete that the form has
FILL = """([words, tokens]) => {
  const known = new RegExp(words, "i");
  for (const field of document.querySelectorAll("form input:not([type=hidden], [type=checkbox])")) {
    const label = [...field.labels].map((one) => one.textContent).join(" ");
    const seen = `${field.name} ${field.id} ${field.placeholder} ${label}`;
    if (tokens.includes(field.autocomplete) || known.test(seen)) field.value = "filled";
  }
}"""
VALUES = "Object.fromEntries([...document.querySelectorAll('form input')].map((one) => [one.name, one.value]))"
PERSON = {
    "NAME_FULL": "Mia Berg",
    "EMAIL_ADDRESS": "mia@example.com",
    "COMPANY_NAME": "Example Ltd",
    "ADDRESS_HOME_LINE1": "1 Main Street",
    "ADDRESS_HOME_LINE2": "Second floor",
    "ADDRESS_HOME_CITY": "Paris",
    "ADDRESS_HOME_STATE": "Ile-de-France",
    "ADDRESS_HOME_ZIP": "75001",
    "ADDRESS_HOME_COUNTRY": "FR",
    "PHONE_HOME_WHOLE_NUMBER": "+33123456789",
}


async def start(opened):
    """Start the service with a site that has all fields; return its URL."""
    url, service = await opened()
    site = (await manage.list_sites(service, EVERYTHING)).sites[0]
    await manage.change_site(service, EVERYTHING, site.id, SiteChange(website_field=True))
    return url


async def without_styles(page):
    """Show the form as where no style sheet is loaded: then the trap is visible."""
    await page.evaluate("document.querySelectorAll('link[rel=stylesheet], style').forEach((one) => one.remove())")
    assert await page.locator("[name=topic]").is_visible()


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_a_form_filler_that_knows_words_of_all_languages_leaves_the_trap_empty(opened, browse, lang):
    url = await start(opened)
    mia = await browse(url, script=True)
    await mia.goto(f"{PAGE}&lang={lang}")
    await without_styles(mia)
    await mia.evaluate(FILL, [KNOWN_WORDS, sorted(KNOWN_TOKENS)])
    values = await mia.evaluate(VALUES)
    assert (values["name"], values["email"], values["website"]) == ("filled", "filled", "filled")
    assert values["topic"] == ""


async def test_the_trap_is_hidden_by_a_class_from_eyes_screen_readers_and_the_tab_key(opened, browse):
    url = await start(opened)
    mia = await browse(url)
    await mia.goto(PAGE)
    trap = mia.locator("[name=topic]")
    assert await trap.is_hidden()
    assert await trap.get_attribute("type") is None
    assert await mia.locator("[hidden] [name=topic], [name=topic][hidden], [style] [name=topic]").count() == 0
    assert (await trap.get_attribute("tabindex"), await trap.get_attribute("autocomplete")) == ("-1", "off")
    assert await mia.locator("[aria-hidden=true] [name=topic]").count() == 1
    label = await trap.evaluate("field => field.labels[0].textContent.trim()")
    assert label == "Leave this field empty", "where no style sheet is loaded, a person reads this"


@pytest_asyncio.fixture(loop_scope="module")
async def whole_browser():
    """The new headless mode of Chromium, which has autofill."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=WHOLE_BROWSER, headless=False, args=["--headless=new", *ARGUMENTS]
        )
        page = await browser.new_page()
        session = await page.context.new_cdp_session(page)
        await session.send("Autofill.enable")
        yield page, session
        await browser.close()


async def fill_by_browser(page, session):
    """Let Chromium fill in the form, from the field for the name. It reads forms a little after they are shown."""
    await session.send("DOM.enable")
    document = await session.send("DOM.getDocument")
    field = {"nodeId": document["root"]["nodeId"], "selector": "[name=name]"}
    node = await session.send(
        "DOM.describeNode", {"nodeId": (await session.send("DOM.querySelector", field))["nodeId"]}
    )
    profile = {"fields": [{"name": name, "value": value} for name, value in PERSON.items()]}
    filled = asyncio.Event()
    session.once("Autofill.addressFormFilled", lambda _event: filled.set())
    await session.send("Autofill.setAddresses", {"addresses": [profile]})
    await page.locator("[name=name]").focus()
    async with asyncio.timeout(20):
        while not filled.is_set():
            try:
                await session.send("Autofill.trigger", {"fieldId": node["node"]["backendNodeId"], "address": profile})
            except Error:
                continue  # the form was not read yet
            with suppress(TimeoutError):
                await asyncio.wait_for(filled.wait(), 1)


if WHOLE_BROWSER:

    @pytest.mark.parametrize(("lang", "styled"), [("en", True), *((lang, False) for lang in LANGUAGES)])
    async def test_chromiums_autofill_leaves_the_trap_empty(opened, whole_browser, lang, styled):
        url = await start(opened)
        page, session = whole_browser
        await page.goto(f"{url}{PAGE}&lang={lang}")
        if not styled:
            await without_styles(page)
        await fill_by_browser(page, session)
        values = await page.evaluate(VALUES)
        assert (values["name"], values["email"]) == ("Mia Berg", "mia@example.com")
        assert values["topic"] == ""
