"""People use the form of the widget; its script is loaded when they first do."""

import asyncio

import pytest

from commentsvc.app import join_outlets
from commentsvc.delivery import outbox
from commentsvc.domain.email_typos import suggest_address
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.sites import manage
from commentsvc.sites.schemas import SiteChange
from commentsvc.web.pages import assets
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING
from tests.delivery.test_outbox import MAIL
from tests.web.test_widget import box, comment, focused, post_approved, queue, reload, write

pytest_plugins = ("tests.browser",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = "**/embed-form.*.js"
ADDRESSES = [
    *("m@gmal.com", "m@gmaill.com", "m@gmail.co", "m@Gmail.cmo", "m@hotmial.com", "m@outlok.com", "m@yaho.co.uk"),
    *(
        "m@gmail.com",
        "m@ymail.com",
        "m@yahoo.dk",
        "m@mail.ru",
        "m@web.de",
        "m@example.com",
        "m@",
        "@gmial.com",
        "a b@gmal.com",
    ),
]


def contrast(one, other):
    """Return the contrast of two colours (WCAG 2.2, 1.4.3)."""

    def luminance(colour):
        parts = (value / 255 for value in colour[:3])
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


async def open_with_route(at_post, handler, **settings):
    """Open a post whose requests for the form's script meet a handler; return the page and the service."""
    mia, service = await at_post(path="/closed/", **settings)
    await mia.context.route(FORM, handler)
    await mia.goto("/a-post/")
    await mia.locator("form[novalidate]").wait_for()
    return mia, service


async def test_the_script_of_the_form_waits_for_somebody_who_writes(at_post):
    mia, service = await at_post()
    names = []
    mia.on("request", lambda request: names.append(request.url.split("/")[-1]))
    await mia.reload()
    await mia.locator("form[novalidate]").wait_for()
    assert not [name for name in names if name.startswith("embed-form")]
    async with mia.expect_response(FORM) as answer:
        await box(mia).focus()
    assert (await answer.value).url == f"{service.config.own_origin}/embed-form.{assets.embed_form().digest}.js"
    assert await (await answer.value).body() == assets.embed_form().body


async def test_a_comment_sent_before_the_script_of_the_form_arrived_is_posted_once(at_post):
    arrived = asyncio.Event()

    async def wait(route):
        await arrived.wait()
        await route.continue_()

    mia, _ = await open_with_route(at_post, wait, moderation=Mode.NONE)
    await write(mia, "Faster than the network.")
    await mia.locator(".ct-send").click()
    arrived.set()
    await comment(mia, "Faster than the network.").wait_for()
    assert await mia.get_by_role("article").count() == 1


async def test_a_reader_replies_on_the_page_without_script_if_the_script_of_the_form_is_lost(at_post):
    mia, service = await open_with_route(at_post, lambda route: route.abort())
    mia.ignored.append("net::ERR_FAILED")
    await post_approved(service, mia, name="Ada", comment="First.")
    await reload(mia)
    await mia.get_by_role("link", name="Reply to Ada").click()
    await mia.wait_for_url(f"{service.config.own_origin}/t?*")
    await mia.get_by_role("heading", name="Reply to Ada").wait_for()


async def test_a_commenter_posts_at_the_second_try_though_the_script_of_the_form_is_lost(at_post):
    mia, service = await open_with_route(at_post, lambda route: route.abort(), moderation=Mode.NONE)
    mia.ignored.append("net::ERR_FAILED")
    await post_approved(service, mia, name="Ada", comment="First.")
    await write(mia, "On a bad day.")
    await mia.get_by_text("Could not send. Your text is saved; try again.").wait_for()
    assert await box(mia).input_value() == "On a bad day."
    await mia.locator(".ct-send").click()
    await mia.wait_for_url(f"{service.config.own_origin}/t?*")
    await comment(mia, "On a bad day.").wait_for()


def hint(page):
    return page.locator(".ct-mean")


async def test_a_commenter_previews_and_counts_in_place(at_post):
    mia, _ = await at_post(comment_length=1000)
    left = mia.locator(".ct-left")
    await box(mia).fill("x" * 499)
    await mia.get_by_role("button", name="Preview").wait_for()
    assert await left.inner_text() == ""
    await box(mia).fill("x" * 999)
    await left.get_by_text("1 character left", exact=True).wait_for()
    await box(mia).fill("\U0001f600" * 1002)
    await left.get_by_text("2 characters too many", exact=True).wait_for()

    await box(mia).fill("  ")
    await mia.get_by_role("button", name="Preview").click()
    await mia.locator(".ct-fault", has_text="Please write a comment.").wait_for()
    await box(mia).fill("I **wondered** <script>alert(1)</script>")
    assert await mia.locator("[aria-invalid], .ct-fault:not(:empty)").count() == 0
    await mia.get_by_role("button", name="Preview").click()
    await mia.locator(".ct-preview b, .ct-preview strong", has_text="wondered").wait_for()
    assert not await mia.locator("[name=comment]").is_visible()
    await mia.get_by_role("button", name="Back to editing").click()
    assert await focused(mia) == "comment"
    assert await mia.locator(".ct-preview").count() == 0
    await mia.get_by_role("button", name="Preview").click()
    await mia.locator(".ct-preview").wait_for()
    await mia.locator(".ct-send").click()
    await mia.locator(".ct-fault", has_text="Please enter your name.").wait_for()
    assert await box(mia).is_visible(), "an error brings the field back"


async def test_an_error_goes_when_its_field_is_corrected(at_post):
    mia, _ = await at_post()
    await write(mia, "Words.", name="", email="mia@example")
    await mia.get_by_text("Check the marked fields.").wait_for()
    name, email = (mia.locator(f"[name={one}]") for one in ("name", "email"))
    assert [await one.get_attribute("aria-invalid") for one in (name, email)] == ["true", "true"]
    await name.fill("Mia")
    assert [await one.get_attribute("aria-invalid") for one in (name, email)] == [None, "true"]
    await email.press_sequentially("x")
    assert await email.get_attribute("aria-invalid") == "true", "still no full address"
    await email.press_sequentially(".org")
    assert await mia.locator(".ct-fault:not(:empty)").count() == 0
    assert await mia.locator(".ct-status").inner_text() == ""


async def test_a_commenter_is_asked_about_a_likely_typing_error_and_never_stopped(at_post):
    mia, _ = await at_post()
    await box(mia).focus()
    email = mia.get_by_role("textbox", name="Email")
    await email.fill("mia@gmial.com")
    await mia.get_by_role("textbox", name="Name").focus()
    await hint(mia).get_by_text("Did you mean mia@gmail.com?").wait_for()
    await hint(mia).get_by_role("button").click()
    assert await email.input_value() == "mia@gmail.com"
    assert await hint(mia).inner_text() == ""
    for address in ADDRESSES:
        await email.fill(address)
        await mia.get_by_role("textbox", name="Name").focus()
        words = await hint(mia).inner_text()
        assert words.removeprefix("Did you mean ").rstrip("?") == (suggest_address(address) or ""), address

    await write(mia, "From an unusual host.", email="mia@gmial.com")
    await comment(mia, "From an unusual host.").wait_for()


async def test_a_commenter_without_script_previews_and_reads_the_same_hints(browse, opened):
    url, service = await opened()
    mia = await browse(url)
    await mia.goto("/t?thread=/a-post/")
    await box(mia).fill("I **wondered** about that.")
    await mia.get_by_role("textbox", name="Email").fill("mia@gmial.com")
    await mia.get_by_role("button", name="Preview").click()
    preview = mia.get_by_role("region", name="Preview")
    assert await preview.inner_html() == "<p>I <strong>wondered</strong> about that.</p>"
    await mia.get_by_text("Did you mean mia@gmail.com?").wait_for()
    assert await queue(service) == []
    await mia.get_by_role("textbox", name="Name").fill("Mia")
    await mia.get_by_role("textbox", name="Name").press("Enter")
    await mia.wait_for_url("**/t?*receipt=*")
    assert len(await queue(service)) == 1, "Enter posts, and does not preview"


@pytest.mark.parametrize("look", ["color: #dcdcda", "--ct-accent: #ffd54a", "--ct-accent: #223344", "color: #1b1b1a"])
async def test_the_button_to_post_is_filled_and_its_words_can_be_read(at_post, look):
    mia, _ = await at_post(head=f"<style>:root {{ {look} }}</style>")
    button = mia.locator(".ct-send")
    await button.wait_for()
    words, ground = [
        await button.evaluate(
            "(button, part) => { const pen = document.createElement('canvas').getContext('2d');"
            "pen.fillStyle = getComputedStyle(button)[part]; pen.fillRect(0, 0, 1, 1);"
            "return [...pen.getImageData(0, 0, 1, 1).data] }",
            part,
        )
        for part in ("color", "backgroundColor")
    ]
    assert ground[3] == 255
    assert contrast(words, ground) >= 4.5
    assert (await button.bounding_box())["height"] >= 44


async def test_the_draft_of_a_reply_is_never_restored_where_nobody_sees_it(at_post):
    mia, service = await at_post()
    ada = await post_approved(service, mia, name="Ada", comment="First.")
    await reload(mia)
    await mia.get_by_role("link", name="Reply to Ada").click()
    await box(mia).fill("Half an answer")
    await mia.wait_for_function("JSON.stringify(localStorage).includes('Half an answer')")
    await mia.get_by_role("link", name="Leave a comment").click()
    await mia.locator(".ct-write > form").wait_for()
    assert (await focused(mia), await box(mia).input_value()) == ("comment", "Half an answer")
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[ada.id]))
    await reload(mia)
    form = mia.locator(".ct-write > form")
    await form.get_by_text("You began this reply to a comment that is not shown here.").wait_for()
    assert await box(mia).input_value() == "Half an answer"
    assert await form.get_by_role("heading", name="Leave a comment").is_visible()
    await write(mia, "Half an answer, finished.")
    await comment(mia, "Half an answer, finished.").wait_for()
    assert await form.get_by_text("You began this reply").is_hidden()


async def test_a_commenter_agrees_and_names_a_website_where_the_site_asks(at_post):
    mia, service = await at_post(moderation=Mode.NONE)
    site = (await manage.list_sites(service, EVERYTHING)).sites[0]
    policy = "https://blog.example/privacy"
    change = SiteChange(website_field=True, privacy_url=policy, consent_required=True)
    await manage.change_site(service, EVERYTHING, site.id, change)
    await reload(mia)
    assert await mia.get_by_role("link", name="How we use your data").get_attribute("href") == policy
    await mia.get_by_role("textbox", name="Website").fill("mia.example")
    await write(mia, "Words.")
    await mia.locator(".ct-fault", has_text="Tick this box to post your comment.").wait_for()
    agreed = mia.get_by_role("checkbox", name="I agree that this site stores")
    assert await agreed.get_attribute("aria-invalid") == "true"
    assert await focused(mia) == "consent"
    await agreed.check()
    assert await mia.locator(".ct-fault:not(:empty)").count() == 0
    await mia.get_by_role("checkbox", name="Save my name").check()
    await mia.locator(".ct-send").click()
    await comment(mia, "Words.").get_by_role("link", name="Mia").first.wait_for()
    await reload(mia)
    await mia.wait_for_function("document.querySelector('[name=website]').value == 'mia.example'")
    assert not await agreed.is_checked()


async def test_a_commenter_asks_for_mail_about_replies(at_post):
    mia, service = await at_post(**MAIL)
    wants_mail = mia.get_by_role("checkbox", name="Email me when someone replies")
    await wants_mail.check()
    await write(mia)
    await mia.get_by_text("Check your mail: you may have to confirm your address.").wait_for()
    await outbox.expand_events(service, join_outlets(service.config).fan_outs)
    assert [row["scope"] for row in await everything_in(service, "subscription")] == ["replies"]
    await mia.get_by_role("button", name="Edit").click()
    assert not await wants_mail.is_visible()


async def test_without_a_mail_server_nobody_is_offered_mail(at_post):
    mia, _ = await at_post()
    await mia.get_by_role("textbox", name="Email").wait_for()
    assert await mia.get_by_text("Email me").count() == 0


async def test_a_commenter_without_script_asks_for_mail(opened, browse):
    url, service = await opened(**MAIL)
    mia = await browse(url)
    await mia.goto("/t?thread=/a-post/")
    await mia.get_by_role("checkbox", name="Email me when someone replies").check()
    await write(mia)
    await mia.get_by_text("Check your mail: you may have to confirm your address.").wait_for()
    await outbox.expand_events(service, join_outlets(service.config).fan_outs)
    assert [row["scope"] for row in await everything_in(service, "subscription")] == ["replies"]
