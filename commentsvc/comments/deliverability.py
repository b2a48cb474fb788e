"""Check by DNS that an email address can receive mail."""

import asyncio
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final
from weakref import WeakValueDictionary

import email_validator

from commentsvc.access import rate_limit
from commentsvc.comments.schemas import NewComment
from commentsvc.domain.email_address import Email
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.service import Service, write
from commentsvc.sites import resolve
from commentsvc.storage import submissions
from commentsvc.storage.database import Write

LOOKUPS: Final = 8  # at once; other work in threads does not wait for them
LOOKUPS_PER_NETWORK: Final = 2
SECONDS: Final = 1.5  # that a comment waits; half a second is a slow answer
# How long a result is kept, in seconds. Also None, so that later commenters do not wait for a silent domain again.
KEPT: Final[dict[bool | None, int]] = {False: 3600, True: 300, None: 60}
MAX_DOMAINS: Final = 1000

UNDELIVERABLE: Final = FieldError(
    "email", "undeliverable", translatable("This email domain does not accept mail. Check the spelling.")
)


class Lookups:
    """The threads that ask the DNS, the lookups that run now, and the latest results by domain.

    A result says whether the domain certainly accepts no mail; None: it did not answer in time.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="dns")
        self._networks: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._running: dict[str, asyncio.Task[bool | None]] = {}
        self._known: OrderedDict[str, tuple[float, bool | None]] = OrderedDict()

    async def is_undeliverable(self, email: Email, network: str) -> bool:
        """Return whether the domain certainly accepts no mail. Wait for a free thread, ``SECONDS`` in all."""
        domain = email.domain()
        until, result = self._known.get(domain, (0.0, None))
        if time.monotonic() < until:
            return bool(result)
        if domain not in self._running:
            lookup = self._running[domain] = asyncio.create_task(self._look_up(email, network))
            lookup.add_done_callback(lambda _: self._running.pop(domain))
        return bool(await asyncio.shield(self._running[domain]))

    async def _look_up(self, email: Email, network: str) -> bool | None:
        result, lookup = None, None
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                own = self._networks.setdefault(network, asyncio.Semaphore(LOOKUPS_PER_NETWORK))
                await own.acquire()
                lookup = self._pool.submit(_is_undeliverable, email)
                _release_after(lookup, own)
                result = await asyncio.wrap_future(lookup)
        if lookup and not lookup.cancelled():  # else it only waited for a thread
            self._known[email.domain()] = time.monotonic() + KEPT[result], result
        while len(self._known) > MAX_DOMAINS:
            self._known.popitem(last=False)
        return result


def _release_after(lookup: Future[bool | None], own: asyncio.Semaphore) -> None:
    """Release a network's place when its lookup is over: that may be after the time in which it was needed."""
    loop = asyncio.get_running_loop()

    def release(_lookup: Future[bool | None]) -> None:
        with suppress(RuntimeError):  # the service was stopped
            loop.call_soon_threadsafe(own.release)

    lookup.add_done_callback(release)


def _is_undeliverable(email: Email) -> bool | None:
    try:
        found = email_validator.validate_email(email.reveal(), timeout=SECONDS)  # type: ignore[arg-type]  # a float works
    except email_validator.EmailNotValidError:
        return True
    return False if hasattr(found, "mx") else None  # without an answer the attribute is missing


async def require_deliverable(service: Service, draft: NewComment, visit: Visit) -> bool:
    """Count the comment against the rate limit, then check in the DNS that its email domain accepts mail.

    Return whether it was counted. A comment without an address is neither counted nor checked here, nor is the comment
    of a submission that was sent before. If the DNS does not answer in time, the domain is taken as correct: the check
    finds typing errors.

    Raises:
        RateLimited: the network has sent too much. The DNS is not asked.
        OriginNotAllowed: the sending page belongs to no site, or to another one.
        Invalid: the domain accepts no mail.
    """
    if draft.email is None:
        return False
    async with rate_limit.charging_refusals(service, visit):
        counted = await _count(service, draft, visit)
    network = truncate_address(visit.address)
    if counted and await service.part(Lookups).is_undeliverable(draft.email, network):
        raise Invalid(UNDELIVERABLE)
    return counted


@write
async def _count(unit: Write, draft: NewComment, visit: Visit) -> bool:
    with suppress(Invalid):  # reported together with an undeliverable address
        directory = await resolve.read_directory.within(unit)
        place = resolve.resolve_thread(directory, draft.thread, draft.site, visit.origin)
        if draft.submission and await submissions.get_claim(unit, place.site.id, draft.submission):
            return False
    await rate_limit.check_rate_limit.within(unit, visit)
    return True
