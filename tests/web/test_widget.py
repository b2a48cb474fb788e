"""People read and write comments in a blog that has the script line."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from commentsvc.comments import post
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions, threads
from commentsvc.moderation.queue import search_comments
from commentsvc.moderation.schemas import Action, QueueQuery, ThreadChange, ThreadListQuery
from tests.comments.test_post import approve
from tests.conftest import EVERYTHING, draft, visit

pytest_plugins = ("tests.browser",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

PENDING = "Thank you! A moderator will check your comment soon. Only you can see it."
STRICT = (
    "default-src 'none'; script-src {service}; connect-src {service}; form-action {service}; "
    "require-trusted-types-for 'script'; trusted-types commentsvc"
)


async def write(page, text="I have been wondering about this too.", name="Mia", email="mia@example.com"):
    """Fill in the form and send it."""
    await box(page).fill(text)
    await page.get_by_role("textbox", name="Name").fill(name)
    await page.get_by_role("textbox", name="Email").fill(email)
    await page.locator(".ct-send").click()


def box(page):
    return page.get_by_role("textbox", name="Comment")


def comment(page, text):
    return page.get_by_role("article").filter(has_text=text)


async def post_approved(service, page, **changed):
    """Post a comment on the thread of this page and approve it."""
    thread = re.split("[?#]", page.url)[0]
    receipt = await post.post_comment(service, draft(**{"thread": thread} | changed), visit())
    await approve(service, receipt)
    return receipt


async def reload(page):
    """Reload the page without the browser cache."""
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await page.reload()
    await page.locator(".ct").wait_for()


async def queue(service):
    """Return the pending comments."""
    return (await search_comments(service, EVERYTHING, QueueQuery())).comments


async def focused(page):
    """Return the name, else the id, else the text of the focused element."""
    element = "document.activeElement"
    return await page.evaluate(f"{element}.name || {element}.id || {element}.textContent")


async def stored(page):
    """Return the local storage of the page, decoded."""
    return await page.evaluate("Object.fromEntries(Object.entries(localStorage).map(([n, v]) => [n, JSON.parse(v)]))")


async def test_two_readers_discuss_after_a_moderator_approves(at_post, browse):
    mia, service = await at_post()
    await write(mia, "I had *wondered* about that.")
    own_comment = comment(mia, "I had wondered")
    await own_comment.get_by_text(PENDING).wait_for()
    assert await focused(mia) == await own_comment.get_attribute("id")
    assert await box(mia).input_value() == ""

    sam = await browse(mia.url, script=True, also=[service.config.own_origin])
    await sam.goto(mia.url)
    await sam.get_by_text("No comments yet").wait_for()
    await actions.apply_action(
        service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[row.id for row in await queue(service)])
    )

    await reload(sam)
    await sam.get_by_role("heading", name="1 comment", exact=True).wait_for()
    await sam.get_by_role("link", name="Reply to Mia").click()
    await sam.get_by_role("heading", name="Reply to Mia").wait_for()
    assert await focused(sam) == "comment"
    await write(sam, "So had I.", name="Sam", email="sam@example.com")
    reply = sam.locator("[role=listitem] [role=listitem]").filter(has_text="So had I.")
    await reply.get_by_text(PENDING).wait_for()
    assert await sam.get_by_role("heading", name="Leave a comment").count() == 1

    await reload(mia)
    assert await comment(mia, "I had wondered").get_by_text(PENDING).count() == 0


async def test_a_commenter_still_sees_their_pending_comments_after_a_reload(at_post, browse):
    mia, service = await at_post()
    await write(mia)
    await comment(mia, PENDING).wait_for()
    first = await post_approved(service, mia, name="Ada", comment="First.")
    await reload(mia)
    await comment(mia, "First.").get_by_role("link", name="Reply").click()
    await write(mia, "An answer that waits.")
    await comment(mia, "An answer").wait_for()

    await reload(mia)
    await comment(mia, "An answer").get_by_text(PENDING).wait_for()
    nested = mia.locator(f"[role=listitem]:has(> [id='comment-{first.id}']) [role=listitem]")
    assert "An answer" in await nested.inner_text()
    assert await mia.get_by_text(PENDING).count() == 2
    assert await mia.locator("[data-edit], [data-author]").count() == 0, "tokens are not in the page"


async def test_a_commenter_sees_their_published_comment_counted(at_post):
    mia, _ = await at_post(moderation=Mode.NONE)
    await write(mia)
    await mia.get_by_role("heading", name="1 comment", exact=True).wait_for()
    assert await mia.get_by_text(PENDING).count() == 0
    await (
        mia.get_by_role("article").get_by_text("Thank you! Your comment is published. You can edit it until").wait_for()
    )
    await reload(mia)
    await mia.get_by_role("article").get_by_text("You can edit it until").wait_for()
    assert await mia.get_by_text("Thank you!").count() == 0


async def test_a_commenter_edits_and_deletes_their_comment(at_post):
    mia, _ = await at_post(moderation=Mode.NONE)
    await write(mia, "I had *wondred* about that.")
    own_comment = mia.get_by_role("article")
    await own_comment.wait_for()
    await box(mia).fill("Something else, half written")

    await own_comment.get_by_role("button", name="Edit").click()
    await mia.get_by_role("heading", name="Edit your comment").wait_for()
    assert await box(mia).input_value() == "I had *wondred* about that."
    assert not await mia.get_by_role("textbox", name="Email").is_visible()
    await box(mia).fill("I had *wondered* about that.")
    await mia.get_by_role("button", name="Save").click()
    await own_comment.get_by_text("I had wondered about that.").wait_for()
    assert await own_comment.get_by_text("edited").count() == 1
    assert await focused(mia) == await own_comment.get_attribute("id")
    assert await box(mia).input_value() == "Something else, half written"

    await reload(mia)
    await own_comment.get_by_role("button", name="Delete").click()
    assert await own_comment.count() == 1
    await own_comment.get_by_role("button", name="Delete permanently?").click()
    await mia.get_by_role("heading", name="0 comments").wait_for()
    assert await own_comment.count() == 0
    assert "0 comments" in await focused(mia)
    assert "mine" not in str(await stored(mia)) or (await stored(mia))["commentsvc:mine"] == {}


async def test_a_commenter_reads_that_the_time_to_delete_is_over(at_post, clock):
    mia, _ = await at_post()
    await write(mia)
    await mia.get_by_text(PENDING).wait_for()
    clock.move(minutes=16)
    await mia.get_by_role("button", name="Delete").click()
    await mia.get_by_role("button", name="Delete permanently?").click()
    await mia.get_by_text("Comments can be changed for 15 minutes").wait_for()

    await reload(mia)
    await mia.get_by_text(PENDING).wait_for()
    assert await mia.get_by_role("button", name="Delete").count() == 0


async def test_a_commenter_reads_until_when_they_can_edit(at_post, clock):
    mia, _ = await at_post(person={"timezone_id": "Asia/Tokyo"})
    await write(mia)
    own_comment = mia.get_by_role("article")
    until = (clock() + timedelta(minutes=15)).astimezone(ZoneInfo("Asia/Tokyo"))
    await own_comment.get_by_text(f"{PENDING} You can edit it until {until:%-I:%M}").wait_for()

    clock.move(minutes=16)
    await reload(mia)
    await own_comment.get_by_text(PENDING).wait_for()
    assert await own_comment.get_by_text("You can edit").count() == 0


async def test_a_commenter_does_not_see_the_honeypot(at_post):
    mia, service = await at_post()
    await mia.locator("form[novalidate]").wait_for()
    honeypot = mia.locator("[name=topic]")
    assert await honeypot.count() == 1
    assert await honeypot.is_hidden()
    assert await mia.locator("[hidden] [name=topic], [name=topic][hidden], [style]").count() == 0, "a class hides it"
    await write(mia)
    await mia.get_by_text(PENDING).wait_for()
    assert "trap" not in str(await queue(service))


async def test_a_commenter_reads_each_error_at_its_field_in_the_page_language(at_post):
    mia, _ = await at_post(lang="de")
    await mia.get_by_role("textbox", name="Kommentar").fill("Ich auch.")
    await mia.get_by_role("textbox", name="E-Mail").fill("nope")
    await mia.locator(".ct-send").click()

    name, email = (mia.locator(f"[name={one}]") for one in ("name", "email"))
    for field, words in ((name, "Bitte"), (email, "eine gültige E-Mail-Adresse")):
        await mia.locator(f"#{await field.get_attribute('aria-describedby')}", has_text=words).wait_for()
        assert await field.get_attribute("aria-invalid") == "true"
    assert await focused(mia) == "name"
    assert await mia.locator("[name=comment]").input_value() == "Ich auch."
    assert await mia.locator("[name=comment]").get_attribute("aria-invalid") is None

    await name.fill("Mia")
    await email.fill("mia@example.com")
    await mia.locator(".ct-send").click()
    await mia.get_by_role("article").wait_for()
    assert await mia.locator("[aria-invalid]").count() == 0


async def test_a_commenter_reads_a_general_error_at_the_button(at_post):
    mia, _ = await at_post()
    for _ in range(2):
        await write(mia)
        await mia.get_by_role("article").wait_for()
    await mia.get_by_text("You already posted this comment.", exact=True).wait_for()
    assert await box(mia).input_value() != ""


async def test_a_reader_of_a_closed_thread_sees_no_form(at_post):
    mia, service = await at_post()
    await post_approved(service, mia)
    (record,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    await threads.change_thread(service, EVERYTHING, record.id, ThreadChange(closed=True))
    await reload(mia)
    await mia.get_by_text("Comments are closed.").wait_for()
    assert await mia.get_by_role("article").count() == 1
    assert await mia.get_by_role("link", name="Reply").count() == 0
    assert await mia.locator("form").count() == 0


async def test_a_draft_is_saved_until_it_is_sent(at_post):
    mia, service = await at_post()
    await box(mia).fill("Half a thought")
    await mia.wait_for_function("JSON.stringify(localStorage).includes('Half a thought')")
    await reload(mia)
    await mia.wait_for_function("document.querySelector('[name=comment]').value == 'Half a thought'")
    await write(mia, "A whole thought.")
    await mia.get_by_role("article").wait_for()
    assert not [name for name in await stored(mia) if "draft" in name]

    await post_approved(service, mia, name="Ada", comment="First.")
    await reload(mia)
    await mia.get_by_role("link", name="Reply to Ada").click()
    await box(mia).fill("Half an answer")
    await mia.wait_for_function("JSON.stringify(localStorage).includes('Half an answer')")
    await reload(mia)
    await mia.get_by_role("heading", name="Reply to Ada").wait_for()
    assert await box(mia).input_value() == "Half an answer"
    assert await focused(mia) != "comment", "the widget does not take the focus"


async def test_the_widget_saves_name_and_email_only_with_consent(at_post):
    mia, _ = await at_post()
    await write(mia)
    await mia.get_by_role("article").wait_for()
    assert "mia@" not in str(await stored(mia))
    await reload(mia)
    assert await mia.get_by_role("textbox", name="Name").input_value() == ""

    await mia.get_by_role("checkbox", name="Save my name").check()
    await write(mia, "Another.")
    await comment(mia, "Another.").wait_for()
    await reload(mia)
    await mia.wait_for_function("document.querySelector('[name=name]').value == 'Mia'")
    assert await mia.get_by_role("textbox", name="Email").input_value() == "mia@example.com"

    await mia.get_by_role("checkbox", name="Save my name").uncheck()
    await write(mia, "A third.")
    await comment(mia, "A third.").wait_for()
    assert "mia@" not in str(await stored(mia))


async def test_a_commenter_who_was_approved_once_is_published_at_once(at_post):
    mia, service = await at_post(moderation=Mode.TRUSTED)
    await write(mia)
    await mia.get_by_text(PENDING).wait_for()
    pending = await queue(service)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[pending[0].id]))
    await write(mia, "Again.", email="another@example.com")
    await comment(mia, "Again.").wait_for()
    assert await comment(mia, "Again.").get_by_text(PENDING).count() == 0


async def test_a_commenter_sends_and_cancels_with_keys(at_post):
    mia, service = await at_post()
    await post_approved(service, mia, name="Ada")
    await reload(mia)
    link = mia.get_by_role("link", name="Reply to Ada")
    await link.focus()
    await mia.keyboard.press("Enter")
    await mia.get_by_role("heading", name="Reply to Ada").wait_for()
    assert await focused(mia) == "comment"
    await mia.keyboard.press("Escape")
    await mia.get_by_role("heading", name="Leave a comment").wait_for()
    assert await link.evaluate("link => link == document.activeElement")
    assert not await mia.get_by_role("button", name="Cancel").is_visible()

    await mia.get_by_role("textbox", name="Name").fill("Mia")
    await mia.get_by_role("textbox", name="Email").fill("mia@example.com")
    await box(mia).fill("Sent by a key.")
    await box(mia).press("Control+Enter")
    await comment(mia, "Sent by a key.").wait_for()


async def test_a_link_to_a_comment_scrolls_to_it_on_any_page(at_post, clock):
    mia, service = await at_post(moderation=Mode.NONE)
    for number in range(60):
        clock.move(seconds=1)
        last = await post_approved(service, mia, comment=f"Number {number}.")
    await mia.goto("about:blank")
    await mia.goto(f"/a-post/#comment-{last.id}")

    own_comment = mia.locator(f"[id='comment-{last.id}']:target")
    await own_comment.wait_for()
    assert await own_comment.evaluate("comment => comment.getBoundingClientRect().top < innerHeight")


async def test_the_widget_loads_comments_just_before_they_are_visible(at_post):
    mia, _ = await at_post(line='<div style="height: 3000px"></div><script async src="{service}/embed.js"></script>')
    requests = []
    mia.on("request", lambda request: requests.append(request.url))
    await mia.locator("comment-thread").wait_for(state="attached")
    await mia.evaluate("new Promise(done => setTimeout(() => requestAnimationFrame(done), 100))")
    assert not [url for url in requests if "comments.html" in url]
    async with mia.expect_request(lambda request: "comments.html" in request.url):
        await mia.evaluate("scrollTo(0, 2000)")


async def test_a_reader_loads_more_comments(at_post, clock):
    mia, service = await at_post(moderation=Mode.NONE)
    root = await post_approved(service, mia, comment="The first.")
    for number in range(50):
        clock.move(seconds=1)
        await post_approved(service, mia, comment=f"Number {number}.", parent=root.id)
    await reload(mia)
    assert await mia.get_by_role("article").count() == 1, "many replies are folded"
    await mia.emulate_media(media="print")
    assert await comment(mia, "Number 1.").evaluate("one => one.checkVisibility() && one.offsetHeight > 20"), "in print"
    await mia.emulate_media(media="screen")
    await mia.get_by_text("50 replies").click()
    assert await mia.get_by_role("article").count() == 50
    await mia.locator(".ct-more").click()
    await comment(mia, "Number 49.").wait_for()
    assert await mia.locator("[role=listitem] [role=listitem]").count() == 50
    assert await mia.locator(".ct-more").count() == 0
    assert await focused(mia) == await comment(mia, "Number 49.").get_attribute("id")


@pytest.mark.slow
async def test_a_reader_chooses_when_new_comments_are_shown(at_post, clock):
    element = '<comment-thread live="1"></comment-thread>'
    mia, service = await at_post(element=element, moderation=Mode.NONE)
    root = await post_approved(service, mia, comment="The first.")
    second = await post_approved(service, mia, comment="The second.")
    await reload(mia)
    await box(mia).fill("Half a thought")
    clock.move(seconds=1)
    await post_approved(service, mia, comment="An answer.", parent=root.id)
    clock.move(seconds=1)
    before = await mia.evaluate("document.documentElement.scrollHeight")
    offer = mia.get_by_role("button", name=re.compile("Show . new comment"))
    await offer.wait_for()
    assert await mia.evaluate("document.documentElement.scrollHeight") == before
    assert await mia.get_by_role("article").count() == 2
    await post_approved(service, mia, comment="The last.")
    await post_approved(service, mia, comment="An answer to another.", parent=second.id)
    await mia.get_by_role("button", name="Show 3 new comments").click()

    await mia.get_by_role("heading", name="5 comments").wait_for()
    assert await mia.locator("[role=listitem] [role=listitem]").count() == 2
    assert await focused(mia) == await comment(mia, "An answer.").get_attribute("id")
    assert await box(mia).input_value() == "Half a thought"
    assert await offer.count() == 0


async def test_a_list_of_posts_gets_all_comment_counts_in_one_request(at_post):
    posts = "".join(f'<p><a href="/{name}/" data-comment-count>Comments</a></p>' for name in ("one", "two"))
    archive = "".join(f'<a href="/{year}/" data-comment-count>Comments</a>' for year in range(250))
    mia, service = await at_post(line=posts, head='<script async src="{service}/embed.js"></script>', path="/")
    host = mia.url.rstrip("/")
    await post_approved(service, mia, thread=f"{host}/one/")
    for text in ("A.", "B."):
        await post_approved(service, mia, thread=f"{host}/two/", comment=text)
    requests = []
    mia.on("request", lambda request: requests.append(request.url) if "/v1/" in request.url else None)
    await mia.reload()
    await mia.get_by_role("link", name="2 comments", exact=True).wait_for()
    assert await mia.get_by_role("link", name="1 comment", exact=True).count() == 1
    assert len(requests) == 1
    assert await mia.locator("comment-thread").count() == 0
    await mia.evaluate("archive => document.body.insertAdjacentHTML('beforeend', archive)", archive)
    await mia.wait_for_function("document.querySelectorAll('[href=\"/249/\"]')[0].textContent == '0 comments'")
    assert len(requests) == 3, "200 posts in each request"


async def test_a_single_page_application_shows_the_thread_of_each_post(at_post):
    mia, service = await at_post(element="<main><comment-thread></comment-thread></main>")
    await post_approved(service, mia, comment="At the first.")
    await post_approved(service, mia, thread=mia.url.replace("a-post", "another"), comment="At the second.")
    await reload(mia)
    await comment(mia, "At the first.").wait_for()
    await mia.evaluate(
        "history.pushState(null, '', '/another/');"
        "document.querySelector('main').replaceChildren(document.createElement('comment-thread'))"
    )
    await comment(mia, "At the second.").wait_for()
    assert await comment(mia, "At the first.").count() == 0
    await mia.evaluate("document.querySelector('comment-thread').setAttribute('thread', '/a-post/')")
    await comment(mia, "At the first.").wait_for()


async def test_two_threads_on_one_page_do_not_affect_each_other(at_post):
    one, two = (f'<comment-thread thread="{name}"></comment-thread>' for name in ("one", "two"))
    mia, _ = await at_post(element=one + two)
    await mia.locator(".ct").nth(1).wait_for()
    first, second = await mia.locator("comment-thread").all()
    await first.locator(".ct-send").click()
    await first.locator("[aria-invalid]").first.wait_for()
    assert await second.locator("[aria-invalid]").count() == 0
    assert await second.locator(".ct-fault").all_inner_texts() == ["", "", ""]
    ids = await mia.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


async def test_the_widget_works_with_a_strict_content_security_policy(at_post):
    element = "<comment-thread></comment-thread>"
    headers = {"Content-Security-Policy": STRICT}
    mia, service = await at_post(element=element, headers=headers)
    await post_approved(service, mia, name="Ada", comment="First.")
    await reload(mia)
    await mia.get_by_role("link", name="Reply to Ada").click()
    await write(mia)
    await mia.get_by_text(PENDING).wait_for()
    await mia.get_by_role("button", name="Edit").click()
    await mia.get_by_role("button", name="Save").click()
    await mia.get_by_role("heading", name="Leave a comment").wait_for()
    assert await mia.locator(".ct-send").evaluate("button => getComputedStyle(button).minHeight") == "44px"


async def test_a_commenter_without_local_storage_reads_and_writes(at_post):
    blocked = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError') } })"
    mia, service = await at_post(head=f"<script>{blocked}</script>")
    await post_approved(service, mia, name="Ada", comment="First.")
    await reload(mia)
    await comment(mia, "First.").wait_for()
    await write(mia)
    await mia.get_by_text(PENDING).wait_for()
    await mia.get_by_role("button", name="Edit").click()
    await box(mia).fill("Better words.")
    await mia.get_by_role("button", name="Save").click()
    await comment(mia, "Better words.").wait_for()


async def test_a_reader_keeps_the_link_of_the_blog_if_the_service_is_down(at_post):
    inside = '<a href="{service}/t?thread=/a-post/">What people said</a>'
    mia, _ = await at_post(element=f"<comment-thread>{inside}</comment-thread>")
    await mia.locator(".ct").wait_for()
    await mia.context.route("**/v1/**", lambda route: route.abort())
    network_error = "net::ERR_FAILED"
    mia.ignored.append(network_error)
    await mia.reload()
    await mia.get_by_role("link", name="What people said").wait_for()


async def test_a_commenter_whose_request_failed_sends_again_without_a_duplicate(at_post):
    mia, service = await at_post()
    await mia.locator(".ct").wait_for()
    mia.ignored.append("net::ERR")
    lost = []

    async def drop_first_answer(route):
        if route.request.method == "POST" and not lost:
            lost.append(await route.fetch())
            await route.abort()
        else:
            await route.continue_()

    await mia.context.route("**/v1/comments", drop_first_answer)
    await reload(mia)
    await write(mia, "Once.")
    await mia.get_by_text("Could not send.").wait_for()
    assert await box(mia).input_value() == "Once."
    await mia.locator(".ct-send").click()
    await comment(mia, "Once.").wait_for()
    assert len(await queue(service)) == 1
