"""Regression tests for edge cases that once failed."""

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


async def get_thread(service):
    (record,) = (await threads.list_threads(service, EVERYTHING, ThreadListQuery())).threads
    return record


async def test_a_thread_takes_its_title_from_the_first_approved_comment(service):
    await post.post_comment(service, draft(title="BUY PILLS", thread="http://localhost/a-page/"), visit())
    good = await post.post_comment(service, draft(title="The page", comment="Good."), visit())
    await approve(service, good)

    listing = await shown(service)
    assert (listing.thread.title, listing.thread.url) == ("The page", None)


async def test_an_author_approved_on_one_site_is_still_pending_on_another(database_url, clock):
    sites = "https://one.example https://two.example"
    async with a_service(database_url, clock, sites=sites, moderation=Mode.TRUSTED) as service:
        first = await post.post_comment(service, draft(thread="https://one.example/a/"), visit())
        await approve(service, first)
        for site, status in (("one", "approved"), ("two", "pending")):
            again = draft(thread=f"https://{site}.example/b/", author_token=first.author_token)
            assert (await post.post_comment(service, again, visit())).status == status


async def test_every_edit_counts_for_the_rate_limit(database_url, clock):
    async with a_service(database_url, clock, rate_limit="3/60") as service:
        receipt = await post.post_comment(service, draft(), visit())
        same = CommentEdit(comment="I have been wondering about this too.")
        await edit.edit_comment(service, receipt.id, receipt.edit_token, same, visit())
        assert await everything_in(service, "revision") == []
        await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="one"), visit())
        with pytest.raises(RateLimited):
            await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="two"), visit())


async def test_a_commenter_cannot_reuse_a_submission_for_a_different_comment(service):
    await post.post_comment(service, draft(submission="form-0001", thread="/a-page"), visit())
    await post.post_comment(service, draft(submission="form-0001", thread="/a-page/"), visit())
    with pytest.raises(SubmissionReused):
        await post.post_comment(service, draft(submission="form-0001", website="example.com"), visit())


async def test_two_concurrent_changes_to_a_thread_are_both_saved(service):
    receipt = await post.post_comment(service, draft(), visit())
    await approve(service, receipt)
    record = await get_thread(service)
    for number in range(8):
        await asyncio.gather(
            threads.change_thread(service, EVERYTHING, record.id, ThreadChange(closed=number % 2 == 0)),
            threads.change_thread(service, EVERYTHING, record.id, ThreadChange(title=f"title {number}")),
        )
        record = await get_thread(service)
        assert (record.closed, record.title) == (number % 2 == 0, f"title {number}")


async def test_two_threads_that_swap_names_at_once_get_one_success_and_one_error(service):
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


async def test_a_thread_change_that_readers_cannot_see_keeps_the_thread_version(service):
    receipt = await post.post_comment(service, draft(), visit())
    await approve(service, receipt)
    record = await get_thread(service)
    before = (await everything_in(service, "thread"))[0]["version"]
    await threads.change_thread(service, EVERYTHING, record.id, ThreadChange(alias="post-17", closed=False))
    assert (await everything_in(service, "thread"))[0]["version"] == before


async def test_erasing_a_comment_erases_the_notes_of_moderators_about_it(service):
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


async def test_servers_that_start_at_the_same_time_agree_on_new_sites(database_url, clock):
    async with a_service(database_url, clock):
        pass

    async def start(number):
        async with a_service(database_url, clock, sites="https://new.example https://newer.example") as service:
            return sorted(row["name"] for row in await everything_in(service, "site"))

    assert {tuple(names) for names in await asyncio.gather(*map(start, range(4)))} == {("blog", "newer.example")}


async def test_the_service_starts_after_its_owner_was_removed(service):
    assert await moderators.create_first_sign_in_link(service)
    await moderators.remove_moderator(service, "owner")
    assert await moderators.create_first_sign_in_link(service) is None


async def test_a_counts_form_can_name_its_site(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        form = [("thread", "/a"), ("thread", "/b"), ("site", "one.example")]
        response = await client.post("/v1/counts", data=form)
        assert (response.status, await response.json()) == (200, {"counts": {"/a": 0, "/b": 0}})


async def test_a_key_of_one_site_does_not_need_to_name_the_site(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        await post.post_comment(service, draft(thread="https://one.example/a/"), visit())
        key = await a_key(service, Scope.READ, site="one.example")
        found = await client.get("/v1/moderation/comments?thread=/a/", headers=key)
        assert len((await found.json())["comments"]) == 1


async def test_the_start_page_does_not_list_the_sites(database_url, clock, aiohttp_client):
    async with a_service(database_url, clock, sites="https://one.example https://two.example") as service:
        client = await aiohttp_client(application(service))
        page = await (await client.get("/")).text()
        assert "one.example</b>" not in page
        assert "two.example" not in page


async def test_a_thread_key_with_too_many_bytes_is_refused_with_its_field(service):
    for name in ("é" * 1500, "/" + "é" * 1500):
        with pytest.raises(Invalid) as refused:
            await post.post_comment(service, draft(thread=name), visit())
        assert refused.value.faults[0].field == "thread"


async def test_a_browser_that_sends_an_invalid_parent_gets_an_html_page(client):
    browser = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    response = await client.post("/v1/comments", data=fields_of(parent="\x00"), headers=browser)
    assert (response.status, response.content_type) == (422, "text/html")


@pytest.mark.parametrize("when", ["2020-01-01T00:00:00Z", "0500-01-01T00:00:00Z", "2026-11-22T16:02:11Z"])
async def test_an_admin_cannot_create_a_key_that_has_expired_already(service, when):
    with pytest.raises(Invalid):
        await keys.create_key(service, EVERYTHING, NewKey(name="x", scopes=[Scope.READ], expires_at=when))


async def test_moderators_see_the_title_and_url_of_a_thread_before_it_is_public(service):
    await post.post_comment(service, draft(title="The page", thread="http://localhost/a-page/"), visit())
    (card,) = (await queue.search_comments(service, EVERYTHING, queue.QueueQuery())).comments
    assert (card.thread.title, card.thread.url) == ("The page", "http://localhost/a-page/")


async def test_postgresql_with_restricted_readers_logs_no_warning(postgres_url, clock, caplog):
    caplog.set_level(logging.WARNING)
    async with a_service(postgres_url, clock):
        assert "not restricted" not in caplog.text
