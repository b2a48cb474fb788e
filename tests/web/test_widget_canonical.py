"""A page with several addresses has one thread if the widget may use its canonical link."""

import pytest

from tests.browser import POST, in_shared_loop

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PATH = "/print/a-post/?size=large"


@in_shared_loop()
async def named(opened, blog, browse):
    """Return a function that opens a page at ``localhost``, and returns the thread that its widget shows."""

    async def open_page(element, head):
        url, _ = await opened()
        line = f'<script async src="{url}/embed.js"></script>{element}'
        page = POST.format(lang="en", head=head, line=line)
        address = (await blog(page)).replace("127.0.0.1", "localhost")
        reader = await browse(address, script=True, also=[url])
        await reader.goto(PATH)
        await reader.locator(".ct").wait_for()
        return await reader.locator(".ct").get_attribute("data-thread")

    yield open_page


CANONICAL = "<comment-thread canonical></comment-thread>"
PAGE = "/print/a-post?size=large"


@pytest.mark.parametrize(
    ("element", "head", "thread"),
    [
        (CANONICAL, '<link rel="canonical" href="/a-post/">', "/a-post"),
        (CANONICAL, '<link rel="canonical" href="/?p=17&utm_source=x#top">', "/?p=17"),
        (CANONICAL, '<link rel="alternate canonical" href="../../caf%C3%A9/">', "/caf%C3%A9"),
        (CANONICAL, '<link rel="Canonical" href="/a-post/"><link rel="canonical" href="/second/">', "/a-post"),
        # Another site, or no address at all
        (CANONICAL, '<link rel="canonical" href="https://elsewhere.example/a-post/">', PAGE),
        (CANONICAL, '<link rel="canonical" href="https://localhost.example/a-post/">', PAGE),
        (CANONICAL, '<link rel="canonical" href="https://notlocalhost/a-post/">', PAGE),
        (CANONICAL, '<link rel="canonical" href="https://">', PAGE),
        (CANONICAL, '<link rel="canonical" href="mailto:mia@example.com">', PAGE),
        (CANONICAL, '<link rel="canonical" href="">', PAGE),
        (CANONICAL, '<link rel="canonical">', PAGE),
        (CANONICAL, "", PAGE),
        # Without the attribute, and with a name
        ("<comment-thread></comment-thread>", '<link rel="canonical" href="/a-post/">', PAGE),
        (
            "<comment-thread canonical thread='post-17'></comment-thread>",
            '<link rel="canonical" href="/a/">',
            "post-17",
        ),
        # A commenter's or advertiser's link in the body is not the page's own
        (f'<link rel="canonical" href="/a-post/">{CANONICAL}', "", PAGE),
    ],
)
async def test_a_reader_sees_the_thread_of_the_canonical_link_if_it_is_on_the_same_site(named, element, head, thread):
    assert await named(element, head) == thread


async def test_the_address_with_www_is_the_same_site(named):
    for host in ("www.localhost", "m.localhost"):
        script = (
            "<script>document.head.insertAdjacentHTML('beforeend', "
            f"`<link rel=canonical href='//{host}:${{location.port}}/a-post/'>`)</script>"
        )
        assert await named(CANONICAL, script) == "/a-post"
