"""The page of the sites: their names and settings."""

from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct

from commentsvc.domain import validation
from commentsvc.domain.errors import Conflict, Invalid
from commentsvc.domain.messages import translatable
from commentsvc.sites import manage
from commentsvc.sites.schemas import SiteChange, SiteRecord
from commentsvc.web.moderation import layout
from commentsvc.web.moderation.layout import Back, ResultQuery
from commentsvc.web.server import forms, problems
from commentsvc.web.server.routing import SERVICE, WHO


class SiteForm(Struct, frozen=True, kw_only=True):
    """The settings of a site, and what they were when the form was opened."""

    name: Annotated[str, Meta(max_length=300)] = ""
    mode: Literal["", "all", "trusted", "none"] = ""
    email: Literal["required", "optional"] = "required"
    website: Literal["on"] | None = None
    consent: Literal["on"] | None = None
    privacy_url: Annotated[str, Meta(max_length=2000)] = ""
    time_zone: Annotated[str, Meta(max_length=200)] = ""
    was: Annotated[str, Meta(max_length=5000)] = ""
    back: Back | None = None


async def show_sites(request: web.Request, query: ResultQuery) -> web.Response:
    """Show the sites, with a form for each."""
    return await _render_sites(request, result=query)


async def _render_sites(
    request: web.Request,
    *,
    result: ResultQuery | None = None,
    status: int = 200,
    sent: dict[str, Any] | None = None,
    error: Invalid | None = None,
) -> web.Response:
    found = await manage.list_sites(request.app[SERVICE], request[WHO])
    changed = {"id": request.match_info.get("id"), **(sent or {})}
    return await layout.render_page(
        request,
        "sites.html",
        status=status,
        result=result,
        tab="sites",
        listed=[(site, _state_of(site)) for site in found.sites],
        sent=changed,
        error=error,
        default_mode=request.app[SERVICE].config.moderation,
    )


def _state_of(site: SiteRecord) -> str:
    """Return what a form of a site shows, to notice a change by someone else."""
    asked = (site.email_required, site.website_field, site.consent_required, site.privacy_url)
    return msgspec.json.encode((site.name, site.mode, *asked, site.time_zone)).decode()


async def change_site(request: web.Request, form: SiteForm) -> web.Response:
    """Change a site's name and settings."""
    service, who, site_id = request.app[SERVICE], request[WHO], request.match_info["id"]
    sites = (await manage.list_sites(service, who)).sites
    site = next((site for site in sites if site.id == site_id), None)
    if site is not None and form.was and form.was != _state_of(site):
        raise Conflict(translatable("Someone else changed this site. Check its settings, then save yours."))
    change = validation.validate(SiteChange, _wanted_settings(form), service.config.limits)
    if site is not None and change.name == site.name:
        change = msgspec.structs.replace(change, name=UNSET)
    done = await manage.change_site(service, who, site_id, change)
    return layout.redirect_back("/moderate/sites", done=done.action)


def _wanted_settings(form: SiteForm) -> dict[str, Any]:
    return {
        "name": form.name,
        "mode": form.mode or None,
        "email_required": form.email == "required",
        "website_field": form.website == "on",
        "consent_required": form.consent == "on",
        "privacy_url": form.privacy_url or None,
        **({"time_zone": form.time_zone.strip()} if form.time_zone else {}),
    }


@layout.on_field_errors
async def show_site_error(request: web.Request, error: Invalid, body: bytes) -> web.Response:
    """Show the sites with the form as it was filled in, and its errors."""
    sent, status = forms.parse_leniently(SiteForm, body), problems.STATUS_OF_ERROR[Invalid]
    return await _render_sites(request, status=status, sent=sent, error=error)
