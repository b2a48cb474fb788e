"""Rendering and compressing large answers in threads, so that no other request waits for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from commentsvc.domain.meter import metered

T = TypeVar("T")

# Two: more threads would not be faster, since only one of them runs Python at a time.
POOL: Final = ThreadPoolExecutor(2, thread_name_prefix="render")
# More comments than this take longer than 5 ms. For fewer, the hop to a thread costs more than it saves.
MANY_COMMENTS: Final = 100


async def run_off_loop(work: Callable[[], T], comments: int | None = None) -> T:
    """Do CPU work in a thread. If the number of comments is given, and small, do it here.

    Give no number for pages and feeds: the first use of a template compiles it, in up to 40 ms.
    """
    if comments is not None and comments <= MANY_COMMENTS:
        return work()
    work = metered(work)
    return await asyncio.get_running_loop().run_in_executor(POOL, work)
