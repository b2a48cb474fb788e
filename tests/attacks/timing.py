"""Post with known, unknown and banned addresses and those of moderators: neither work nor time tells them apart."""

import dataclasses
import random
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from commentsvc.access import moderators
from commentsvc.comments.edit import edit_comment
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import Effect, Mode, RuleKind
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from tests.attacks.command import Figures, run
from tests.conftest import EVERYTHING, Clock, a_service, draft, visit

UNKNOWN = "stranger@nowhere.example"
# Every address that the service could treat differently, as long as the unknown one: an encrypted address has its size.
ADDRESSES = {
    "unknown": UNKNOWN,
    "known": "known888@nowhere.example",
    "held": "held8888@nowhere.example",
    "spam": "spam8888@nowhere.example",
    "held domain": "someone8@heldone.example",
    "spam domain": "someone8@spamone.example",
    "combined domain": "someone8@bothone.example",
    "moderator": "owner888@nowhere.example",
}
RULES = (
    ("email", ADDRESSES["held"], "hold"),
    ("email", ADDRESSES["spam"], "spam"),
    ("email_domain", "heldone.example", "hold"),
    ("email_domain", "spamone.example", "spam"),
    ("all", "newcomer\nemail_domain: bothone.example", "hold"),
)
LIMIT = 4.5  # of |t|: differences above are called leaks in the analysis of side channels (TVLA)
WARM_UP = 50


class Recorded:
    """Statements of a unit of work, which are noted in order, with the number of bytes that they send."""

    def __init__(self, statements, found):
        self._statements, self._found = statements, found
        self.never_waits = statements.never_waits
        self.schema_checked = False

    def _note(self, sql, values):
        # The hue comes from a random author id.
        sent = [value for name, value in values.items() if value is not None and name != "hue"]
        length = sum(8 if isinstance(value, int) else len(str(value)) for value in sent)  # digests are numbers too
        self._found.append((" ".join(sql.split()), length))

    async def run_many(self, sql, rows, /):
        for row in rows:
            self._note(sql, row)
        return await self._statements.run_many(sql, rows)

    def __getattr__(self, name):
        """Return one of the ways to run a statement: ``all``, ``one``, ``run`` or ``later``."""
        send = getattr(self._statements, name)

        async def note_and_send(sql, /, **values):
            self._note(sql, values)
            return await send(sql, **values)

        return note_and_send


class RecordingDatabase:
    """A database that notes the statements of its writes."""

    def __init__(self, database):
        self._database, self.found = database, []

    def __getattr__(self, name):
        return getattr(self._database, name)

    async def write(self, work, *order):
        return await self._database.write(lambda statements: work(Recorded(statements, self.found)), *order)


async def prepare(service, known=WARM_UP):
    """Add email rules of every effect and a moderator, and make the known address known."""
    for kind, match, effect in RULES:
        await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind(kind), match=match, effect=Effect(effect)))
    await moderators.add_moderator(service, "Ada", Email(ADDRESSES["moderator"]), [])
    for number in range(known):
        await send(service, "known", 10**6 + number)
        await send(service, "unknown", 10**6 + number + WARM_UP)


async def send(service, whose, number):
    """Post a comment with one of the addresses. Only the address depends on whose it is."""
    return await post_comment(
        service,
        draft(email=ADDRESSES[whose], comment=f"Words of comment {number:08}.", submission=f"submission-{number:08}"),
        visit(),
    )


async def record_statements(service):
    """Return the statements of a post with each address, and of an edit of that comment."""
    recorded = {}
    for number, whose in enumerate(ADDRESSES):
        database = RecordingDatabase(service.db)
        observed = dataclasses.replace(service, db=database)
        receipt = await send(observed, whose, 2 * 10**6 + number)
        change = CommentEdit(comment=f"Other words of {number:08}.")
        await edit_comment(observed, receipt.id, receipt.edit_token, change, visit())
        recorded[whose] = database.found
    return recorded


def welch(one, other):
    """Return Welch's t of two samples, without their slowest hundredth: those waited for something else."""
    one, other = (sorted(sample)[: len(sample) - len(sample) // 100] for sample in (one, other))
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / spread**0.5


async def attack(number: int) -> Figures:
    """Post ``number`` comments with each address in a random order, and compare their times."""
    taken = {"processor": defaultdict(list), "clock": defaultdict(list)}
    order = [whose for whose in ADDRESSES for _ in range(number)]
    random.shuffle(order)
    with tempfile.TemporaryDirectory() as folder:
        async with a_service(f"sqlite:///{Path(folder)}/comments.db", Clock(), moderation=Mode.ALL) as service:
            await prepare(service)
            statements = await record_statements(service)
            for at, whose in enumerate(order):
                clock, processor = time.perf_counter(), time.process_time()
                await send(service, whose, at)
                taken["processor"][whose].append(time.process_time() - processor)
                taken["clock"][whose].append(time.perf_counter() - clock)
    figures = {
        "posts of each address": number,
        "same statements": all(
            [sql for sql, _ in found] == [sql for sql, _ in statements["unknown"]] for found in statements.values()
        ),
    }
    for name, times in taken.items():
        for whose in ADDRESSES:
            if whose != "unknown":
                figures[f"|t| of {name}, {whose}"] = round(abs(welch(times[whose], times["unknown"])), 2)
    return figures


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    return not figures["same statements"] or any(
        value >= LIMIT for name, value in figures.items() if name.startswith("|t|")
    )


if __name__ == "__main__":
    run(attack, number=20_000, is_broken=is_broken)
