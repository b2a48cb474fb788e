"""A visitor opens a form."""

from datetime import timedelta
from typing import Final

from commentsvc.comments.schemas import OpenForm
from commentsvc.domain.models import Visit
from commentsvc.domain.networks import truncate_address
from commentsvc.rules import proof_of_work
from commentsvc.rules.schemas import Challenge
from commentsvc.service import Service, private_read
from commentsvc.storage import contacts
from commentsvc.storage.database import Environment, PrivateRead

SUSPICIOUS_PER_HOUR: Final = 10
DAY: Final = 86_400


async def open_form(service: Service, visit: Visit) -> OpenForm:
    """Note when a form is opened, and ask for work where that is wanted. Nothing is kept of it.

    Raises:
        Unavailable: whether work is wanted depends on this network, and the database is away.
    """
    form_id = service.new_id()
    # Only where the answer depends on the network is there anything to look up.
    setting = service.config.proof_of_work
    wanted = await requires_proof_of_work(service, visit) if setting == "suspicious" else setting == "on"
    return OpenForm(service.keyring.token("form", form_id), _create_challenge(service, form_id) if wanted else None)


def _create_challenge(env: Environment, form_id: str) -> Challenge:
    """Work that may be shown for as long as its form may be sent."""
    _, oldest = env.config.form_age or (0, DAY)
    until = env.clock() + timedelta(seconds=oldest)
    return proof_of_work.create_challenge(env.keyring, form_id, env.config.proof_cost, until)


def create_form_token(env: Environment) -> str:
    """What a form carries that is opened without script: proof of when."""
    return env.keyring.token("form", env.new_id())


@private_read
async def requires_proof_of_work(unit: PrivateRead, visit: Visit) -> bool:
    """Whether a form that is sent from there must show a proof of work."""
    setting = unit.config.proof_of_work
    return setting == "on" or (setting == "suspicious" and await is_suspicious_network(unit, visit))


async def is_suspicious_network(unit: PrivateRead, visit: Visit) -> bool:
    """Whether a network gives reason to ask for more: a person found spam from it, or much came within the hour."""
    there = truncate_address(visit.address)
    if await contacts.has_spam_from(unit, there):
        return True
    return await contacts.count_since(unit, there, unit.ago(hours=1)) >= SUSPICIOUS_PER_HOUR
