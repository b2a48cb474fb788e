"""A post does the same work for every email address."""

import pytest

from commentsvc.domain.models import Mode, StatusFilter
from commentsvc.moderation import queue
from commentsvc.moderation.schemas import QueueQuery
from tests.attacks import timing
from tests.conftest import EVERYTHING, a_service

SPAM_IS_SHORTER = len("pending") - len("spam")  # in the rows of the comment, its contact and its decision


@pytest.mark.parametrize("mode", Mode)
async def test_a_stranger_cannot_time_whether_an_address_is_banned_known_or_a_moderators(database_url, clock, mode):
    async with a_service(database_url, clock, moderation=mode) as service:
        await timing.prepare(service, known=1)
        recorded = await timing.record_statements(service)
        expected = recorded.pop("unknown")
        for whose, statements in recorded.items():
            assert [sql for sql, _ in statements] == [sql for sql, _ in expected], whose
            for (sql, size), (_, other) in zip(statements, expected, strict=True):
                assert size == other or ("spam" in whose and size + SPAM_IS_SHORTER == other), (whose, sql)

        spam = await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.SPAM))
        assert len(spam.comments) == (0 if mode is Mode.NONE else 2)
        found = await queue.search_comments(service, EVERYTHING, QueueQuery(status=StatusFilter.ANY, reason="banned"))
        assert len(found.comments) == 5, "moderators find the reasons"
