"""The service judges what a visitor wrote: it looks up what the rules need to know, and asks them."""

import logging
from functools import lru_cache
from typing import Final

from commentsvc.domain.models import Comment, Draft, Effect, Mode, Rule, RuleKind, Site, Thread
from commentsvc.domain.networks import truncate_address
from commentsvc.rules import engine
from commentsvc.rules.engine import CompiledRule, Judgement, Policy, Verdict
from commentsvc.rules.facts import Submission, collect_context
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.kinds import KINDS, RuleCheck
from commentsvc.service import Service
from commentsvc.sites import resolve
from commentsvc.storage import contacts, decisions, rules, threads
from commentsvc.storage.database import Transaction

LOG: Final = logging.getLogger(__name__)


async def evaluate_draft(tx: Transaction, service: Service, draft: Draft, occasion: Submission) -> Judgement:
    """What becomes of a draft, and what every rule thinks of it."""
    policy = await load_policy(tx, service, occasion.site, occasion.thread, occasion.at)
    return engine.evaluate_rules(draft, await collect_context(tx, service, draft, occasion, policy.needs), policy)


async def evaluate_edit(tx: Transaction, service: Service, comment: Comment, address: str | None) -> Judgement:
    """What becomes of a comment whose words were changed, sent from this address."""
    occasion = await submission_of(tx, service, comment, address, service.now())
    draft = await draft_of_comment(tx, service, comment)
    policy = await load_policy(tx, service, occasion.site, occasion.thread, occasion.at)
    known = await collect_context(tx, service, draft, occasion, policy.needs)
    return engine.evaluate_rules(draft, known, policy, await _kept_verdicts(tx, comment.id))


async def _kept_verdicts(tx: Transaction, comment_id: str) -> list[Verdict]:
    """What rules said of how a comment was sent, where no person has decided since."""
    rows = await decisions.list_latest_verdicts(tx, comment_id)
    effects = {status: effect for effect, status in engine.STATUS_OF_EFFECT.items()}
    return [
        Verdict(
            effects.get(row["effect"]) or Effect(row["effect"]),
            row["reason"],
            row["rule"],
            row["rule_id"],
            unproven=row["reason"] == engine.FORM_REASONS[FormTokenState.ABSENT],
        )
        for row in rows
        if row["rule"] in engine.SUBMISSION_RULES
    ]


async def save_judgement(tx: Transaction, service: Service, comment_id: str, judgement: Judgement) -> None:
    """Keep the decision, and beside it the verdicts that did not decide."""
    decision_id, now = service.new_id(), service.now()
    await decisions.add_decision(tx, decision_id, comment_id, judgement.decision, now)
    for position, verdict in enumerate(judgement.others, start=1):
        await decisions.add_verdict(
            tx,
            decision_id,
            position,
            comment_id,
            rule=verdict.rule,
            rule_id=verdict.rule_id,
            effect=verdict.effect,
            reason=verdict.reason,
        )


async def submission_of(
    tx: Transaction, service: Service, comment: Comment, address: str | None, at: str
) -> Submission:
    """The circumstances of a comment that is there already. When its form was opened is no question any more."""
    thread = await threads.get(tx, comment.thread_id)
    if thread is None:
        raise LookupError("a comment's thread is gone")
    return Submission(
        site=(await resolve.load_directory(tx, service)).by_id(comment.site_id),
        thread=thread,
        author_id=comment.author_id,
        at=at,
        address=address,
        network=truncate_address(address) if address else None,
        comment_id=comment.id,
        # Once it was public, going from there for the address's sake would show whose address it is.
        by_email=comment.published_at is None or at == comment.created_at,
    )


async def draft_of_comment(tx: Transaction, service: Service, comment: Comment) -> Draft:
    """A visitor's comment as if it were sent now."""
    contact = (await contacts.get_many(tx, [comment.id]))[comment.id]
    email = service.keyring.unseal(contact.email_sealed)
    return Draft(name=comment.name, email=email, comment=comment.text, website=comment.website)


async def load_policy(tx: Transaction, service: Service, site: Site, thread: Thread, now: str) -> Policy:
    """The mode and the rules that stand for a thread at a moment."""
    stored = await _compiled_rules(tx, service, site)
    in_force = tuple(rule for rule in stored if rule.expires_at is None or rule.expires_at > now)
    return Policy(mode_of(service, site, thread), in_force)


def mode_of(service: Service, site: Site, thread: Thread | None = None) -> Mode:
    """Who is held: the thread's own mode, else its site's, else the setting's."""
    return (thread.mode if thread else None) or site.mode or service.config.moderation


async def _compiled_rules(tx: Transaction, service: Service, site: Site) -> tuple[CompiledRule, ...]:
    """A site's rules, made ready once for each change of them: a word list is long."""
    version, ready = service.rules.get(site.id, (None, ()))
    if version != site.rules_version:
        ready = tuple(filter(None, map(_compile_if_possible, await rules.list_active(tx, site.id))))
        service.rules[site.id] = (site.rules_version, ready)
    return ready


def _compile_if_possible(rule: Rule) -> CompiledRule | None:
    """A rule whose library was taken away stands still; it does not stop comments from being kept."""
    try:
        return compile_rule(rule)
    except ValueError:
        LOG.warning("rule %s is ignored: its kind, %s, needs %s", rule.id, rule.kind, KINDS[rule.kind].wants)
        return None


def compile_rule(rule: Rule) -> CompiledRule:
    """A kept rule, ready to be asked.

    Raises:
        ValueError: what it looks for cannot be read.
    """
    opinion = compile_check(rule.kind, rule.email_digest or rule.matching)
    return CompiledRule(rule.id, rule.kind, rule.effect, opinion, rule.expires_at)


@lru_cache(maxsize=64)
def compile_check(kind: RuleKind, matching: str) -> RuleCheck:
    """What a rule thinks. A word list takes up to a second to read, so those read lately are kept.

    Raises:
        ValueError: what it looks for cannot be read.
    """
    return KINDS[kind].reads(matching)
