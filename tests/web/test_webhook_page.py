"""Operators manage webhooks on the moderation page, without script."""

import os

import pytest

from commentsvc.delivery import webhooks
from tests.conftest import EVERYTHING, post
from tests.delivery.receiver import LOOPBACK, a_receiver
from tests.delivery.test_webhooks import work

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
PICTURES = os.environ.get("COMMENTSVC_PICTURES", "")


async def picture(page, name):
    """Keep a picture of the page, if somebody wants to look at it."""
    if PICTURES:
        for width, scheme in ((1100, "light"), (320, "dark")):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=f"{PICTURES}/{name}-{width}.png", full_page=True)
        assert await page.evaluate("document.documentElement.scrollWidth <= 320"), name


async def test_an_operator_adds_tests_and_repairs_a_webhook(at_desk, clock):
    async with a_receiver() as receiver:
        owner, service = await at_desk("owner", script=False, outbound_allow=LOOPBACK, delivery="off")
        await owner.get_by_role("link", name="Webhooks").click()
        await picture(owner, "webhooks-none")
        await owner.get_by_label("Address", exact=True).fill("http://10.0.0.1/")
        await owner.get_by_label("comment.created").check()
        await owner.get_by_role("button", name="Add webhook").click()
        assert "This address is in a private network." in await owner.get_by_role("alert").inner_text()
        assert await owner.get_by_label("comment.created").is_checked()
        await picture(owner, "webhooks-error")
        await owner.get_by_label("Address", exact=True).fill(receiver.url)
        await owner.get_by_label("Note").fill("Our chat")
        await owner.get_by_role("button", name="Add webhook").click()
        assert (await owner.locator("code.key").inner_text()).startswith("whsec_")
        await picture(owner, "webhooks-added")
        await owner.get_by_role("link", name="Our chat").click()

        await owner.get_by_role("button", name="Send a test").click()
        assert "Test delivered." in await owner.get_by_role("status").first.inner_text()
        assert "thanks" in await owner.locator("main pre").inner_text()
        await picture(owner, "webhook-tested")
        receiver.answers = [500]
        await owner.get_by_role("button", name="Send a test").click()
        assert "The test failed." in await owner.get_by_role("status").first.inner_text()

        receiver.answers = [404]
        await post(service, "Hello.")
        await work(service)
        clock.move(minutes=10)
        await owner.get_by_role("link", name="All webhooks").click()
        await owner.get_by_role("link", name="Our chat").click()
        failed = owner.locator("main li").filter(has=owner.locator(".chip", has_text="waiting"))
        await failed.locator("summary").click()
        await picture(owner, "webhook-deliveries")
        await failed.get_by_role("button", name="Send again").click()
        await work(service)
        await owner.reload()
        assert await owner.locator("main .list .chip", has_text="delivered").count() == 2

        await owner.get_by_role("button", name="New secret").click()
        assert (await owner.locator("code.key").inner_text()).startswith("whsec_")
        await owner.get_by_role("button", name="Switch off").click()
        assert await owner.locator("main .chip").first.inner_text() == "off"
        await owner.get_by_role("button", name="Switch on").click()
        await owner.locator("summary", has_text="Settings").click()
        await owner.get_by_label("Note").fill("The other chat")
        await owner.get_by_role("button", name="Save").click()
        assert await owner.locator("h1").inner_text() == "The other chat"
        await owner.locator("summary", has_text="Delete permanently").click()
        await owner.get_by_role("button", name="Delete").click()
        assert "No webhooks yet." in await owner.locator("main").inner_text()


async def test_a_moderator_of_the_operator_sees_that_a_webhook_was_switched_off(at_desk):
    async with a_receiver() as receiver:
        owner, service = await at_desk("owner", script=False, outbound_allow=LOOPBACK, delivery="off")
        new = webhooks.NewWebhook(url=receiver.url, events=[webhooks.WebhookEvent.HELD])
        await webhooks.add_webhook(service, EVERYTHING, new)
        receiver.answers = [410]
        await post(service, "Hello.")
        await work(service)
        await owner.goto("/moderate")
        notice = owner.locator(".key-notice", has_text="A webhook was switched off")
        await picture(owner, "webhook-notice")
        await notice.get_by_role("link", name="Webhooks").click()
        assert "off: requests failed" in await owner.locator("main").inner_text()
        sam, _ = await at_desk("Sam", beside=service, script=False)
        assert await sam.get_by_text("A webhook was switched off").count() == 0
        assert (await sam.goto("/moderate/webhooks")).status == 403
