"""The fields that a site requires of every comment."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from commentsvc.domain.errors import FieldError, Invalid
from commentsvc.domain.fields import REQUIRED_MESSAGES
from commentsvc.domain.messages import translatable
from commentsvc.domain.models import Site
from commentsvc.sites import resolve
from commentsvc.sites.resolve import SiteDirectory

EMAIL_REQUIRED: Final = FieldError("email", "required", REQUIRED_MESSAGES["email"])
CONSENT_REQUIRED: Final = FieldError("consent", "required", translatable("Tick this box to post your comment."))


def possible_sites(
    directory: SiteDirectory, site: Site | None, site_name: str | None, origin: str | None
) -> Sequence[Site]:
    """Return the site that a comment is for; all sites if that is not clear: what one of them requires is required."""
    if site is None:
        with suppress(Invalid):
            site = resolve.resolve_site(directory, site_name, origin)
    return [site] if site else directory.sites


def missing_fields(sites: Sequence[Site], *, email: bool, consent: bool) -> list[FieldError]:
    """Return an error for each field that one of these sites requires and a comment lacks."""
    faults = []
    if not email and any(site.email_required for site in sites):
        faults.append(EMAIL_REQUIRED)
    if not consent and any(site.consent_required for site in sites):
        faults.append(CONSENT_REQUIRED)
    return faults
