"""An operator opens the front page after the first start."""

import re

import pytest

from commentsvc.config.program import command_line
from commentsvc.domain.models import Mode, Scope
from tests.conftest import a_key
from tests.web.test_widget_looks import assert_accessible

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

LINE = '<script async src="{}/embed.js"></script>'


async def test_an_operator_copies_the_line_and_the_command_from_the_front_page(opened, browse):
    url, _ = await opened()
    screen = {"width": 760, "height": 900}
    ada = await browse(url, script=True, viewport=screen, permissions=["clipboard-read", "clipboard-write"])
    await ada.goto("/")
    rows = [await row.bounding_box() for row in await ada.locator(".copied").all()]
    assert rows[0]["y"] <= 128
    assert rows[1]["y"] + rows[1]["height"] <= 370
    for name, text in (("line", LINE.format(url)), ("invite", command_line("moderator", "invite", "owner", link=True))):
        button = ada.locator(f"[data-copy={name}]")
        assert {"width": 104, "height": 44}.items() <= (await button.bounding_box()).items()
        await button.click()
        await button.filter(has_text="Copied").wait_for()
        assert await ada.evaluate("navigator.clipboard.readText()") == text
    times = await ada.locator(".example time").all_inner_texts()
    assert all(re.fullmatch(r"\d+ \w+ ago", time) for time in times), times


async def test_an_operator_sees_an_example_of_a_thread_without_scripts(opened, browse):
    url, _ = await opened()
    ada = await browse(url)
    await ada.goto("/")
    assert await ada.get_by_role("button", name="Copy", exact=True).count() == 0, "it needs a script"
    example = ada.locator(".example")
    assert await example.get_by_role("article").count() == 3
    assert await example.locator(".ct-list .ct-list").get_by_text("Moderator").count() == 1
    assert await example.locator("blockquote, pre > code, .ct-text a[href^=https]").count() == 3
    assert "are an example" in await ada.locator(".demo > .quiet").inner_text()
    await example.get_by_role("link", name="Reply to Priya").click()
    assert await ada.locator(":target form").count() == 1


@pytest.mark.parametrize(
    "person",
    [
        {"color_scheme": "dark"},
        {"viewport": {"width": 320, "height": 700}},
        {"locale": "ar"},
        {"forced_colors": "active"},
    ],
)
async def test_the_front_page_is_accessible(opened, browse, person):
    url, _ = await opened()
    ada = await browse(url, script=True, bypass_csp=True, **person)
    await ada.goto("/")
    await assert_accessible(ada)


async def test_the_example_is_in_no_list_count_or_feed(opened, curl):
    url, service = await opened(moderation=Mode.NONE)
    key = await a_key(service, Scope.READ)
    async with curl.get(url, headers={"Accept-Language": "de"}) as response:
        page = await response.text()
    assert ("Priya" in page, '<html lang="de"' in page) == (True, True)
    for path in (
        "/v1/comments?thread=demo",
        "/v1/comments.html?thread=demo",
        "/v1/comments.atom?thread=demo",
        "/v1/latest",
        "/v1/latest.atom",
        "/v1/moderation/comments?status=any",
        "/v1/threads",
        "/t?thread=demo",
    ):
        async with curl.get(url + path, headers=key) as response:
            assert (response.status, "Priya" in await response.text()) == (200, False), path
    async with curl.get(f"{url}/v1/counts?thread=demo") as response:
        assert (await response.json())["counts"] == {"demo": 0}
