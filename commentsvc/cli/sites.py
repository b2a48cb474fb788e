"""Run the commands that manage sites."""

import argparse
from typing import Any, Final

from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.operator_options import CONSENT_CHOICES, EMAIL_CHOICES, NO_LINK, SITE_DEFAULT, WEBSITE_CHOICES
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.config.program import command_line
from commentsvc.domain import validation
from commentsvc.domain.errors import FieldError, Invalid, NotFound
from commentsvc.domain.models import Mode
from commentsvc.service import Service
from commentsvc.sites import manage, removal
from commentsvc.sites.schemas import NewSite, SiteChange, SiteRecord, SiteRemoval


async def _add_site(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    fields = {"name": arguments.name, "origins": arguments.origin}
    new = validation.validate(NewSite, fields, service.config.limits)
    return _describe_origins(await manage.add_site(service, OPERATOR, new))


async def _list_sites(service: Service, _arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    found = (await manage.list_sites(service, OPERATOR)).sites
    return CommandResult(found, join_rows(format_table(COLUMNS, found, terminal), "No sites yet."))


COLUMNS: Final[Table[SiteRecord]] = (
    (Column("NAME"), lambda site: site.name),
    (Column("ORIGINS"), lambda site: " ".join(site.origins) or "localhost only"),
)


async def _set_site_mode(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    mode = None if arguments.mode == SITE_DEFAULT else Mode(arguments.mode)
    changed = await _change_site(service, arguments.name, {"mode": mode})
    text = f"Moderation mode of {changed.name}: {mode or f'{service.config.moderation} (default)'}."
    return CommandResult(changed, text + _describe_undo(changed))


async def _set_site_email(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    changed = await _change_site(service, arguments.name, {"email_required": arguments.email == EMAIL_CHOICES[0]})
    return CommandResult(changed, f"Email addresses on {changed.name}: {arguments.email}." + _describe_undo(changed))


async def _set_site_form(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    fields: dict[str, Any] = {}
    if arguments.website:
        fields["website_field"] = arguments.website == WEBSITE_CHOICES[0]
    if arguments.privacy_url:
        fields["privacy_url"] = None if arguments.privacy_url == NO_LINK else arguments.privacy_url
    if arguments.consent:
        fields["consent_required"] = arguments.consent == CONSENT_CHOICES[0]
    changed = await _change_site(service, arguments.name, fields)
    website = WEBSITE_CHOICES[not changed.website_field]
    consent = CONSENT_CHOICES[not changed.consent_required]
    text = (
        f"Form of {changed.name}: website {website}, consent {consent}, privacy link {changed.privacy_url or NO_LINK}."
    )
    return CommandResult(changed, text + _describe_undo(changed))


async def _edit_site(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    changed = await _change_site(service, arguments.name, {"time_zone": arguments.time_zone})
    return CommandResult(changed, f"Time zone of {changed.name}: {changed.time_zone}." + _describe_undo(changed))


async def _rename_site(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    changed = await _change_site(service, arguments.name, {"name": arguments.new_name})
    return CommandResult(changed, f"The site is now called {changed.name}." + _describe_undo(changed))


async def _remove_origins(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    site = await _find_site(service, arguments.name)
    removed = manage.parse_origins(arguments.origin)
    if not set(removed) <= set(site.origins):
        raise NotFound("The site does not have this origin. See: commentsvc site list")
    kept = [origin for origin in site.origins if origin not in removed]
    if not kept:
        raise Invalid(FieldError("origin", "required", "A site needs an origin. Add the new one first, then remove."))
    return _describe_origins(await _change_site(service, arguments.name, {"origins": kept}))


async def _remove_site(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    site = await _find_site(service, arguments.name)
    query = validation.validate(SiteRemoval, {"expect": arguments.expect}, service.config.limits)
    removed = await removal.remove_site(service, OPERATOR, site.id, query)
    return CommandResult(removed, f"Removed the site {removed.name}. Comments erased: {removed.comments:,}.")


def _describe_origins(site: SiteRecord) -> CommandResult:
    return CommandResult(site, f"Origins of {site.name}: {' '.join(site.origins)}")


def _describe_undo(site: SiteRecord) -> str:
    return f" Undo with: {command_line('undo', site.action)}" if site.action else ""


async def _find_site(service: Service, name: str) -> SiteRecord:
    found = (await manage.list_sites(service, OPERATOR)).sites
    site = next((site for site in found if name in {site.name, *site.earlier_names}), None)
    if site is None:
        raise NotFound("Site not found. See: commentsvc site list")
    return site


async def _change_site(service: Service, name: str, fields: dict[str, Any]) -> SiteRecord:
    site = await _find_site(service, name)
    change = validation.validate(SiteChange, fields, service.config.limits)
    return await manage.change_site(service, OPERATOR, site.id, change)


COMMANDS: Final[Commands] = {
    ("site", "add"): _add_site,
    ("site", "list"): _list_sites,
    ("site", "mode"): _set_site_mode,
    ("site", "email"): _set_site_email,
    ("site", "form"): _set_site_form,
    ("site", "edit"): _edit_site,
    ("site", "rename"): _rename_site,
    ("site", "remove-origin"): _remove_origins,
    ("site", "remove"): _remove_site,
}
