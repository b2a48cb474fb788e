"""Run all checks, and collect what they find. A check that fails itself is a fault, and stops no other."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Final

from commentsvc.config.settings import Config
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.errors import ConfigurationError, Refusal
from commentsvc.operations import secret_file
from commentsvc.operations.doctor import computer, external_check, forwarding, mail, page, public, settings
from commentsvc.operations.doctor.database import DATABASE_CHECKS
from commentsvc.operations.doctor.fetch import FetchFailed
from commentsvc.operations.doctor.findings import Finding, Level, fault, from_error
from commentsvc.service import Service

Open = Callable[[], AbstractAsyncContextManager[Service]]
CHECK_SECONDS: Final = 300  # of one check: integrity reads the whole database
TOKEN_MINUTES: Final = 2


async def examine_inside(config: Config, given: Collection[str], open_service: Open) -> list[Finding]:
    """Check settings, computer and database. ``given``: the settings that are not defaults."""
    found = list(settings.check_settings(config, given))
    for check in (computer.check_folder, computer.check_secret_files, computer.check_space, computer.check_file_times):
        found += _collect(check.__name__, lambda check=check: check(config))  # type: ignore[misc]  # bound now
    is_missing = any(one.check == "data folder" and one.level is Level.FAULT for one in found)
    if not is_missing:
        found += await _examine_database(open_service)
    found += _collect("erasures", lambda: computer.check_journal(config))
    found += _collect("backups", lambda: computer.check_backups(config))
    found += await _await_findings("mail", mail.check_mail(config))
    found += await _await_findings("external check", external_check.check_external_check(config))
    return found


async def _examine_database(open_service: Open) -> list[Finding]:
    found: list[Finding] = []
    try:
        async with open_service() as service:
            for name, check in DATABASE_CHECKS.items():
                found += await _await_findings(name, check(service))
    except (ConfigurationError, Refusal) as error:
        found.append(from_error("database", error))
    return found


async def _await_findings(name: str, check: AsyncIterator[Finding]) -> list[Finding]:
    found: list[Finding] = []
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            found += [one async for one in check]
    except (ConfigurationError, Refusal) as error:
        found.append(from_error(name, error))
    except TimeoutError:
        found.append(fault(name, "This check did not end in time.", "Look at the load of this computer."))
    except Exception as error:  # noqa: BLE001 -- the others must run
        found.append(_failed(name, error))
    return found


def _collect(name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(check())
    except (ConfigurationError, Refusal) as error:
        return [from_error(name, error)]
    except Exception as error:  # noqa: BLE001 -- the others must run
        return [_failed(name, error)]


def _failed(name: str, error: Exception) -> Finding:
    reason = getattr(error, "strerror", None) or type(error).__name__
    return fault(name, f"This check could not be done ({reason}).", "Run the command as the user of the service.")


async def examine_outside(config: Config, url: str | None) -> list[Finding]:
    """Check the service at its public address and, if its address is given, a page of the blog."""
    return await asyncio.to_thread(lambda: list(_look_from_outside(config, url)))


def _look_from_outside(config: Config, url: str | None) -> Iterator[Finding]:
    reached = _collect("address", lambda: public.check_public_address(config))
    yield from reached
    is_there = all(one.level is not Level.FAULT for one in reached)  # else no other check can say more
    if is_there and (token := _make_token(config)):
        yield from _collect("forwarding", lambda: forwarding.check_forwarding(config, token))
    if url is not None:
        yield from _collect("page", lambda: _look_at_page(config, url))


def _look_at_page(config: Config, url: str) -> Iterator[Finding]:
    try:
        found = page.fetch_page(url, config)
    except FetchFailed as error:
        yield fault("page", str(error), "Give the address of a page that has comments, as readers see it.")
        return
    yield from _collect("page", lambda: page.check_page(found, config))
    yield from _collect("script", lambda: public.check_for_page(found))


def _make_token(config: Config) -> str | None:
    """Return a token with which the service tells what it saw of a request; None without secret keys."""
    try:
        texts = secret_file.read_secrets(config)
    except ConfigurationError:
        return None
    until = datetime.now(UTC) + timedelta(minutes=TOKEN_MINUTES)
    return Keyring(texts).token("doctor", str(uuid.uuid4()), until) if texts else None
