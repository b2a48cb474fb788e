"""Form tokens and proof-of-work challenges for a new form."""

import asyncio
from datetime import timedelta
from typing import Final

from commentsvc.comments.schemas import OpenForm
from commentsvc.domain.errors import Unavailable
from commentsvc.domain.ids import with_time
from commentsvc.domain.models import Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.rules import proof_of_work
from commentsvc.rules.schemas import Challenge
from commentsvc.service import Service, private_read
from commentsvc.sites import requirements, resolve
from commentsvc.storage import network_contacts
from commentsvc.storage.database import Environment, PrivateRead

SUSPICIOUS_PER_HOUR: Final = 10
DAY: Final = 86_400
SITE_SECONDS: Final = 1.0  # a form opens also while the database is away


async def open_form(service: Service, visit: Visit) -> OpenForm:
    """Create a form token, and a proof-of-work challenge if one is required. Nothing is stored.

    Raises:
        Unavailable: the database cannot be read, and the setting ``suspicious`` needs it.
    """
    form_id = _create_form_id(service)
    # Other values do not need the database.
    setting = service.config.proof_of_work
    required = await requires_proof_of_work(service, visit) if setting == "suspicious" else setting == "on"
    return OpenForm(
        service.keyring.token("form", form_id),
        _create_challenge(service, form_id) if required else None,
        *await _requirements(service, visit),
    )


async def _requirements(service: Service, visit: Visit) -> tuple[bool, bool]:
    """Return whether the site of the page that opens the form requires an email address, and consent.

    Without the database, only an address is required.
    """
    try:
        async with asyncio.timeout(SITE_SECONDS):
            directory = await resolve.read_directory(service)
    except (Unavailable, TimeoutError):
        return True, False
    sites = requirements.possible_sites(directory, None, None, visit.origin)
    return any(site.email_required for site in sites), any(site.consent_required for site in sites)


def _create_challenge(env: Environment, form_id: str) -> Challenge:
    """Return a challenge that is valid for as long as its form."""
    _, max_age = env.config.form_age or (0, DAY)
    until = env.clock() + timedelta(seconds=max_age)
    return proof_of_work.create_challenge(env.keyring, form_id, env.config.proof_cost, until)


def create_form_token(env: Environment) -> str:
    """Return a form token, for a form that is opened without script."""
    return env.keyring.token("form", _create_form_id(env))


def _create_form_id(env: Environment) -> str:
    # Ids never go back in time, but a clock that is set back does; the age of a form follows the clock.
    return with_time(env.new_id(), env.clock())


@private_read
async def requires_proof_of_work(unit: PrivateRead, visit: Visit) -> bool:
    """Return whether a visitor must solve a proof of work."""
    setting = unit.config.proof_of_work
    return setting == "on" or (setting == "suspicious" and await is_suspicious_network(unit, visit))


async def is_suspicious_network(unit: PrivateRead, visit: Visit) -> bool:
    """Return whether a person marked spam from the visitor's network, or it sent many comments within an hour."""
    network = truncate_address(visit.address)
    if await network_contacts.has_spam_from(unit, network):
        return True
    return (
        await network_contacts.count_since(unit, network, unit.ago(hours=1), unit.ahead(hours=1)) >= SUSPICIOUS_PER_HOUR
    )
