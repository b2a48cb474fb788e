"""A moderator's expensive search makes nobody else wait, and ends."""

import asyncio
import inspect
import threading

import pytest

from commentsvc.access import keys
from commentsvc.comments import read
from commentsvc.comments.schemas import ThreadQuery
from commentsvc.domain.errors import Unavailable
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import PrivateSearch, QueueQuery
from commentsvc.service import search_read
from commentsvc.storage.database import SEARCHES
from tests.conftest import EVERYTHING, a_key, post, visit

COUNT = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000000000)
SELECT COUNT(*) AS number FROM number
"""


async def count_for_long(unit):
    return await unit.one(COUNT)


async def test_a_search_that_takes_too_long_ends_and_says_what_to_change(service):
    with pytest.raises(Unavailable, match="Choose a status, a site or a shorter time"):
        await search_read(count_for_long, 0.05)(service)
    await post(service, "Some words")
    for _ in range(SEARCHES + 1):  # the connections are free again, and have no limit of an earlier search
        page = await queue.search_comments(service, EVERYTHING, PrivateSearch(q="words"))
        assert len(page.comments) == 1


async def test_searches_leave_queue_keys_and_readers_alone(service, engine):
    await post(service, "Some words", thread="/page/")
    key = (await a_key(service))["Authorization"].removeprefix("Bearer ")
    # A unit on SQLite runs in a thread, a unit on PostgreSQL in the event loop.
    end = threading.Event() if engine == "sqlite" else asyncio.Event()

    async def search(_unit):
        waiting = end.wait()
        if inspect.isawaitable(waiting):
            await waiting

    searches = [asyncio.create_task(search_read(search)(service)) for _ in range(SEARCHES + 1)]
    await asyncio.sleep(0)
    await queue.search_comments(service, EVERYTHING, QueueQuery())
    await keys.authenticate_key(service, key)
    await read.list_thread(service, ThreadQuery(thread="/page/"), visit())
    await post(service, "More words", thread="/page/")
    assert not any(task.done() for task in searches)
    end.set()
    await asyncio.gather(*searches)
