"""The moderation page says which mails a moderator gets, and what to do if there are none."""

import html
import re

import pytest

from commentsvc.access import moderators
from commentsvc.access.schemas import ModeratorChange
from commentsvc.domain.deliveries import Channel, NewParcel
from commentsvc.domain.email_address import Email
from commentsvc.service import write
from commentsvc.storage import parcels
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN, read_csrf_token
from tests.conftest import EVERYTHING, a_key, a_service, post
from tests.web.test_moderation_looks import NARROW, PHONE
from tests.web.test_moderation_page import open_page
from tests.web.test_widget_looks import assert_accessible

pytest_plugins = ("tests.browser",)

MAIL = {"smtp_url": "smtp://localhost:2525?tls=off", "mail_from": "comments@blog.example", "mail_minutes": 45}
ADA = "ada@blog.example"
NO_MAIL = "This service sends no mail, so nobody is told that a comment waits."
FAILED = "The latest mail could not be sent"


@pytest.fixture
async def mailing(database_url, clock):
    async with a_service(database_url, clock, **MAIL) as service:
        yield service


async def enter(aiohttp_client, service, name="owner", email=None):
    """Sign in a moderator, with an address or none; return their client and CSRF token."""
    client = await aiohttp_client(application(service))
    known = {one.name: one for one in await moderators.list_moderators(service)}
    if name not in known:
        known[name] = await moderators.add_moderator(service, name, None, [])
    await moderators.change_moderator(
        service, EVERYTHING, known[name].id, ModeratorChange(email=email and Email(email))
    )
    link = await moderators.create_sign_in_link(service, name)
    await client.post(link.removeprefix("http://localhost:8080"), headers=SAME_ORIGIN)
    return client, await read_csrf_token(client)


async def read_page(client, path="/moderate/account"):
    """Return a page as a person reads it."""
    return html.unescape(await (await client.get(path, headers=SAME_ORIGIN)).text())


async def send(client, path, **form):
    answer = await client.post(path, data=form, headers=SAME_ORIGIN, allow_redirects=False)
    return answer.status, answer.headers.get("Location")


@write
async def note_delivery(unit, error=None):
    await parcels.note_delivery(unit, Channel.MAIL, unit.now(), error)


@write
async def add_mails(unit, number):
    for _ in range(number):
        await parcels.add(unit, NewParcel(channel=Channel.MAIL, kind="test"))


async def read_choice(service):
    (ada,) = [one for one in await moderators.list_moderators(service) if one.name == "Ada"]
    return ada.mail.mode, ada.mail.minutes


async def test_a_moderator_chooses_when_mail_comes(mailing, aiohttp_client):
    client, csrf = await enter(aiohttp_client, mailing, "Ada", ADA)
    page = await read_page(client)
    assert '<option value="now" selected>' in page
    assert 'placeholder="45"' in page
    saved = await send(client, "/moderate/account/mail", csrf=csrf, mode="digest", minutes="90")
    assert saved == (303, "/moderate/account#mail")
    assert await read_choice(mailing) == ("digest", 90)
    page = await read_page(client)
    assert '<option value="digest" selected>' in page
    assert 'value="90"' in page
    await send(client, "/moderate/account/mail", csrf=csrf, mode="off", minutes="")
    assert await read_choice(mailing) == ("off", None)


@pytest.mark.parametrize("minutes", ["0", "1441", "soon"])
async def test_wrong_minutes_are_shown_at_their_field(mailing, aiohttp_client, minutes):
    client, csrf = await enter(aiohttp_client, mailing, "Ada", ADA)
    form = {"csrf": csrf, "mode": "digest", "minutes": minutes}
    answer = await client.post("/moderate/account/mail", data=form, headers=SAME_ORIGIN)
    assert answer.status == 422
    assert 'id="minutes-error"' in await answer.text()
    assert await read_choice(mailing) == ("now", None)


async def test_an_operator_chooses_for_a_moderator(mailing, aiohttp_client):
    client = await aiohttp_client(application(mailing))
    key = await a_key(mailing)
    added = await moderators.add_moderator(mailing, "Ada", Email(ADA), [])
    path = f"/v1/moderators/{added.id}"
    answer = await client.patch(path, json={"mail": {"mode": "digest", "minutes": 60}}, headers=key)
    assert (await answer.json())["mail"] == {"mode": "digest", "minutes": 60}
    assert (await answer.json())["email"] == ADA
    assert await read_choice(mailing) == ("digest", 60)
    for mail in ({"mode": "never"}, {"minutes": 0}, None, {"mode": ""}):
        assert (await client.patch(path, json={"mail": mail}, headers=key)).status == 422
    entries = (await (await client.get("/v1/audit", headers=key)).json())["entries"]
    assert [one["body"]["changed"] for one in entries if one["verb"] == "moderator_change"] == [["mail"]]


async def test_the_account_page_says_what_is_missing_for_mail(mailing, service, aiohttp_client):
    client, _ = await enter(aiohttp_client, service, "Ada", ADA)
    page = await read_page(client)
    assert "This service sends no mail yet." in page
    assert "docs/mail.md" in page
    client, _ = await enter(aiohttp_client, mailing, "Ada")
    page = await read_page(client)
    assert "moderator email Ada ADDRESS" in page
    assert 'name="mode"' not in page


async def test_a_key_of_nobody_has_neither_mail_nor_feeds(mailing, aiohttp_client):
    client = await aiohttp_client(application(mailing))
    key = (await a_key(mailing))["Authorization"].removeprefix("Bearer ")
    await client.post("/moderate/sign-in", data={"key": key}, headers=SAME_ORIGIN)
    csrf = await read_csrf_token(client)
    page = await read_page(client)
    assert "This key belongs to no moderator." in page
    assert "/moderate/account/feeds" not in page
    assert (await send(client, "/moderate/account/mail", csrf=csrf, mode="off"))[0] == 403
    assert (await send(client, "/moderate/account/feeds", csrf=csrf, site="blog"))[0] == 403


async def test_the_notice_that_no_mail_is_sent_is_closed_for_good(service, aiohttp_client):
    owner, csrf = await enter(aiohttp_client, service)
    other, _ = await enter(aiohttp_client, service, "Ada")
    page = await read_page(owner, "/moderate")
    assert page.count(NO_MAIL) == 1
    assert "/docs/mail.md" in page
    assert "/moderate/account#feeds" in page
    assert NO_MAIL not in await read_page(other, "/moderate"), "only the owner can change the settings"

    await send(owner, "/moderate/account/preferences", csrf=csrf, language="de")
    await send(owner, "/moderate/account/notice", csrf=csrf, back="/moderate")
    await send(owner, "/moderate/account/preferences", csrf=csrf, language="en", shortcuts="on")
    assert NO_MAIL not in await read_page(owner, "/moderate")
    again, _ = await enter(aiohttp_client, service)
    assert NO_MAIL not in await read_page(again, "/moderate")
    assert 'value="en" lang="en" selected' in await read_page(again)


async def test_where_mail_is_configured_the_notice_is_never_shown(mailing, aiohttp_client):
    owner, _ = await enter(aiohttp_client, mailing)
    page = await read_page(owner, "/moderate")
    assert NO_MAIL not in page
    assert FAILED not in page


async def test_the_page_shows_the_latest_error_until_mail_leaves_again(mailing, clock, aiohttp_client):
    owner, _ = await enter(aiohttp_client, mailing, email="owner@blog.example")
    ada, _ = await enter(aiohttp_client, mailing, "Ada", ADA)
    await note_delivery(mailing)
    clock.move(minutes=1)
    await note_delivery(mailing, "Connection refused <b>")
    await add_mails(mailing, 3)
    page = await (await owner.get("/moderate", headers=SAME_ORIGIN)).text()
    assert f"{FAILED} (22 Nov 2026, 16:03 UTC). 3 mails are waiting." in re.sub(r"\s+", " ", page)
    assert "Connection refused &lt;b&gt;" in page
    assert FAILED not in await read_page(ada, "/moderate")
    page = await read_page(ada)
    assert FAILED in page
    assert "Connection refused" not in page, "only the operator can mend it"

    clock.move(minutes=1)
    await note_delivery(mailing)
    assert FAILED not in await read_page(owner, "/moderate")


async def test_many_waiting_mails_are_not_counted_to_the_last(mailing, aiohttp_client):
    owner, _ = await enter(aiohttp_client, mailing)
    await note_delivery(mailing, "Connection refused")
    await add_mails(mailing, 1002)
    assert "More than 1,000 mails are waiting." in await read_page(owner, "/moderate")


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("size", [16, 32], ids=["usual text", "text of twice the size"])
async def test_all_deliveries_fit_on_a_phone(at_desk, size):
    owner, service = await at_desk(
        "owner", person={"bypass_csp": True, "locale": "de", **PHONE}, delivery="off", **MAIL
    )
    await add_mails(service, 2)
    await open_page(owner, "/moderate/deliveries")
    await owner.add_style_tag(content=f"html {{ font-size: {size}px !important }}")
    lines = await owner.locator("main nav a").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => [box.top, box.height])"
    )
    assert len({top for top, _ in lines}) == 1
    assert min(height for _, height in lines) >= 44
    assert await owner.locator("main form button").count() == 2
    assert await owner.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "person",
    [
        {"color_scheme": "dark", **PHONE},
        pytest.param({"color_scheme": "light", "locale": "ar", **NARROW}, marks=pytest.mark.slow),
        pytest.param({"color_scheme": "light", "forced_colors": "active"}, marks=pytest.mark.slow),
    ],
    ids=["phone", "narrow, from right to left", "forced colours"],
)
async def test_account_and_sign_in_pages_are_accessible(at_desk, browse, person):
    owner, service = await at_desk("owner", person={"bypass_csp": True, **person})
    await post(service, "Hello.")
    await open_page(owner)
    assert await owner.locator(".notice").count() == 1
    await assert_accessible(owner)
    await open_page(owner, "/moderate/account")
    await owner.locator('#feeds input[name="text"]').check()
    await owner.locator("#feeds .button").click()
    await owner.locator("code.key").wait_for()
    await assert_accessible(owner)

    ada, service = await at_desk("Ada", person={"bypass_csp": True, **person}, **MAIL)
    await add_mails(service, 2)
    await note_delivery(service, "Connection refused")
    (one,) = [one for one in await moderators.list_moderators(service) if one.name == "Ada"]
    await moderators.change_moderator(service, EVERYTHING, one.id, ModeratorChange(email=Email(ADA)))
    await open_page(ada, "/moderate/account")
    await ada.locator("#mode").select_option("digest")
    await ada.locator("#minutes").fill("20")
    await ada.locator("#mail .button").click()
    await ada.wait_for_url("**/moderate/account#mail")
    assert await ada.locator("#minutes").input_value() == "20"
    await assert_accessible(ada)

    stranger = await browse(service.config.own_origin, script=True, bypass_csp=True, **person)
    await stranger.goto("/moderate")
    await stranger.locator("#email").fill(ADA)
    await stranger.locator("form:has(#email) button").click()
    await stranger.get_by_role("status").wait_for()
    await assert_accessible(stranger)
    heights = "all => all.map(one => one.getBoundingClientRect().height)"
    assert min(await stranger.locator("main button, main input:visible").evaluate_all(heights)) >= 44
