"""The service judges what a visitor wrote: it looks up what the rules need to know, and asks them."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from commentsvc import places, rules
from commentsvc.addresses import network
from commentsvc.challenges import Form, Work
from commentsvc.model import Comment, Effect, Mode, Rule, RuleKind, Site, Thread, time_of, time_text
from commentsvc.rules import Judgement, Policy, StoredRule, Verdict, lookalikes
from commentsvc.rules.context import Context, Fact
from commentsvc.rules.kinds import KINDS, Opinion
from commentsvc.sealing import text_digest
from commentsvc.service import Service
from commentsvc.shapes import Draft
from commentsvc.store import Transaction, access, comments, contacts, history, threads
from commentsvc.store import rules as kept_rules

LOG: Final = logging.getLogger(__name__)
DAY: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """Where, when and by whom something is said."""

    site: Site
    thread: Thread
    author_id: str
    at: str
    address: str | None
    network: str | None
    comment_id: str | None = None  # of a comment that is there already, and is no reason against itself
    by_email: bool = True  # whether rules by email are heard
    form: Form = Form.WELL
    work: Work = Work.NOT_ASKED
    trapped: bool = False


async def judge(tx: Transaction, service: Service, draft: Draft, occasion: Occasion) -> Judgement:
    """What becomes of a draft, and what every rule thinks of it."""
    policy = await standing(tx, service, occasion.site, occasion.thread, occasion.at)
    return rules.judge(draft, await context(tx, service, draft, occasion, policy.needs), policy)


async def judge_again(tx: Transaction, service: Service, comment: Comment, address: str | None) -> Judgement:
    """What becomes of a comment whose words were changed, sent from this address."""
    occasion = await occasion_of(tx, service, comment, address, service.now())
    draft = await draft_of(tx, service, comment)
    policy = await standing(tx, service, occasion.site, occasion.thread, occasion.at)
    known = await context(tx, service, draft, occasion, policy.needs)
    return rules.judge(draft, known, policy, await _earlier(tx, comment.id))


async def _earlier(tx: Transaction, comment_id: str) -> list[Verdict]:
    """What rules said of how a comment was sent, where no person has decided since."""
    rows = await history.latest_verdicts(tx, comment_id)
    effects = {status: effect for effect, status in rules.STATUS.items()}
    return [
        Verdict(
            effects.get(row["effect"]) or Effect(row["effect"]),
            row["reason"],
            row["rule"],
            row["rule_id"],
            unproven=row["reason"] == rules.FORM_REASONS[Form.ABSENT],
        )
        for row in rows
        if row["rule"] in rules.CIRCUMSTANCES
    ]


async def keep(tx: Transaction, service: Service, comment_id: str, judgement: Judgement) -> None:
    """Keep the decision, and beside it the verdicts that did not decide."""
    decision_id, now = service.new_id(), service.now()
    await history.decide(tx, decision_id, comment_id, judgement.decision, now)
    for position, verdict in enumerate(judgement.others, start=1):
        await history.note_verdict(
            tx,
            decision_id,
            position,
            comment_id,
            rule=verdict.rule,
            rule_id=verdict.rule_id,
            effect=verdict.effect,
            reason=verdict.reason,
        )


async def occasion_of(tx: Transaction, service: Service, comment: Comment, address: str | None, at: str) -> Occasion:
    """The circumstances of a comment that is there already. When its form was opened is no question any more."""
    thread = await threads.get(tx, comment.thread_id)
    if thread is None:
        raise LookupError("a comment's thread is gone")
    return Occasion(
        site=(await places.directory(tx, service)).by_id(comment.site_id),
        thread=thread,
        author_id=comment.author_id,
        at=at,
        address=address,
        network=network(address) if address else None,
        comment_id=comment.id,
        # Once it was public, going from there for the address's sake would show whose address it is.
        by_email=comment.published_at is None or at == comment.created_at,
    )


async def draft_of(tx: Transaction, service: Service, comment: Comment) -> Draft:
    """A visitor's comment as if it were sent now."""
    contact = (await contacts.several(tx, [comment.id]))[comment.id]
    email = service.keyring.unseal(contact.email_sealed)
    return Draft(thread="", name=comment.name, email=email, comment=comment.text, website=comment.website)


# --------------------------------------------------------------------------------- what the site wants


async def standing(tx: Transaction, service: Service, site: Site, thread: Thread, now: str) -> Policy:
    """The mode and the rules that stand for a thread at a moment."""
    stored = await _stored(tx, service, site)
    in_force = tuple(rule for rule in stored if rule.expires_at is None or rule.expires_at > now)
    return Policy(mode_of(service, site, thread), in_force)


def mode_of(service: Service, site: Site, thread: Thread | None = None) -> Mode:
    """Who is held: the thread's own mode, else its site's, else the setting's."""
    return (thread.mode if thread else None) or site.mode or service.config.moderation


async def _stored(tx: Transaction, service: Service, site: Site) -> tuple[StoredRule, ...]:
    """A site's rules, made ready once for each change of them: a word list is long."""
    version, ready = service.rules.get(site.id, (None, ()))
    if version != site.rules_version:
        ready = tuple(filter(None, map(_usable, await kept_rules.standing(tx, site.id))))
        service.rules[site.id] = (site.rules_version, ready)
    return ready


def _usable(rule: Rule) -> StoredRule | None:
    """A rule whose library was taken away stands still; it does not stop comments from being kept."""
    try:
        return compiled(rule)
    except ValueError:
        LOG.warning("rule %s of kind %s cannot be used: it needs %s", rule.id, rule.kind, KINDS[rule.kind].wants)
        return None


def compiled(rule: Rule) -> StoredRule:
    """A kept rule, ready to be asked.

    Raises:
        ValueError: what it looks for cannot be read.
    """
    opinion = opinion_of(rule.kind, rule.email_digest or rule.matching)
    return StoredRule(rule.id, rule.kind, rule.effect, opinion, rule.expires_at)


@lru_cache(maxsize=64)
def opinion_of(kind: RuleKind, matching: str) -> Opinion:
    """What a rule thinks. A word list takes up to a second to read, so those read lately are kept.

    Raises:
        ValueError: what it looks for cannot be read.
    """
    return KINDS[kind].reads(matching)


# --------------------------------------------------------------------------------- what is known


async def context(
    tx: Transaction, service: Service, draft: Draft, occasion: Occasion, needs: Collection[Fact]
) -> Context:
    """What is known about a draft, looked up as far as some rule asks for it."""
    approvals = await comments.approved_by(
        tx, occasion.site.id, occasion.author_id, before=occasion.at, but=occasion.comment_id
    )
    names, addresses = await _moderators(tx)
    since, number = await _pace(tx, occasion) if Fact.PACE in needs else (None, 0)
    digests = frozenset(service.keyring.digests(draft.email) if occasion.by_email else ())
    return Context(
        proven_approvals=approvals,
        address=occasion.address,
        author_id=occasion.author_id,
        email_digests=digests,
        email_domain=draft.email.domain() if occasion.by_email else "",
        is_moderators_email=not addresses.isdisjoint(digests),
        is_moderators_name=lookalikes.impression(draft.name) in names,
        seconds_since_last=since,
        within_an_hour=number,
        same_text_elsewhere=await _elsewhere(tx, draft, occasion) if Fact.SAME_TEXT in needs else 0,
        thread_days=_seconds_between(occasion.thread.published_at or occasion.at, occasion.at) / DAY,
        form=occasion.form,
        work=occasion.work,
        trapped=occasion.trapped,
    )


async def _moderators(tx: Transaction) -> tuple[frozenset[str], frozenset[str]]:
    """How moderators' names look, and the digests of their addresses."""
    rows = await access.moderators(tx)
    names = frozenset(lookalikes.impression(row["name"]) for row in rows)
    return names, frozenset(row["email_digest"] for row in rows if row["email_digest"])


async def _pace(tx: Transaction, occasion: Occasion) -> tuple[float | None, int]:
    """Seconds since the last comment of the same network, and how many came within the hour."""
    if occasion.network is None:
        return None, 0
    day_ago, hour_ago = (time_text(time_of(occasion.at) - timedelta(hours=hours)) for hours in (24, 1))
    last, number = await contacts.pace(
        tx, occasion.network, day_ago=day_ago, hour_ago=hour_ago, before=occasion.at, but=occasion.comment_id
    )
    return (_seconds_between(last, occasion.at) if last else None), number


async def _elsewhere(tx: Transaction, draft: Draft, occasion: Occasion) -> int:
    digest = text_digest(gist(draft.comment))
    return await comments.same_elsewhere(tx, digest, occasion.thread.id, before=occasion.at)


def gist(text: str) -> str:
    """The same for texts that differ only in white space."""
    return " ".join(text.split())


def _seconds_between(earlier: str, later: str) -> float:
    return (time_of(later) - time_of(earlier)).total_seconds()
