"""Memory alone finds most of a campaign, and hits almost no good comment: measured on labelled comments, by time."""

import gzip
import json
from collections import Counter, defaultdict

import pytest

from commentsvc.domain.comment_text import render_text
from commentsvc.domain.models import Draft, Effect
from commentsvc.rules.built_in import BUILT_IN_RULES
from commentsvc.rules.context import Context
from commentsvc.rules.verdicts import Policy
from commentsvc.spam.near_text import EXACT_LENGTH, read_fingerprint
from commentsvc.spam.recall import Recalled

STOPPING = {Effect.HOLD, Effect.SPAM}


class PeoplesMemory:
    """A memory of a person who decides on each comment at once. Without a database, thousands take seconds."""

    def __init__(self):
        self.spam, self.good = defaultdict(Counter), defaultdict(set)

    def recall(self, found):
        hosts = [one for one in found.all_hosts if self.spam["host"][one] and one not in self.good["host"]]
        return Recalled(
            is_long=found.length >= EXACT_LENGTH,
            same=self.spam["text"][found.text],
            marked_at="2026-11-26T00:00:00.000Z",
            is_approved=found.text in self.good["text"],
            near=max((self.spam["band"][band] for band in found.bands), default=0),
            host=next((one for one in hosts if one in found.hosts), None),
            website=found.website if found.website in hosts else None,
        )

    def learn(self, found, *, is_spam):
        if is_spam:
            self.spam["band"].update(found.bands)
        for kind, values in (("text", [found.text]), ("host", found.all_hosts)):
            if is_spam:
                self.spam[kind].update(values)
            else:
                self.good[kind].update(values)


def read_rows(shared, name):
    with gzip.open(shared / "spam" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def measure(rows):
    """Return the share of spam that memory stops, and the good comments that it stops."""
    memory, caught, lost = PeoplesMemory(), 0, []
    for row in rows:
        website = row.get("website")
        found = read_fingerprint(render_text(row["text"]).html, website)
        draft = Draft(name=row.get("name") or "Mia", comment=row["text"], website=website)
        context = Context(recalled=memory.recall(found))
        verdicts = filter(None, (rule(draft, context, Policy()) for rule in BUILT_IN_RULES))
        if any(verdict.effect in STOPPING for verdict in verdicts):
            caught += row["spam"]
            lost += [] if row["spam"] else [row["text"]]
        memory.learn(found, is_spam=row["spam"])
    return caught / sum(row["spam"] for row in rows), lost


@pytest.mark.parametrize(
    ("name", "share", "most_lost"), [("campaign", 0.97, 0), ("youtube", 0.34, 1), ("blog", 0.3, 0)]
)
def test_memory_alone_stops_spam_that_comes_again(shared, name, share, most_lost):
    caught, lost = measure(read_rows(shared, name))
    assert caught >= share
    assert len(lost) <= most_lost, lost
