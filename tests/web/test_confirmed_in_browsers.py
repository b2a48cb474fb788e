"""People confirm their address in their browsers, and see their own comments on pages without scripts."""

import re

import pytest

from commentsvc.domain.email_address import Email
from commentsvc.moderation.queue import search_comments
from commentsvc.moderation.schemas import QueueQuery
from commentsvc.service import private_read
from commentsvc.storage import addresses
from commentsvc.subscriptions import confirm, own_comments
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING
from tests.delivery.test_outbox import MAIL
from tests.subscriptions.test_confirm import ask_to_confirm
from tests.web.test_widget import comment, focused, stored, write

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

CONFIRMED = "Your email address is confirmed."


async def press_confirm(page, service, token):
    """Open the link of the mail, press its button, and wait until the blog says that it worked."""
    await page.goto(f"{service.config.own_origin}/confirm/{token}")
    await page.get_by_role("button", name="Confirm", exact=True).click()
    await page.get_by_text(CONFIRMED).wait_for()


async def verified(service):
    found = await search_comments(service, EVERYTHING, QueueQuery())
    return {card.comment: card.verified for card in found.comments}


@private_read
async def link_of(unit, email):
    address = await addresses.find(unit, unit.keyring.digests(Email(email)))
    return f"/mine/{own_comments.create_link_token(unit, address.id, unit.now())[0]}"


async def test_each_browser_that_confirms_is_verified(at_post, browse):
    mia, service = await at_post(delivery="off", **MAIL)
    await write(mia, "Not confirmed yet.")
    await comment(mia, "Not confirmed yet.").wait_for()
    before = (await stored(mia))["commentsvc:author"]
    token, _ = await ask_to_confirm(service)
    blog = mia.url

    await press_confirm(mia, service, token)
    assert mia.url == blog
    assert await focused(mia) == CONFIRMED
    assert (await stored(mia))["commentsvc:author"] == before
    await write(mia, "From the laptop.")
    await comment(mia, "From the laptop.").wait_for()

    service.clock.move(seconds=1)
    token, _ = await ask_to_confirm(service)
    phone = await browse(blog, script=True, also=[service.config.own_origin])
    await press_confirm(phone, service, token)
    assert phone.url == blog
    assert (await stored(phone))["commentsvc:author"] not in {before, None}
    await write(phone, "From the phone.")
    await comment(phone, "From the phone.").wait_for()
    stranger = await browse(blog, script=True, also=[service.config.own_origin])
    await stranger.goto(blog)
    await write(stranger, "By a stranger.")
    await comment(stranger, "By a stranger.").wait_for()
    assert await verified(service) == {
        "Not confirmed yet.": True, "From the laptop.": True, "From the phone.": True, "By a stranger.": False,
    }  # fmt: skip


async def test_a_used_or_forged_code_says_so_and_stores_nothing(at_post, browse):
    mia, service = await at_post()
    await write(mia, "Words.")
    await comment(mia, "Words.").wait_for()
    _, address_id = await ask_to_confirm(service)
    (site,) = await everything_in(service, "site")
    used = confirm.create_proof(service, address_id, site["id"])
    for code, words in ((used, CONFIRMED), (used, "used already"), ("cp_nonsense", "used already")):
        eve = await browse(mia.url, script=True, also=[service.config.own_origin])
        await eve.goto(f"{mia.url}#confirmed={code}")
        await eve.get_by_text(words).wait_for()
        assert eve.url == mia.url
        assert ("commentsvc:author" in await stored(eve)) == (words == CONFIRMED)


async def test_a_code_is_kept_in_the_address_if_the_service_does_not_answer(at_post, browse):
    mia, service = await at_post()
    await write(mia, "Words.")
    await comment(mia, "Words.").wait_for()
    _, address_id = await ask_to_confirm(service)
    (site,) = await everything_in(service, "site")
    blog = mia.url
    await mia.context.route("**/v1/proofs", lambda route: route.abort())
    mia.ignored.append("ERR_FAILED")
    await mia.goto("about:blank")
    await mia.goto(f"{blog}#confirmed={confirm.create_proof(service, address_id, site['id'])}")
    await mia.wait_for_function("location.hash.startsWith('#confirmed=cp_')")
    await mia.context.unroute("**/v1/proofs")
    await mia.reload()
    await mia.get_by_text(CONFIRMED).wait_for()
    assert mia.url == blog


async def test_two_threads_on_a_page_use_a_code_once(at_post, browse):
    mia, service = await at_post(
        line='<comment-thread thread="/one/"></comment-thread><comment-thread thread="/two/">'
        '</comment-thread><script async src="{service}/embed.js"></script>'
    )
    await mia.locator(".ct").nth(1).wait_for()
    await write_first(mia)
    _, address_id = await ask_to_confirm(service)
    (site,) = await everything_in(service, "site")
    blog = mia.url
    await mia.goto("about:blank")
    await mia.goto(f"{blog}#confirmed={confirm.create_proof(service, address_id, site['id'])}")
    await mia.get_by_text(CONFIRMED).wait_for()
    await mia.wait_for_load_state("networkidle")
    assert await mia.get_by_text("used already").count() == 0


async def write_first(page):
    form = page.locator("comment-thread").first
    await form.get_by_role("textbox", name="Comment").fill("Words.")
    await form.get_by_role("textbox", name="Name").fill("Mia")
    await form.get_by_role("textbox", name="Email").fill("mia@example.com")
    await form.locator(".ct-send").click()
    await comment(form, "Words.").wait_for()


async def test_a_phone_without_scripts_shows_edits_and_deletes_own_comments(at_post, browse):
    mia, service = await at_post(delivery="off", **MAIL)
    await write(mia, "From this browser.")
    await comment(mia, "From this browser.").wait_for()
    token, _ = await ask_to_confirm(service)
    await press_confirm(mia, service, token)
    await write(mia, "To be changed.")
    await comment(mia, "To be changed.").wait_for()
    phone = await browse(service.config.own_origin, viewport={"width": 320, "height": 700})
    await phone.goto("/mine")
    await phone.get_by_label("Email address").fill("mia@example.com")
    await phone.get_by_role("button", name="Send link").click()
    await phone.get_by_text("a mail with a link is on its way").wait_for()
    await phone.goto(await link_of(service, "mia@example.com"))
    assert await phone.get_by_role("link", name="Edit").count() == 2  # also of the one before the confirmation
    await phone.get_by_role("link", name="Edit").first.click()
    await phone.get_by_label("Comment").fill("Was changed.")
    await phone.get_by_role("button", name="Save").click()
    await phone.get_by_text("Your comment was changed.").wait_for()
    await phone.get_by_role("link", name="Delete", exact=True).first.click()
    await phone.get_by_role("button", name="Delete").click()
    await phone.get_by_text("Your comment was deleted.").wait_for()
    assert await phone.get_by_role("article").count() == 1
    for page in (phone,):
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        small = await page.locator("main .button").evaluate_all(
            "all => all.filter(one => one.offsetHeight < 44).length"
        )
        assert small == 0
    await phone.get_by_role("link", name=re.compile("Delete everything")).click()
    await phone.get_by_role("button", name="Delete everything").click()
    await phone.get_by_role("heading", name="Everything is deleted").wait_for()
    assert await verified(service) == {}
