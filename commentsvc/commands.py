"""What each command does, and what it says of it."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
import uvloop

from commentsvc import administering, admitting, app, fields, logs
from commentsvc.config import Config
from commentsvc.errors import Fault, Invalid, Misconfigured, Refused
from commentsvc.fields import Unfit
from commentsvc.model import Principal, Scope
from commentsvc.service import Service
from commentsvc.shapes import NewKey, NewSite
from commentsvc.store import schema
from commentsvc.web.connections import Deadlines
from commentsvc.web.openapi import document
from commentsvc.web.routes import ROUTES

DONE: Final = 0
REFUSED: Final = 1
MISCONFIGURED: Final = 78  # EX_CONFIG of sysexits.h

# Whoever has the shell has every right.
OPERATOR: Final = Principal("operator", frozenset(Scope), None)

Say = Callable[[str], None]


def run(asked: argparse.Namespace, environment: Mapping[str, str], *, say: Say, complain: Say) -> int:
    """Do what was asked; returns the exit code."""
    try:
        config = Config.read(environment)
        logs.start(config.log_format)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_do(asked, config, say))
    except Misconfigured as error:
        complain(str(error))
        return MISCONFIGURED
    except Refused as error:
        complain(f"{error.title} {error.detail}" if error.detail != error.title else error.title)
        return REFUSED
    except KeyboardInterrupt:
        return REFUSED
    return DONE


async def _do(asked: argparse.Namespace, config: Config, say: Say) -> None:
    if asked.command == "openapi":
        say(msgspec.json.format(msgspec.json.encode(document(ROUTES)).decode(), indent=2))
    elif asked.command == "serve":
        await _serve(config, say)
    elif asked.command == "migrate":
        await _migrate(asked, config, say)
    else:
        verb = getattr(asked, "verb", asked.command)
        async with app.ready(config) as service:
            result, text = await VERBS[asked.command, verb](service, asked)
        say(msgspec.json.encode(result).decode() if asked.json else text)


async def _serve(config: Config, say: Say) -> None:
    async def announce(service: Service) -> None:
        # Printed to whoever started it, never logged: the link is a right.
        here = service.config.own_origin
        link = await admitting.invite_first(service)
        say(f"commentsvc is at {here}/")
        if link:
            say(f"Sign in, once, within a day: {link}")
        say(f'In a page of your blog: <script async src="{here}/embed.js"></script>')

    await app.serve(config, announce, Deadlines())


async def _migrate(asked: argparse.Namespace, config: Config, say: Say) -> None:
    async with app.opened(config) as service:
        steps = await schema.migrate(service.db, service.now())
    if asked.json:
        say(msgspec.json.encode({"steps": steps, "schema": schema.newest()}).decode())
    else:
        say(f"The schema is {schema.newest()}; {steps} steps were taken.")


Answer = tuple[Any, str]


async def _reseal(service: Service, _asked: argparse.Namespace) -> Answer:
    number = await administering.reseal(service)
    return {
        "resealed": number
    }, f"{number} addresses are sealed with the newest key. Older keys are needed for one more week."


async def _add_moderator(service: Service, asked: argparse.Namespace) -> Answer:
    name = _fit("name", fields.name, asked.name)
    email = _fit("email", fields.email, asked.email) if asked.email else None
    made = await admitting.add_moderator(service, name, email, asked.site)
    return (
        made,
        f"{made.name} may moderate. Print a sign-in link with: commentsvc moderator invite {made.name!r}",
    )


def _fit(field: str, clean: Callable[[str, fields.Limits], Any], text: str) -> Any:
    try:
        return clean(text, fields.Limits())
    except Unfit as unfit:
        raise Invalid(Fault(field, unfit.code, unfit.detail)) from None


async def _invite(service: Service, asked: argparse.Namespace) -> Answer:
    link = await admitting.invite(service, asked.name)
    return {"link": link}, link


async def _list_moderators(service: Service, _asked: argparse.Namespace) -> Answer:
    found = await admitting.list_moderators(service)
    return found, _lines(f"{one.name}  {' '.join(one.sites) or 'every site'}" for one in found)


async def _remove_moderator(service: Service, asked: argparse.Namespace) -> Answer:
    await admitting.remove_moderator(service, asked.name)
    return {"removed": asked.name}, f"{asked.name} may moderate no more."


async def _create_key(service: Service, asked: argparse.Namespace) -> Answer:
    scopes = [Scope(scope) for scope in asked.scope or ["moderate"]]
    name = _fit("name", fields.name, asked.name)
    new = NewKey(name=name, scopes=scopes, site=asked.site, expires_at=asked.expires)
    made = await admitting.make_key(service, OPERATOR, new)
    return made, made.key


async def _list_keys(service: Service, _asked: argparse.Namespace) -> Answer:
    found = (await admitting.list_keys(service, OPERATOR)).keys
    return found, _lines(
        f"{key.id}  {' '.join(key.scopes):<20} {key.site or 'every site':<20} {_state(key)}  {key.name}"
        for key in found
    )


def _state(key: Any) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at}"
    return f"expires {key.expires_at}" if key.expires_at else "in force"


async def _revoke_key(service: Service, asked: argparse.Namespace) -> Answer:
    await admitting.revoke_key(service, OPERATOR, asked.id)
    return {"revoked": asked.id}, "The key has ended."


async def _add_site(service: Service, asked: argparse.Namespace) -> Answer:
    new = NewSite(name=_fit("name", fields.name, asked.name), origins=asked.origin)
    site = await administering.add_site(service, OPERATOR, new)
    return site, f"{site.name} is served from {' '.join(site.origins)}."


async def _list_sites(service: Service, _asked: argparse.Namespace) -> Answer:
    found = (await administering.list_sites(service, OPERATOR)).sites
    return found, _lines(f"{site.name}  {' '.join(site.origins) or 'pages of this machine'}" for site in found)


def _lines(texts: Any) -> str:
    return "\n".join(texts) or "None yet."


VERBS: Final[dict[tuple[str, str], Callable[[Service, argparse.Namespace], Awaitable[Answer]]]] = {
    ("reseal", "reseal"): _reseal,
    ("moderator", "add"): _add_moderator,
    ("moderator", "invite"): _invite,
    ("moderator", "list"): _list_moderators,
    ("moderator", "remove"): _remove_moderator,
    ("key", "create"): _create_key,
    ("key", "list"): _list_keys,
    ("key", "revoke"): _revoke_key,
    ("site", "add"): _add_site,
    ("site", "list"): _list_sites,
}
