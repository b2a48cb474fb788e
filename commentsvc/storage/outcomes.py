"""Tell the caller of a unit of work how it ended."""

import asyncio
from typing import Any


def settle(done: asyncio.Future[Any], outcome: Any) -> None:
    """Give the caller of a unit its result or its exception."""
    if isinstance(outcome, BaseException):
        done.set_exception(outcome)
        done.exception()  # marks it as read: if the caller was cancelled, asyncio would log a warning
    else:
        done.set_result(outcome)
