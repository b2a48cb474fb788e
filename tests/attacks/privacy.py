"""Send the same requests twice, and change only what is hidden in between: no public byte changes."""

import dataclasses
import io
import logging
import sys
import tempfile
import uuid
import zlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import msgspec
from aiohttp.test_utils import TestClient

from commentsvc.access import keys, moderators
from commentsvc.access.schemas import NewKey
from commentsvc.cli import log_format
from commentsvc.comments import edit, reports
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.config.settings import Config
from commentsvc.domain.crypto import Keyring
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import ActionVerb, Effect, Mode, RuleKind, Scope
from commentsvc.moderation import actions, ban, erase, rule_undo, threads
from commentsvc.moderation.ban_schemas import NewBan
from commentsvc.moderation.schemas import Action, CommentUpdate, ThreadChange, ThreadListQuery
from commentsvc.rules import kinds, manage
from commentsvc.rules.schemas import NewRule, RuleUndo
from commentsvc.service import Service
from commentsvc.sites.manage import change_site, list_sites
from commentsvc.sites.schemas import SiteChange
from commentsvc.spam.training import train_sites
from commentsvc.web.routes import application
from tests.attacks.command import Figures, run
from tests.attacks.leaks import LEAKS, leaking
from tests.conftest import (
    EVERYTHING,
    SECRET,
    Clock,
    ServiceServer,
    draft,
    fields_of,
    open_database,
    prepare_service,
    visit,
)

VARYING_HEADERS = {"X-Request-ID", "Date"}  # a random id, and the time of the real clock
CANARY = "kanarienvogel"  # in every hidden text; readers must not meet it anywhere
FAR = "203.0.113.77"  # hidden comments come from another network: a network knows how much it sent itself
WORDS = "Words that somebody else sent before, and nobody saw."
PAGE, UNKNOWN = "/a-page/", "/unknown/"
# One rule of every kind that readers cannot see; closing_age closes threads, which they can.
RULES = {
    RuleKind.EMAIL: "mia@example.com", RuleKind.EMAIL_DOMAIN: "example.com", RuleKind.DISPOSABLE: "",
    RuleKind.NETWORK: "127.0.0.0/8", RuleKind.WEBSITE: "mia.example", RuleKind.WORDS: f"casino\n{CANARY}",
    RuleKind.LINKS: "0", RuleKind.LENGTH: "20..", RuleKind.SCRIPT: "el", RuleKind.SAME_TEXT: "1",
    RuleKind.TOO_FAST: "60", RuleKind.TOO_MANY: "1", RuleKind.TRUST: "5", RuleKind.NEWCOMER: "2",
    RuleKind.ALL: "newcomer\nemail_domain: example.com", RuleKind.LEARNED: "99",
}  # fmt: skip


def make_id(number: int) -> str:
    return str(uuid.UUID(int=number | 7 << 76 | 2 << 62))


def counting_ids(first: int) -> Callable[[], str]:
    numbers = count(first)
    return lambda: make_id(next(numbers))


class Ids:
    """Makes the same ids in each run: of the number of the request, and the line that asks.

    So a unit that runs again, since it met new rules, gets its ids again.
    """

    def __init__(self):
        self.turn = 0

    def __call__(self):
        asking = sys._getframe(1)
        line = f"{Path(asking.f_code.co_filename).name} {asking.f_lineno}"
        return make_id((self.turn << 32) + zlib.crc32(line.encode()))


HIDDEN_IDS = 40 << 32  # the first id that hidden changes take: among those of the requests, if sorted
FIRST_HIDDEN = make_id(HIDDEN_IDS)


async def hide(world, **changed):
    """Post a pending comment, of which readers know nothing. The first one has just ``WORDS``."""
    number = next(world.numbers)
    return await post_comment(
        world.hidden,
        draft(
            comment=f"{WORDS} {number}" if number else WORDS,
            name=f"Noa {CANARY}",
            email=f"noa@{CANARY}.example",
            **changed,
        ),
        visit(address=FAR, agent=CANARY),
    )


async def decide(world, verb, *ids):
    await actions.apply_action(world.hidden, EVERYTHING, Action(action=verb, ids=list(ids), note=CANARY))


async def hide_pending(world):
    for _ in range(12):
        await hide(world)


async def hide_replies(world):
    await hide(world, parent=world.shown.id)
    await hide(world, parent=world.reply.id)


async def hide_in_unknown_thread(world):
    await hide(world, thread=UNKNOWN, title=CANARY)
    (thread, *_) = (await threads.list_threads(world.hidden, EVERYTHING, ThreadListQuery())).threads
    assert thread.count == 0
    await threads.change_thread(world.hidden, EVERYTHING, thread.id, ThreadChange(title=CANARY))


async def hide_spam_and_trash(world):
    for verb in (ActionVerb.SPAM, ActionVerb.TRASH):
        await decide(world, verb, (await hide(world)).id)


async def hide_erased(world):
    receipt = await hide(world)
    await decide(world, ActionVerb.TRASH, receipt.id)
    await erase.erase_permanently(world.hidden, EVERYTHING, receipt.id)


async def hide_edit(world):
    receipt = await hide(world)
    change = CommentEdit(comment=f"Edited {CANARY}.")
    await edit.edit_comment(world.hidden, receipt.id, receipt.edit_token, change, visit(address=FAR))


async def change_modes(world):
    (site,) = (await list_sites(world.hidden, EVERYTHING)).sites
    await change_site(world.hidden, EVERYTHING, site.id, SiteChange(mode=Mode.TRUSTED))
    *_, thread = (await threads.list_threads(world.hidden, EVERYTHING, ThreadListQuery())).threads
    await threads.change_thread(world.hidden, EVERYTHING, thread.id, ThreadChange(mode=Mode.TRUSTED))


async def add_rules(world, effect):
    for kind, match in RULES.items():
        wanted = Effect.APPROVE if kind is RuleKind.TRUST else effect
        if wanted in kinds.KINDS[kind].effects:
            await manage.add_rule(world.hidden, EVERYTHING, NewRule(kind=kind, match=match, effect=wanted, note=CANARY))


async def add_holding_rules(world):
    await add_rules(world, Effect.HOLD)


async def add_spam_rules(world):
    await add_rules(world, Effect.SPAM)


async def add_people(world):
    name = f"Ada {CANARY}"
    await moderators.add_moderator(world.hidden, name, Email("mia@example.com"), [])
    await moderators.add_moderator(world.hidden, "Mia", None, [])  # the name that commenters type
    await moderators.create_sign_in_link(world.hidden, name)
    await keys.create_key(world.hidden, EVERYTHING, NewKey(name=CANARY, scopes=[Scope.ADMIN]))


async def add_notes_and_reports(world):
    await actions.update_comment(world.hidden, EVERYTHING, world.shown.id, 2, CommentUpdate(note=CANARY))
    for address in (FAR, "192.0.2.7"):
        report = NewReport(reason=CANARY)
        await reports.report_comment(world.hidden, world.shown.id, report, visit(address=address))


async def ban_and_sweep(world):
    receipt = await hide(world)
    new = NewBan(kind="author", note=CANARY, waiting=1, sweep_days=0)  # ids here have no time
    await ban.add_ban(world.hidden, EVERYTHING, receipt.id, new)


async def undo_rules(world):
    since = "2020-01-01T00:00:00Z"
    for name in ("rule:all", "rule:email", "rule:repeat"):
        found = await rule_undo.undo_rule(world.hidden, EVERYTHING, name, RuleUndo(since=since))
        await rule_undo.undo_rule(world.hidden, EVERYTHING, name, RuleUndo(since=since, expect=found.matching))


async def teach_filter(world):
    for verb, number in ((ActionVerb.SPAM, 8), (ActionVerb.TRASH, 4)):
        await decide(world, verb, *[(await hide(world)).id for _ in range(number)])
    await train_sites(world.hidden)


async def spam_tombstone(world):
    await decide(world, ActionVerb.SPAM, world.tombstone.id)


async def erase_tombstone(world):
    await decide(world, ActionVerb.TRASH, world.tombstone.id)
    await erase.erase_permanently(world.hidden, EVERYTHING, world.tombstone.id)


async def erase_removed(world):
    await erase.erase_permanently(world.hidden, EVERYTHING, world.removed.id)


async def spam_my_comment(world):
    await decide(world, ActionVerb.SPAM, world.mine.id)


async def trash_my_comment(world):
    await decide(world, ActionVerb.TRASH, world.mine.id)


async def change_nothing(_world):
    pass


async def change_everything(world):
    for change in CHANGES:
        await change(world)


CHANGES = (
    hide_pending, hide_replies, hide_in_unknown_thread, hide_spam_and_trash, hide_erased, hide_edit,
    change_modes, ban_and_sweep, add_holding_rules, add_spam_rules, teach_filter, undo_rules,
    add_people, add_notes_and_reports, spam_tombstone, erase_tombstone,
    erase_removed, spam_my_comment, trash_my_comment,
)  # fmt: skip


async def build(service):
    """Publish a thread with a reply and a tombstone; leave a pending comment of the reader's own."""
    world = SimpleNamespace(numbers=count(), hidden=dataclasses.replace(service, new_id=counting_ids(HIDDEN_IDS)))

    async def publish(text, **changed):
        service.new_id.turn += 1
        receipt = await post_comment(service, draft(comment=text, **changed), visit(address="127.0.0.1"))
        await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[receipt.id]))
        return receipt

    world.publish = publish
    world.shown = await publish("Shown.", title="A page")
    world.reply = await publish("A reply.", parent=world.shown.id)
    world.tombstone = await publish("Held later.")
    await publish("A reply to it.", parent=world.tombstone.id)
    service.new_id.turn += 1
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.HOLD, ids=[world.tombstone.id]))
    world.removed = await publish("Removed later.")
    service.new_id.turn += 1
    await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.TRASH, ids=[world.removed.id]))
    for number in range(3):
        await publish(f"More of it: {number}")
    service.new_id.turn += 1
    world.mine = await post_comment(service, draft(comment="Mine waits."), visit(address="127.0.0.1"))
    return world


async def read_all(world, send):
    """Ask every public question, with pages, tags and the reader's own token."""
    mine = {"Authorization": f"Bearer {world.mine.edit_token}"}
    for thread in (PAGE, UNKNOWN):
        for more in ("", "&view=flat&order=newest", "&order=newest&limit=1", "&limit=1", "&view=flat&limit=2"):
            path = f"/v1/comments?thread={thread}{more}"
            for _ in range(6):
                _, headers, body = await send("GET", path)
                further = msgspec.json.decode(body).get("next_cursor")
                if not further:
                    break
                path = f"/v1/comments?thread={thread}{more}&cursor={further}"
            await send("GET", path, headers={"If-None-Match": dict(headers).get("ETag", '"x"')})
            await send("HEAD", path)
        for path in (
            f"/v1/comments.html?thread={thread}", f"/v1/comments.atom?thread={thread}", f"/t?thread={thread}",
            f"/v1/counts?thread={thread}", f"/v1/comments.atom?thread={thread}&limit=1",
        ):  # fmt: skip
            await send("GET", path)
        await send("GET", f"/v1/comments?thread={thread}", headers=mine)
    for path in ("v1/latest", "v1/latest?limit=2", "v1/latest.atom", "", "docs", "readyz", "version", "v1/form"):
        await send("GET", f"/{path}")
    for one in (world.shown.id, world.tombstone.id, world.removed.id, world.mine.id, FIRST_HIDDEN):
        await send("GET", f"/v1/comments/{one}")
        await send("GET", f"/v1/comments/{one}", headers=mine)
        at = f"thread={PAGE}&at={one}"
        for path in (
            f"/v1/comments?{at}&limit=2", f"/v1/comments?{at}&view=flat&order=newest&limit=1",
            f"/v1/comments.html?{at}&limit=2", f"/t?{at}", f"/v1/comments?thread={UNKNOWN}&at={one}",
        ):  # fmt: skip
            await send("GET", path)
    await send("GET", "/moderate")
    await send("GET", f"/moderate/comments/{FIRST_HIDDEN}")


async def write_all(world, send):
    """Post, reply, report, edit and withdraw, until the rate limit answers."""
    mine = {"Authorization": f"Bearer {world.mine.edit_token}"}
    for changed in (
        {"comment": "casino https://mia.example"}, {"comment": WORDS}, {"parent": FIRST_HIDDEN}, {"name": "Ada"},
        {"parent": world.shown.id, "website": "mia.example"}, {"submission": "a-form-of-mine"},
        {"submission": "a-form-of-mine"}, {"thread": UNKNOWN, "parent": FIRST_HIDDEN},
        {"author_token": world.shown.author_token[:-1] + "x", "comment": "Trust me."},
    ):  # fmt: skip
        fields = fields_of(**({"comment": f"Sent with {sorted(changed)}"} | changed))
        await send("POST", "/v1/comments", json=fields)
    for one in (world.shown.id, world.tombstone.id, world.mine.id, FIRST_HIDDEN):
        await send("POST", f"/v1/comments/{one}/reports", json={"reason": "Bad."})
    await send("PATCH", f"/v1/comments/{world.mine.id}", json={"comment": "casino, mine."}, headers=mine)
    await send("GET", f"/v1/comments/{world.mine.id}", headers=mine)
    await send("PATCH", f"/v1/comments/{FIRST_HIDDEN}", json={"comment": "Not mine."}, headers=mine)
    await send("DELETE", f"/v1/comments/{FIRST_HIDDEN}", headers=mine)
    for number in range(18):
        await send("POST", "/v1/comments", json=fields_of(comment=f"The {number}. of many."))
    await send("DELETE", f"/v1/comments/{world.mine.id}", headers=mine)


@asynccontextmanager
async def closed_at_end(database):
    try:
        yield
    finally:
        await database.close()


async def observe(url: str, change: Callable[..., Awaitable[None]], *, email="mia@example.com", **settings):
    """Return the public answers before and after a hidden change, each with its request."""
    answers = []
    config = {
        "rate_limit": "46/60", "form_seconds": "off", "surrogate_keys": "on", "moderation": Mode.ALL, **settings
    }  # fmt: skip
    database = await open_database(url)
    settings = Config(database_url=url, **config)
    service = Service(db=database, config=settings, keyring=Keyring([SECRET]), clock=Clock(), new_id=Ids())
    async with closed_at_end(database):
        await prepare_service(service)
        world = await build(service)
        async with TestClient(ServiceServer(application(service))) as client:

            async def send(method, path, **more):
                service.new_id.turn += 1
                if "json" in more and "email" in more["json"]:
                    more["json"]["email"] = email
                async with client.request(method, path, allow_redirects=False, **more) as response:
                    headers = sorted((k, v) for k, v in response.headers.items() if k not in VARYING_HEADERS)
                    answers.append((f"{method} {path}", (response.status, headers, await response.read())))
                return answers[-1][1]

            await read_all(world, send)  # answers are kept
            await change(world)
            await read_all(world, send)
            await world.publish("Published afterwards.")
            await write_all(world, send)
            await read_all(world, send)
    return answers


def differences(one, other) -> list[str]:
    """Return the requests that were answered differently."""
    assert len(one) > 100
    return [f"{len(one)} and {len(other)} requests"] * (len(one) != len(other)) + [
        request for (request, answer), (_, again) in zip(one, other, strict=False) if answer != again
    ]


def sightings(answers, log: str) -> list[str]:
    """Return the requests whose answer shows a canary, and the lines of the log that do."""
    seen = [request for request, answer in answers if CANARY in str(answer).lower() or FAR in str(answer)]
    return seen + [line for line in log.splitlines() if CANARY in line or "mia@" in line or FAR in line]


@contextmanager
def written_log():
    """Yield the log of the block as it is written."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(log_format.Formatter("text"))
    logging.getLogger().addHandler(handler)
    try:
        yield written
    finally:
        logging.getLogger().removeHandler(handler)


async def attack(number: int) -> Figures:
    """Compare each change alone, then all together, ``number`` times; then look for the leaks made on purpose."""
    found, sent, missed = [], 0, []
    with tempfile.TemporaryDirectory() as folder:
        places = (f"sqlite:///{folder}/{place}.db" for place in count())
        for _ in range(number):
            expected = await observe(next(places), change_nothing)
            for change in (*CHANGES, change_everything):
                with written_log() as log:
                    answers = await observe(next(places), change)
                sent += len(answers)
                wrong = differences(expected, answers) + sightings(answers, log.getvalue())
                found += [f"{change.__name__}: {one}" for one in wrong]
        for name in LEAKS:
            with leaking(name), written_log() as log:
                expected = await observe(next(places), change_nothing)
                answers = await observe(next(places), change_everything)
            if not differences(expected, answers) + sightings(answers, log.getvalue()):
                missed.append(name)
    return {
        "hidden changes": len(CHANGES) + 1, "answers compared": sent, "differing or with a canary": len(found),
        "first of them": found[:10], "leaks noticed": f"{len(LEAKS) - len(missed)} of {len(LEAKS)}",
        "leaks missed": missed,
    }  # fmt: skip


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return bool(figures["differing or with a canary"] or figures["leaks missed"])


if __name__ == "__main__":
    run(attack, number=1, is_broken=is_broken)
