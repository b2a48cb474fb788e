"""What each command does, and what it says of it. Those of moderators: ``desk``, ``rulebook``."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
import uvloop

from commentsvc import app
from commentsvc.access import keys, moderators
from commentsvc.access import sessions as access_sessions
from commentsvc.access.schemas import NewKey
from commentsvc.audit import verification
from commentsvc.cli import log_format, moderate, rules
from commentsvc.cli.escape import harmless
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.terminal import Answer, Terminal, as_json
from commentsvc.config import Config
from commentsvc.domain import fields
from commentsvc.domain.errors import ConfigurationError, FieldError, Invalid, InvalidValue, NotFound, Refusal
from commentsvc.domain.models import Mode, Scope
from commentsvc.operations import secrets
from commentsvc.service import Service
from commentsvc.sites import manage
from commentsvc.sites.schemas import NewSite, SiteChange
from commentsvc.storage import schema
from commentsvc.web.api.openapi import document
from commentsvc.web.routes import ROUTES
from commentsvc.web.server.connections import Deadlines

DONE: Final = 0
REFUSED: Final = 1
MISCONFIGURED: Final = 78  # EX_CONFIG of sysexits.h


def run(asked: argparse.Namespace, environment: Mapping[str, str], terminal: Terminal) -> int:
    """Do what was asked; returns the exit code."""
    try:
        config = Config.read(environment)
        log_format.start(config.log_format)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_do(asked, config, terminal))
    except ConfigurationError as error:
        terminal.complain(str(error))
        return MISCONFIGURED
    except Refusal as error:
        terminal.complain(f"{error.title} {error.detail}" if error.detail != error.title else error.title)
        return REFUSED
    except KeyboardInterrupt:
        return REFUSED


async def _do(asked: argparse.Namespace, config: Config, terminal: Terminal) -> int:
    if asked.command == "openapi":
        terminal.say(msgspec.json.format(msgspec.json.encode(document(ROUTES)).decode(), indent=2))
    elif asked.command == "serve":
        await _serve(config, terminal.say)
    elif asked.command == "migrate":
        return _tell(await _migrate(config), asked, terminal)
    else:
        async with app.open_ready_service(config) as service:
            if asked.command == "moderate":
                await moderate.moderate(service, asked, terminal)
            else:
                return _tell(await _answer(service, asked, terminal), asked, terminal)
    return DONE


def _tell(answer: Answer, asked: argparse.Namespace, terminal: Terminal) -> int:
    terminal.say(as_json(answer.shape) if asked.json else harmless(answer.text))
    if answer.refused:
        terminal.complain(harmless(answer.refused))
    return REFUSED if answer.refused else DONE


async def _answer(service: Service, asked: argparse.Namespace, terminal: Terminal) -> Answer:
    verb = asked.command, getattr(asked, "verb", asked.command)
    for_moderators = moderate.VERBS | rules.VERBS
    if verb in for_moderators:
        return await for_moderators[verb](service, asked, terminal)
    return await VERBS[verb](service, asked)


async def _serve(config: Config, say: Callable[[str], None]) -> None:
    async def announce(service: Service) -> None:
        # Printed to whoever started it, never logged: the link is a right.
        here = service.config.own_origin
        link = await moderators.create_first_sign_in_link(service)
        say(f"commentsvc is at {here}/")
        if link:
            say(f"Sign in, once, within a day: {link}")
        say(f'In a page of your blog: <script async src="{here}/embed.js"></script>')

    await app.serve(config, announce, Deadlines())


async def _migrate(config: Config) -> Answer:
    async with app.open_service(config) as service:
        steps = await schema.migrate(service.db, service.now())
    newest = schema.newest_step()
    return Answer({"steps": steps, "schema": newest}, f"The schema is {newest}; {steps} steps were taken.")


async def _reseal(service: Service, _asked: argparse.Namespace) -> Answer:
    number = await secrets.reseal_emails(service)
    text = f"{number} addresses are sealed with the newest key. Older keys are needed for one more week."
    return Answer({"resealed": number}, text)


async def _add_moderator(service: Service, asked: argparse.Namespace) -> Answer:
    name = _fit("name", fields.clean_name, asked.name)
    email = _fit("email", fields.parse_email, asked.email) if asked.email else None
    if name in {keys.FIRST_MODERATOR, *keys.RESERVED_NAMES}:
        raise Invalid(FieldError("name", "name_taken", "This name means somebody else here. Choose another."))
    made = await moderators.add_moderator(service, name, email, asked.site)
    text = f"{made.name} may moderate. Print a sign-in link with: commentsvc moderator invite {made.name!r}"
    return Answer(made, text)


def _fit(field: str, clean: Callable[[str, fields.Limits], Any], text: str) -> Any:
    try:
        return clean(text, fields.Limits())
    except InvalidValue as unfit:
        raise Invalid(FieldError(field, unfit.code, unfit.detail)) from None


async def _invite(service: Service, asked: argparse.Namespace) -> Answer:
    link = await moderators.create_sign_in_link(service, asked.name)
    return Answer({"link": link}, link)


async def _list_moderators(service: Service, _asked: argparse.Namespace) -> Answer:
    found = await moderators.list_moderators(service)
    return Answer(found, _lines(f"{one.name}  {' '.join(one.sites) or 'every site'}" for one in found))


async def _remove_moderator(service: Service, asked: argparse.Namespace) -> Answer:
    await moderators.remove_moderator(service, asked.name)
    return Answer({"removed": asked.name}, f"{asked.name} may moderate no more.")


async def _sign_out(service: Service, asked: argparse.Namespace) -> Answer:
    number = await access_sessions.sign_out_moderator(service, asked.name)
    sessions = "1 session has" if number == 1 else f"{number} sessions have"
    return Answer({"signed_out": asked.name, "sessions": number}, f"{sessions} ended.")


async def _create_key(service: Service, asked: argparse.Namespace) -> Answer:
    scopes = [Scope(scope) for scope in asked.scope or ["moderate"]]
    name = _fit("name", fields.clean_name, asked.name)
    new = NewKey(name=name, scopes=scopes, site=asked.site, expires_at=asked.expires)
    if asked.moderator:
        made = await keys.create_moderator_key(service, asked.moderator, new)
    else:
        made = await keys.create_key(service, OPERATOR, new)
    return Answer(made, made.key)


async def _list_keys(service: Service, _asked: argparse.Namespace) -> Answer:
    found = (await keys.list_keys(service, OPERATOR)).keys
    rows = (
        f"{key.id}  {' '.join(key.scopes):<20} {key.site or 'every site':<20} {_state(key)}  {key.name}"
        for key in found
    )
    return Answer(found, _lines(rows))


def _state(key: Any) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at}"
    return f"expires {key.expires_at}" if key.expires_at else "in force"


async def _revoke_key(service: Service, asked: argparse.Namespace) -> Answer:
    await keys.revoke_key(service, OPERATOR, asked.id)
    return Answer({"revoked": asked.id}, "The key has ended.")


async def _add_site(service: Service, asked: argparse.Namespace) -> Answer:
    new = NewSite(name=_fit("name", fields.clean_name, asked.name), origins=asked.origin)
    site = await manage.add_site(service, OPERATOR, new)
    return Answer(site, f"{site.name} is served from {' '.join(site.origins)}.")


async def _list_sites(service: Service, _asked: argparse.Namespace) -> Answer:
    found = (await manage.list_sites(service, OPERATOR)).sites
    return Answer(found, _lines(f"{site.name}  {' '.join(site.origins) or 'pages of this machine'}" for site in found))


async def _set_mode(service: Service, asked: argparse.Namespace) -> Answer:
    found = (await manage.list_sites(service, OPERATOR)).sites
    site = next((site for site in found if site.name == asked.name), None)
    if site is None:
        raise NotFound("There is no site of this name. See: commentsvc site list")
    mode = None if asked.mode == "default" else Mode(asked.mode)
    changed = await manage.change_site(service, OPERATOR, site.id, SiteChange(mode=mode))
    text = f"{site.name} has the mode {mode or service.config.moderation}."
    return Answer(changed, f"{text} To take it back: commentsvc undo {changed.action}" if changed.action else text)


async def _verify_audit(service: Service, asked: argparse.Namespace) -> Answer:
    try:
        found = await verification.verify_log(service, asked.head)
    except verification.AuditLogBroken as broken:
        return Answer({"entry": broken.seq, "wrong": str(broken)}, "broken", f"The log is broken. {broken}")
    noted = f"; the hash noted elsewhere is entry {found.noted:,}'s" if found.noted else ""
    return Answer(found, f"ok: {found.entries:,} entries, head {found.head or 'none'}{noted}")


def _lines(texts: Any) -> str:
    return "\n".join(texts) or "None yet."


VERBS: Final[dict[tuple[str, str], Callable[[Service, argparse.Namespace], Awaitable[Answer]]]] = {
    ("reseal", "reseal"): _reseal,
    ("moderator", "add"): _add_moderator,
    ("moderator", "invite"): _invite,
    ("moderator", "sign-out"): _sign_out,
    ("moderator", "list"): _list_moderators,
    ("moderator", "remove"): _remove_moderator,
    ("key", "create"): _create_key,
    ("key", "list"): _list_keys,
    ("key", "revoke"): _revoke_key,
    ("site", "add"): _add_site,
    ("site", "list"): _list_sites,
    ("site", "mode"): _set_mode,
    ("audit", "verify"): _verify_audit,
}
