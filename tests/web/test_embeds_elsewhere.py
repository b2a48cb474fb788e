"""A blogger changes the host in a theme for Isso, Remark42 or Cusdis, and readers find the comments."""

import pytest

from commentsvc.domain.models import Mode
from commentsvc.web.pages import assets
from tests.browser import POST
from tests.conftest import post

pytest_plugins = ("tests.browser",)
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

LOADER = """<script>
for (const name of remark_config.components || ['embed']) {
  const script = document.createElement('script')
  script.src = remark_config.host + '/web/' + name + '%s'
  %s
  document.head.append(script)
}
</script>"""
CUSDIS = (
    "<div id=cusdis_thread data-host=URL data-app-id=app data-page-title=Title data-page-id='%s'"
    " data-page-url='%s'></div>"
)
# What themes print, by the way in which they do it, for a page at /a-post/. URL is the address of the service.
THEMES = {
    "isso: script before the place": (
        "<script data-isso=URL/ data-isso-css=false data-isso-avatar=false src=URL/js/embed.min.js></script>"
        "<section id=isso-thread><noscript>Comments need JavaScript.</noscript></section>"
    ),
    "isso: asynchronous script in front, id at the place": (
        "<script async data-isso=URL src=URL/js/embed.min.js></script>"
        "<div class=comments><div id=isso-thread data-title='A post' data-isso-id=/a-post/></div></div>"
    ),
    "isso: language, and an id without effect, at the script after the place": (
        "<section id=isso-thread></section>"
        "<script data-isso=URL data-isso-id=same-on-every-page data-isso-lang='de' src=URL/js/embed.min.js></script>"
    ),
    "isso: script added by a script": (
        "<section id=isso-thread></section><script>const script = document.createElement('script');"
        "script.setAttribute('data-isso', 'URL/'); script.src = 'URL/js/embed.min.js';"
        "document.body.appendChild(script)</script>"
    ),
    "remark42: module": (
        "<div id=remark42></div><script>var remark_config = {host: 'URL', site_id: 'blog'}</script>"
        + LOADER % (".mjs", "script.type = 'module'")
    ),
    "remark42: deferred script before the place, with address": (
        "<script>var remark_config = {host: 'URL', site_id: 'blog', components: ['embed', 'counter'],"
        " url: location.origin + '/a-post/', locale: 'de', theme: 'dark'}</script>"
        + LOADER % (".js", "script.defer = true")
        + "<div id=remark42></div>"
    ),
    "remark42: elements of the page have the names of its settings": (
        "<form id=remark_config><input name=url value=/other/><input name=locale value=de></form>"
        "<div id=remark42></div><script src=URL/web/embed.js></script>"
    ),
    "cusdis: address of the page": (
        CUSDIS % ("8f14e45fceea", "/a-post/") + "<script async defer src=URL/js/cusdis.es.js></script>"
    ),
    "cusdis: path as id": CUSDIS % ("/a-post/", "") + "<script defer src=URL/js/cusdis.es.js></script>",
    "cusdis: nobody filled in the template": (
        CUSDIS % ("{{ PAGE_ID }}", "{{ PAGE_URL }}") + "<script src=URL/js/cusdis.umd.js></script>"
    ),
    "cusdis: the place is made later": (
        "<script src=URL/js/cusdis.es.js></script><main></main><script>setTimeout(() => {"
        "document.querySelector('main').innerHTML = `" + CUSDIS % ("/a-post/", "") + "`; CUSDIS.initial() })</script>"
    ),
}


@pytest.mark.parametrize("theme", THEMES)
async def test_a_theme_for_another_system_shows_the_comments_of_the_page(opened, blog, browse, theme):
    url, service = await opened(moderation=Mode.NONE)
    address = await blog(POST.format(lang="en", head="", line=THEMES[theme].replace("URL", url)))
    await post(service, "First words.", thread=f"{address}/a-post/")

    page = await browse(address, script=True, also=[url])
    await page.goto("/a-post/")

    thread = page.locator("comment-thread")
    await thread.get_by_text("First words.").wait_for()
    assert await thread.count() == 1
    assert await thread.locator(".ct-title").inner_text() == ("1 Kommentar" if "'de'" in THEMES[theme] else "1 comment")
    await page.locator("comment-thread [name=name]").fill("Ada")
    await page.locator("comment-thread textarea").fill("Second words.")
    await page.locator("comment-thread [name=email]").fill("ada@example.com")
    await thread.locator(".ct-send").click()
    await thread.locator(".ct-text", has_text="Second words.").wait_for()


async def test_links_of_other_systems_show_counts(opened, blog, browse):
    url, service = await opened(moderation=Mode.NONE)
    address = await blog(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Posts</title>"
        "<a id=isso href=/a-post/#isso-thread>Comments</a>"
        "<a id=own href=/other/#isso-thread data-isso-id=/a-post/>x</a>"
        "<p>Comments (<span class=remark42__counter data-url=/a-post/></span>)</p>"
        "<p>Replies: <span data-cusdis-count-page-id=/a-post/>0</span></p>"
        f"<script>var remark_config = {{host: '{url}'}}</script>"
        f"<script async src={url}/js/count.min.js></script>"
    )
    for text in ("One.", "Two."):
        await post(service, text, thread=f"{address}/a-post/")

    page = await browse(address, script=True, also=[url])
    await page.goto("/")

    await page.locator("#isso", has_text="2 comments").wait_for()
    assert await page.locator("#own").inner_text() == "2 comments"
    assert await page.locator("p").all_inner_texts() == ["Comments (2)", "Replies: 2"]
    assert await page.locator("comment-thread").count() == 0


async def test_a_page_that_changes_without_loading_changes_its_thread(opened, blog, browse):
    url, service = await opened(moderation=Mode.NONE)
    address = await blog(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Site</title><div id=remark42>Loading</div>"
        f"<script>var remark_config = {{host: '{url}', url: '/a/'}}</script><script src={url}/web/embed.js></script>"
    )
    for name in ("a", "b", "c", "d", "e"):
        await post(service, f"On {name}.", thread=f"{address}/{name}/")
    page = await browse(address, script=True, also=[url])
    await page.goto("/")
    await page.get_by_text("On a.").wait_for()

    await page.evaluate(
        "REMARK42.destroy(); REMARK42.createInstance({node: document.getElementById('remark42'), url: '/b/'})"
    )

    await page.get_by_text("On b.").wait_for()
    assert await page.get_by_text("On a.").count() == 0
    assert await page.get_by_text("Loading").count() == 0

    await page.evaluate("window.instance = REMARK42.createInstance({url: '/c/'})")  # as Remark42, also without a place
    await page.get_by_text("On c.").wait_for()
    await page.evaluate("instance.destroy(); instance.changeTheme('dark'); REMARK42.createInstance({url: '/d/'})")
    await page.get_by_text("On d.").wait_for()
    await page.evaluate("remark42.id = 'cusdis_thread'; cusdis_thread.dataset.pageId = '/e/'")
    await page.evaluate("CUSDIS.renderTo(cusdis_thread)")
    await page.get_by_text("On e.").wait_for()
    assert await page.locator("comment-thread").count() == 1


async def test_every_name_is_served_and_kept_as_the_widget_is(opened, curl):
    url, _ = await opened()
    for name in assets.NAMES_ELSEWHERE:
        async with curl.get(url + name) as answer:
            assert (answer.status, answer.content_type) == (200, "text/javascript")
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        async with curl.get(url + name, headers={"If-None-Match": answer.headers["ETag"]}) as again:
            assert again.status == 304
    assert len(assets.embed_elsewhere().packed) <= 7_000
