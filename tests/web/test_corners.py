"""Corners where something once went wrong, each for the person it went wrong for."""

import asyncio
import logging

import pytest

from commentsvc.access import keys, moderators
from commentsvc.access.schemas import NewKey
from commentsvc.comments import edit, post
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.errors import Invalid, RateLimited, SubmissionReused
from commentsvc.domain.models import ActionVerb, Mode, Scope
from commentsvc.moderation import actions, erase, queue, threads
from commentsvc.moderation.schemas import Action, ThreadChange, ThreadListQuery
from commentsvc.web.routes import application
from tests.comments.test_post import approve, everything_in, shown
from tests.conftest import EVERYTHING, a_key, a_service, draft, fields_of, visit


async def the_thread(service):
    (record,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    return record


async def test_a_thread_takes_its_title_from_what_was_approved_not_from_who_came_first(service):
    await post.post_comment(service, draft(title="BUY PILLS", thread="http://localhost/a-page/"), visit())
    good = await post.post_comment(service, draft(title="The page", comment="Good."), visit())
    await approve(service, good)

    listing = await shown(service)
    assert (listing.thread.title, listing.thread.url) == ("The page", None)


async def test_what_one_site_approves_proves_nothing_on_another(database_url, clock):
    sites = "https://one.example https://two.example"
    async with a_service(database_url, clock, sites=sites, moderation=Mode.TRUSTED) as service:
        first = await post.post_comment(service, draft(thread="https://one.example/a/"), visit())
        await approve(service, first)
        for site, status in (("one", "approved"), ("two", "pending")):
            again = draft(thread=f"https://{site}.example/b/", author_token=first.author_token)
            assert (await post.post_comment(service, again, visit())).status == status


async def test_edits_are_limited_like_comments_and_the_same_words_change_nothing(database_url, clock):
    async with a_service(database_url, clock, rate_limit="2/60") as service:
        mine = await post.post_comment(service, draft(), visit())
        same = CommentEdit(comment="I have been wondering about this too.")
        for _ in range(5):
            await edit.edit_comment(service, mine.id, mine.edit_token, same, visit())
        assert await everything_in(service, "revision") == []
        await edit.edit_comment(service, mine.id, mine.edit_token, CommentEdit(comment="one"), visit())
        with pytest.raises(RateLimited):
            await edit.edit_comment(service, mine.id, mine.edit_token, CommentEdit(comment="two"), visit())


async def test_a_submission_stands_for_every_word_of_its_comment(service):
    await post.post_comment(service, draft(submission="form-0001", thread="/a-page"), visit())
    await post.post_comment(service, draft(submission="form-0001", thread="/a-page/"), visit())
    with pytest.raises(SubmissionReused):
        await post.post_comment(service, draft(submission="form-0001", website="example.com"), visit())


async def test_of_two_changes_to_a_thread_at_once_neither_is_lost(service):
    receipt = await post.post_comment(service, draft(), visit())
    await approve(service, receipt)
    record = await the_thread(service)
    for number in range(8):
        await asyncio.gather(
            threads.change_thread(service, EVERYTHING, record.id, ThreadChange(closed=number % 2 == 0)),
            threads.change_thread(service, EVERYTHING, record.id, ThreadChange(title=f"title {number}")),
        )
        record = await the_thread(service)
        assert (record.closed, record.title) == (number % 2 == 0, f"title {number}")


async def test_names_that_two_threads_want_from_each_other_are_no_failure(service):
    for name in ("/a/", "/b/"):
        await post.post_comment(service, draft(thread=name), visit())
    one, two = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    for number in range(10):
        names = [f"/x{number}", f"/y{number}"]
        changes = [
            ThreadChange(thread=names[0], alias=names[1]),
            ThreadChange(thread=names[1], alias=names[0]),
        ]
        outcomes = await asyncio.gather(
            *(
                threads.change_thread(service, EVERYTHING, thread.id, change)
                for thread, change in zip((one, two), changes, strict=True)
            ),
            return_exceptions=True,
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Invalid", "ThreadRecord"]


async def test_a_change_that_changes_nothing_leaves_what_readers_have_right(service):
    receipt = await post.post_comment(service, draft(), visit())
    await approve(service, receipt)
    record = await the_thread(service)
    before = (await everything_in(service, "thread"))[0]["version"]
    await threads.change_thread(service, EVERYTHING, record.id, ThreadChange(alias="post-17", closed=False))
    assert (await everything_in(service, "thread"))[0]["version"] == before


async def test_what_moderators_wrote_of_an_erased_comment_is_erased_too(service):
    receipt = await post.post_comment(service, draft(), visit())
    await actions.apply_action(
        service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[receipt.id], note="that is Canary")
    )
    await erase.erase_permanently(service, EVERYTHING, receipt.id)
    for table in ("action", "decision", "action_item"):
        assert "anary" not in str(await everything_in(service, table))


@pytest.mark.parametrize("sites", ["https://b.example http://b.example", "https://b.example https://B.example/"])
async def test_a_blog_by_http_and_https_is_one_site(database_url, clock, sites):
    for _ in range(2):
        async with a_service(database_url, clock, sites=sites) as service:
            assert [row["name"] for row in await everything_in(service, "site")] == ["b.example"]


async def test_servers_that_start_at_once_with_new_sites_agree(database_url, clock):
    async with a_service(database_url, clock):
        pass

    async def start(number):
        async with a_service(database_url, clock, sites="https://new.example https://newer.example") as service:
            return sorted(row["name"] for row in await everything_in(service, "site"))

    assert {tuple(names) for names in await asyncio.gather(*map(start, range(4)))} == {("blog", "newer.example")}


async def test_a_removed_owner_keeps_nobody_from_starting(service):
    assert await moderators.create_first_sign_in_link(service)
    await moderators.remove_moderator(service, "owner")
    assert await moderators.create_first_sign_in_link(service) is None


async def test_a_form_that_counts_may_name_its_site(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        form = [("thread", "/a"), ("thread", "/b"), ("site", "one.example")]
        response = await client.post("/v1/counts", data=form)
        assert (response.status, await response.json()) == (200, {"counts": {"/a": 0, "/b": 0}})


async def test_a_key_of_one_site_need_not_name_it(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        await post.post_comment(service, draft(thread="https://one.example/a/"), visit())
        key = await a_key(service, Scope.READ, site="one.example")
        found = await client.get("/v1/moderation/comments?thread=/a/", headers=key)
        assert len((await found.json())["comments"]) == 1


async def test_a_blog_is_not_shown_to_another_ones_readers(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        page = await (await client.get("/")).text()
        assert "one.example</b>" not in page
        assert "two.example" not in page


async def test_a_long_name_of_many_bytes_is_refused_by_name(service):
    for name in ("é" * 1500, "/" + "é" * 1500):
        with pytest.raises(Invalid) as refused:
            await post.post_comment(service, draft(thread=name), visit())
        assert refused.value.faults[0].field == "thread"


async def test_a_form_with_an_odd_parent_comes_back_as_a_page(client):
    browser = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    response = await client.post("/v1/comments", data=fields_of(parent="\x00"), headers=browser)
    assert (response.status, response.content_type) == (422, "text/html")


@pytest.mark.parametrize("when", ["2020-01-01T00:00:00Z", "0500-01-01T00:00:00Z", "2026-11-22T16:02:11Z"])
async def test_a_key_that_has_ended_already_is_not_made(service, when):
    with pytest.raises(Invalid):
        await keys.create_key(service, EVERYTHING, NewKey(name="x", scopes=[Scope.READ], expires_at=when))


async def test_before_a_thread_is_public_moderators_see_what_its_pages_said(service):
    await post.post_comment(service, draft(title="The page", thread="http://localhost/a-page/"), visit())
    (card,) = (await queue.search_comments(service, EVERYTHING, queue.QueueQuery())).comments
    assert (card.thread.title, card.thread.url) == ("The page", "http://localhost/a-page")


async def test_where_readers_are_confined_nobody_is_told_otherwise(postgres_url, clock, caplog):
    caplog.set_level(logging.WARNING)
    async with a_service(postgres_url, clock):
        assert "not restricted" not in caplog.text
