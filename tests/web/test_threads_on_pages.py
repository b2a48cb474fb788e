"""Readers see long threads with folded branches, numbers, links in both directions, and whom a reply answers."""

import re

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain.initials import find_hue, find_initial
from commentsvc.domain.models import ActionVerb, Mode
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.web.routes import application
from tests.conftest import EVERYTHING, a_moderators_key, draft, visit

PAGE = "/t?thread=/a-page/"
HTML = "/v1/comments.html?thread=/a-page/&lang=en"


@pytest.fixture
async def post(served, aiohttp_client):
    """A thread: ``client, service, write = await post(setting=…)``; ``await write("Text.", parent)`` publishes."""

    async def start(**settings):
        service = await served(moderation=Mode.NONE, **settings)
        client = await aiohttp_client(application(service))

        async def write(text, parent=None, **changed):
            return await post_comment(service, draft(comment=text, parent=parent and parent.id, **changed), visit())

        return client, service, write

    return start


async def read(client, path):
    response = await client.get(path)
    assert response.status == 200, await response.text()
    return await response.text()


def sums(html):
    """Return the number of approved comments before a page, on it, and after it, and the total."""

    def number(pattern):
        found = re.search(pattern, html)
        return int(found[1].replace(",", "")) if found else 0

    shown = html.count('role="article"')
    return number(r"([\d,]+) comments? before these"), shown, number(r"([\d,]+) more comment"), number(r'count="(\d+)"')


async def test_the_numbers_around_each_page_add_up(post):
    client, service, write = await post()
    top = await write("A top-level comment.")
    held = await write("Removed, with a reply.", top)
    await write("A reply to it.", held)
    for number in range(9):
        await write(f"Number {number}.", top if number < 3 else None)
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[held.id]))
    for order in ("oldest", "newest"):
        html = await read(client, f"{HTML}&limit=4&order={order}")
        while True:
            before, shown, after, total = sums(html)
            assert before + shown + after == total == 11, (before, shown, after)
            assert html.count("4 replies") == (top.id in html), "the number is that of the whole branch"
            cursor = re.search(r'ct-more" href="[^"]*" data-cursor="([^"]*)', html)
            if not cursor:
                break
            html = await read(client, f"{HTML}&limit=4&order={order}&cursor={cursor[1]}")


async def test_a_long_branch_is_folded_unless_it_has_the_linked_comment(post):
    client, _, write = await post()
    long, short = await write("Long."), await write("Short.")
    replies = [await write(f"Reply {number}.", long) for number in range(11)]
    await write("One.", short)
    await write("Two.", short)
    for page in (PAGE, HTML):
        html = await read(client, page)
        assert re.findall(r"<details class=\"ct-branch\"( open)?>\s*<summary[^>]*>(\d+) replies", html) == [
            ("", "11"), (" open", "2"),
        ]  # fmt: skip
        assert "Reply 10." in html, "the page has what is folded"
        assert html.count('<details class="ct-branch" open>') == 1
        assert (await read(client, f"{page}&at={replies[3].id}")).count('<details class="ct-branch" open>') == 2


async def test_readers_see_whom_a_reply_answers_where_nesting_ends(post):
    client, service, write = await post(nesting=1)
    top = await write("Top.", name="Mia")
    ana = await write("Middle.", top, name="Ana <b>")
    deep = await write("Deep.", ana, name="Priya")
    listing = await (await client.get("/v1/comments?thread=/a-page/&view=flat")).json()
    assert [(one["parent"], one["in_reply_to"]) for one in listing["comments"]] == [
        (None, None), (top.id, top.id), (top.id, ana.id),
    ]  # fmt: skip
    assert (deep.parent, deep.in_reply_to) == (top.id, ana.id)
    html = await read(client, HTML)
    assert html.count("In reply to") == 1
    assert f'In reply to <a class="ct-link" href="#comment-{ana.id}"><bdi>Ana &lt;b&gt;</bdi></a>' in html
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.SPAM, ids=[ana.id]))
    html = await read(client, HTML)
    assert "Deep." in html
    assert "Ana" not in html, "the name of a removed comment is not public"


async def test_the_form_is_above_the_comments_with_the_newest_first(post):
    client, _, write = await post()
    await write("First.")
    await write("Second.")
    for page in (PAGE, HTML):
        html = await read(client, f"{page}&order=newest")
        assert html.index('class="ct-write"') < html.index("Second.") < html.index("First.")
        html = await read(client, page)
        assert html.index("First.") < html.index("Second.") < html.index('class="ct-write"')


async def test_a_reader_reports_a_comment_without_script(post):
    client, _, write = await post()
    bad = await write("Bad.")
    page = await read(client, PAGE)
    link = re.search(r'ct-report" href="([^"]*)"', page)[1].replace("&amp;", "&")
    form = await read(client, link)
    action = re.search(r'id="ct-report" method="post" action="([^"]*)"', form)[1].replace("&amp;", "&")
    sent = await client.post(
        action, data={"reason": "Spam."}, headers={"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    )
    assert (sent.status, sent.method) == (200, "GET"), "after a redirect"
    assert "A moderator will look at this comment." in await sent.text()
    assert 'id="ct-report"' not in await read(client, f"{PAGE}&report={bad.id[:-1]}x"), "an unknown comment has no form"


async def test_initials_have_the_colour_of_their_commenter_and_can_be_switched_off(post):
    client, _, write = await post()
    first = await write("One.", name="Mia")
    again = await write("Two.", name="Mia", author_token=first.author_token)
    assert again.hue == first.hue
    assert len({find_hue("site", f"author {number}", "Mia") for number in range(50)}) > 6, "not of the name alone"
    html = await read(client, HTML)
    assert html.count(f'<div class="ct-disc ct-h{first.hue}" aria-hidden="true">M</div>') == 2
    client, _, write = await post(initials="off")
    await write("One.")
    assert "ct-disc" not in await read(client, HTML)


async def test_replies_of_the_person_who_writes_the_site_say_so(post):
    client, service, write = await post(authors="Priya, Sam Lee")
    first = await write("One.", name="Priya")
    for name in ("Priya", "Ada"):
        key = await a_moderators_key(service, name)
        reply = {"comment": f"From {name}."}
        path = f"/v1/moderation/comments/{first.id}/replies"
        sent = await client.post(path, json=reply, headers=key)
        assert sent.status == 201, await sent.text()
    html = await read(client, HTML)
    assert re.findall(r'name">(\w+)</bdi></span>\s*<span class="ct-badge">(\w+)', html) == [
        ("Priya", "Author"), ("Ada", "Moderator"),
    ], "a commenter with this name has no badge"  # fmt: skip


@pytest.mark.parametrize(
    ("name", "initial"),
    [("mia", "M"), ("  élodie", "É"), ("e\u0301lodie", "É"), ("زينب", "ز"), ("中村", "中"), ("(anna)", "A"),
     ("ßen", "ß"), ("42", "4"), ("***", "*"), ("\N{DEVANAGARI LETTER KA}\N{DEVANAGARI VOWEL SIGN I}", "\u0915\u093f")],
)  # fmt: skip
def test_the_initial_of_a_name_is_its_first_letter(name, initial):
    assert find_initial(name) == initial
