"""Posting a comment costs few statements, few B-trees and few bytes, so that a small disk can follow."""

import asyncio

import pytest

from commentsvc.comments.post import post_comment
from commentsvc.domain.models import Mode
from tests.conftest import a_service, draft, post, visit
from tests.storage.costs import changed_pages, statements_of, trees_of

# Outside of our tables only: sqlite_master never changes. A new index must be worth a page for every comment.
TREES = [
    "arrival_total",
    "comment",
    "comment_author",
    "comment_index_data",
    "comment_index_idx",
    "comment_queue",
    "comment_same_text",
    "comment_search",
    "comment_site",
    "comment_thread",
    "contact",
    "contact_email",
    "contact_name",  # of approved comments only
    "contact_network",
    "decision",
    "decision_comment",
    "site_total",
    "sqlite_autoindex_comment_1",
    "sqlite_autoindex_comment_2",
    "sqlite_autoindex_comment_search_1",
    "thread",
    "thread_total",
]


@pytest.fixture
async def quick(laid_file, tmp_path, clock):
    async with a_service(f"sqlite:///{tmp_path}/quick.db", clock, moderation=Mode.NONE) as service:
        await post(service, "The first comment makes the thread.")
        yield service


async def empty_log(service):
    await service.db._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")


async def test_a_comment_is_stored_with_few_statements(quick):
    async with statements_of(quick) as statements:
        await post(quick, "A second comment.")
    assert len(statements) <= 15, "\n".join(statements)


async def test_a_reply_is_stored_with_few_statements(quick):
    answered = await post(quick, "A second comment.")
    async with statements_of(quick) as statements:
        await post(quick, "A reply.", parent=answered)
    assert len(statements) <= 17, "\n".join(statements)


async def test_comments_that_are_stored_together_are_checked_for_a_newer_schema_once(quick):
    async with statements_of(quick) as statements:
        await asyncio.gather(*(post(quick, f"Comment number {number}.") for number in range(20)))
    assert 1 <= sum("schema_step" in sql for sql in statements) <= 3


async def test_a_comment_changes_few_b_trees(quick, tmp_path):
    await empty_log(quick)
    await post(quick, "A second comment.")
    trees = trees_of(tmp_path / "quick.db", changed_pages(tmp_path / "quick.db"))
    assert trees == TREES


async def test_comments_that_arrive_together_share_pages(quick, tmp_path):
    await empty_log(quick)
    posts = [draft(comment=f"Comment {number} of many people.", thread=f"/{number % 8}/") for number in range(128)]
    await asyncio.gather(*(post_comment(quick, one, visit(address=f"10.1.{n}.9")) for n, one in enumerate(posts)))
    pages = len(changed_pages(tmp_path / "quick.db"))
    assert pages * 4.1 / len(posts) < 12, "kB of the log for each comment"
