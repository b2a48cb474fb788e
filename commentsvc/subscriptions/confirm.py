"""Confirm an email address with the link in a mail, and prove that to the browser that opened it."""

from datetime import timedelta
from typing import Final

from msgspec import Struct

from commentsvc.access import rate_limit
from commentsvc.domain.crypto import hash_token
from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Site, Thread, Visit
from commentsvc.service import Service, private_read, write
from commentsvc.sites import resolve
from commentsvc.storage import (
    address_contacts,
    addresses,
    comments,
    confirmations,
    subscriptions,
    threads,
    used_tokens,
    verified_authors,
)
from commentsvc.storage.confirmations import Confirmation
from commentsvc.storage.database import Environment, PrivateRead, Write
from commentsvc.subscriptions.manage import ShownSubscription, describe_subscriptions
from commentsvc.subscriptions.schemas import NewProof, Proof

PROOF_MINUTES: Final = 10  # between the confirmation and the page that exchanges its code
PROOFS: Final = "proof "  # counted apart from comments


class ConfirmedPage(Struct, frozen=True):
    """The page that a confirmation is about, and the address that its latest comment was sent from."""

    site: Site
    thread: Thread | None
    page_url: str | None


class ConfirmationState(Struct, frozen=True):
    """A confirmation, what it is about, and which mails it starts."""

    page: ConfirmedPage
    language: str
    is_used: bool
    subscriptions: list[ShownSubscription]


class Confirmed(Struct, frozen=True):
    """An address that was just confirmed, and the code that proves it."""

    page: ConfirmedPage
    code: str


@private_read
async def find_confirmation(unit: PrivateRead, token: str) -> ConfirmationState | None:
    """Return the confirmation of a link; None if the link is forged or too old."""
    found = await _load(unit, token)
    if found is None:
        return None
    joined = await subscriptions.list_of_confirmation(unit, found.id)
    page, items = await _page(unit, found), await describe_subscriptions(unit, joined)
    return ConfirmationState(page, found.language, found.used_at is not None, items)


@write
async def confirm_address(unit: Write, token: str) -> Confirmed | None:
    """Confirm the address of a link and its subscriptions; None if the link is forged, too old or was used."""
    found = await _load(unit, token)
    if found is None or not await confirmations.use(unit, found.id, unit.now()):
        return None
    await addresses.confirm(unit, found.address_id, unit.now())
    await addresses.allow_again(unit, found.address_id)  # they have just asked for mail
    await subscriptions.confirm_of_confirmation(unit, found.id, unit.now())
    return Confirmed(await _page(unit, found), create_proof(unit, found.address_id, found.site_id))


async def _load(unit: PrivateRead, token: str) -> Confirmation | None:
    confirmation_id = unit.keyring.subject("confirm", token, unit.clock())
    return await confirmations.get(unit, confirmation_id) if confirmation_id else None


async def _page(unit: PrivateRead, found: Confirmation) -> ConfirmedPage:
    site = (await resolve.read_directory.within(unit)).by_id(found.site_id)
    thread = await threads.get(unit, found.thread_id) if found.thread_id else None
    if thread and thread.merged_into:
        thread = await threads.get(unit, thread.merged_into)
    return ConfirmedPage(site, thread, await comments.find_page_url(unit, thread.id) if thread else None)


@write
async def prove_browser(unit: Write, address_id: str, comment_id: str) -> Confirmed | None:
    """Confirm an address for a browser that opened a link mailed to it; None if the comment is not known.

    The comment says on which site and page. An owner who has stopped all mail still gets none.
    """
    comment = await comments.get(unit, comment_id)
    if comment is None:
        return None
    await addresses.confirm(unit, address_id, unit.now())
    site = (await resolve.read_directory.within(unit)).by_id(comment.site_id)
    page = ConfirmedPage(site, await threads.get(unit, comment.thread_id), comment.page_url)
    return Confirmed(page, create_proof(unit, address_id, comment.site_id))


def create_proof(env: Environment, address_id: str, site_id: str) -> str:
    """Return a code that proves once, for a few minutes, that a browser's user owns an address."""
    return env.keyring.token("proof", address_id, env.clock() + timedelta(minutes=PROOF_MINUTES), site_id=site_id)


async def exchange_proof(service: Service, proof: NewProof, visit: Visit) -> Proof:
    """Exchange the code of a confirmation for an author token of this browser.

    Raises:
        Invalid: for ``code``: it is forged, too old, was used, or is for another site; or for ``site``.
        OriginNotAllowed: the page belongs to no site, or to another one.
        RateLimited: the network has sent too much.
    """
    async with rate_limit.charging_refusals(service, visit, PROOFS):
        return await _exchange_proof(service, proof, visit)


@write
async def _exchange_proof(unit: Write, proof: NewProof, visit: Visit) -> Proof:
    await rate_limit.check_rate_limit.within(unit, visit, PROOFS)
    directory = await resolve.read_directory.within(unit)
    site = resolve.resolve_site(directory, proof.site, visit.origin)
    resolve.require_origin(directory, site, visit.origin)
    address_id = unit.keyring.subject("proof", proof.code, unit.clock(), site_id=site.id)
    address = await addresses.get(unit, address_id) if address_id else None
    if address is None or not await _use_once(unit, proof.code):
        message = translatable("This link was used already, or it is too old.")
        raise Invalid(FieldError("code", "invalid", message))
    # Never the author of another browser: a code that somebody else sent to this one would hand their token over.
    own = unit.keyring.subject("author", proof.author_token or "", unit.clock(), site_id=site.id)
    author_id = own or unit.new_id()
    await verified_authors.add(unit, author_id, address.id, site.id, unit.now())
    if own:  # the comment that asked for the confirmation came before it
        email = unit.keyring.unseal(address.email_sealed)
        if email != UNREADABLE:
            await address_contacts.verify(unit, own, unit.keyring.digests(email), site.id)
    return Proof(unit.keyring.token("author", author_id, site_id=site.id))


async def _use_once(unit: Write, code: str) -> bool:
    return await used_tokens.use_once(unit, f"proof:{hash_token(code)}", unit.now())
