"""Readers and a moderator in Chromium: the service is below a path of a blog, behind a real nginx or Caddy."""

from contextlib import AsyncExitStack
from urllib.parse import parse_qs, urlsplit

import pytest

from tests import proxies
from tests.browser import in_shared_loop
from tests.web.test_widget import PENDING, comment, write

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

OWN_CERTIFICATE = {"ignore_https_errors": True}


@in_shared_loop()
async def behind(opened, tmp_path):
    """Return a function that starts the service behind a proxy: ``service = await behind("nginx")``."""
    async with AsyncExitStack() as stack:

        async def start(name, **settings):
            port = proxies.free_port()
            blog = f"https://127.0.0.1:{port}"
            url, service = await opened(
                **{"public_url": f"{blog}/comments", "sites": blog, "trusted_proxies": "127.0.0.1"} | settings
            )
            stack.enter_context(proxies.running(name, port=port, service=urlsplit(url).port, folder=tmp_path))
            return service

        yield start


@pytest.mark.parametrize(
    "name",
    [name if name in {"nginx", "caddy"} else pytest.param(name, marks=pytest.mark.slow) for name in proxies.LOCATIONS],
)
@pytest.mark.slow
async def test_readers_post_and_a_moderator_approves_below_a_path_of_the_blog(behind, browse, at_desk, name):
    service = await behind(name)
    blog = service.config.own_origin

    mia = await browse(blog, script=True, **OWN_CERTIFICATE)
    await mia.goto("/a-post/")
    await write(mia, "I posted by the widget.")
    await comment(mia, "I posted by the widget.").get_by_text(PENDING).wait_for()

    sam = await browse(blog, **OWN_CERTIFICATE)
    await sam.goto(f"/comments/t?thread={blog}/a-post/")
    await write(sam, "I posted without script.", name="Sam", email="sam@example.com")
    await sam.wait_for_url("**/comments/t?*receipt=*")
    await comment(sam, "I posted without script.").wait_for()
    assert parse_qs(urlsplit(sam.url).query)["thread"] == [f"{blog}/a-post/"]

    ada, _ = await at_desk("Ada", beside=service, person=OWN_CERTIFICATE)
    assert urlsplit(ada.url).path == "/comments/moderate"
    [cookie] = await ada.context.cookies()
    assert (cookie["name"], cookie["path"], cookie["secure"]) == ("__Secure-commentsvc", "/comments", True)
    async with ada.expect_response("**/comments/moderate/counts") as counts:
        await ada.evaluate("dispatchEvent(new Event('focus'))")
    assert (await counts.value).status in {200, 304}
    for _ in range(2):
        await ada.get_by_role("button", name="Approve").first.click()
        await ada.get_by_text("1 comment approved").wait_for()
        await ada.reload()
    await ada.get_by_text("All done").wait_for()

    lena = await browse(blog, script=True, **OWN_CERTIFICATE)
    await lena.goto("/a-post/")
    for text in ("I posted by the widget.", "I posted without script."):
        await comment(lena, text).wait_for()
    await comment(lena, "I posted by the widget.").locator(".ct-reply").click()
    await write(lena, "And I reply.", name="Lena", email="lena@example.com")
    await comment(lena, "And I reply.").get_by_text(PENDING).wait_for()
    await lena.goto("/comments/")
    await lena.get_by_role("heading", name="commentsvc is running").wait_for()
    await lena.locator(".ct-form").wait_for()
