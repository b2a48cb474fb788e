"""A moderator decides on a phone, by one tap: without a script, in any language, in dark and in forced colours."""

import pytest

from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions, queue
from commentsvc.moderation.schemas import Action
from tests.conftest import EVERYTHING, post
from tests.delivery.postbox import MAIL, Postbox
from tests.delivery.test_moderator_mail import a_moderator, as_moderator
from tests.web.test_decision_links import links_of, stop_link
from tests.web.test_widget_looks import LONG, assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PHONE = {"viewport": {"width": 375, "height": 667}, "has_touch": True, "is_mobile": True}
NARROW = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
DEVICES = {
    "light": PHONE,
    "dark": {"color_scheme": "dark", **PHONE},
    "arabic": {"locale": "ar", **PHONE},
    "forced colours": {"forced_colors": "active", **PHONE},
    "narrow": NARROW,
}
TEXT = "How long did the rebuild take on the larger table? We have about 40 million rows."


async def mail_comment(opened, text=TEXT, **more):
    """Start the service; return its address, the service, the comment, and the links of Ada's mail."""
    settings = {name: value for name, value in MAIL.items() if name != "public_url"}
    url, service = await opened(delivery="off", **settings)
    ada = await a_moderator(service)
    comment = await post(service, text, title="A post about indexes", **more)
    (mail,) = await Postbox().collect(service)
    links = links_of(mail, url)
    return url, service, comment, links | {"stop": stop_link(service, ada)}


@pytest.mark.parametrize("device", DEVICES)
async def test_the_pages_behind_links_are_accessible(opened, browse, device):
    url, service, comment, links = await mail_comment(
        opened, f"Words, {LONG * 2}\n\nشكرا على هذا المقال.\n\n{'more ' * 500}", name=LONG[:60]
    )
    page = await browse(url, script=True, bypass_csp=True, **DEVICES[device])
    for path in (links["approve"], links["spam"], links["trash"], links["stop"], "/m/cd_forged"):
        await page.goto(path)
        await assert_accessible(page)
    bo = as_moderator(await a_moderator(service, "Bo", None), "Bo")
    await actions.apply_action(service, bo, Action(action=ActionVerb.SPAM, ids=[comment]))
    await page.goto(links["approve"])
    await assert_accessible(page)
    async with page.expect_navigation():
        await page.locator("button").tap()
    await assert_accessible(page)


async def test_one_tap_without_a_script_decides_and_another_takes_it_back(opened, browse):
    url, service, comment, links = await mail_comment(opened)
    phone = await browse(url, **PHONE)
    await phone.goto(links["approve"])
    await phone.get_by_role("button", name="Approve").tap()
    await phone.get_by_role("heading", name="1 comment approved.").wait_for()
    assert (await queue.get_comment_detail(service, EVERYTHING, comment)).status == "approved"
    await phone.get_by_role("button", name="Undo").tap()
    await phone.get_by_text("It is waiting again.").wait_for()
    assert (await queue.get_comment_detail(service, EVERYTHING, comment)).status == "pending"
    await phone.goto(links["stop"])
    await phone.get_by_role("button", name="Stop these mails").tap()
    await phone.get_by_role("heading", name="You get no more mails").wait_for()


async def test_the_choice_of_the_link_is_the_largest_button_and_all_are_in_view(opened, browse):
    url, service, _, links = await mail_comment(opened)
    await post(service, "Another from there.", thread="/b/")
    phone = await browse(url, **PHONE)
    for verb, label in (("approve", "Approve"), ("spam", "Spam"), ("trash", "Trash")):
        await phone.goto(links[verb])
        boxes = {await one.text_content(): await one.bounding_box() for one in await phone.locator("button").all()}
        sizes = {name: (round(box["width"]), round(box["height"])) for name, box in boxes.items()}
        swept = {"Spam, with all 2 from this network": (343, 48)} if verb == "spam" else {}
        others = {name: (168, 48) for name in ("Approve", "Spam", "Trash") if name != label}
        assert sizes == {label: (343, 52)} | swept | others
        assert boxes[label]["y"] <= min(box["y"] for box in boxes.values())
        assert max(box["y"] + box["height"] for box in boxes.values()) <= 600, "in view, without scrolling"
