"""Evaluate the rules on a new or edited comment."""

from dataclasses import replace

from commentsvc.domain.email_address import UNREADABLE
from commentsvc.domain.metric_memory import Recorder
from commentsvc.domain.metrics import VERDICTS
from commentsvc.domain.models import ActorKind, Comment, Contact, Draft, Site, Thread
from commentsvc.domain.networks import truncate_address
from commentsvc.rules import compiled, engine, verdicts, weak_signals
from commentsvc.rules.context import Context
from commentsvc.rules.engine import Judgement
from commentsvc.rules.facts import Submission, collect_context
from commentsvc.rules.verdicts import Policy, Verdict
from commentsvc.sites import resolve
from commentsvc.spam import scoring
from commentsvc.spam.features import sample_of
from commentsvc.spam.samples import measure_age
from commentsvc.storage import address_contacts, contacts, decisions, threads
from commentsvc.storage.database import Environment, PrivateRead, Write
from commentsvc.storage.decisions import StoredVerdict


async def evaluate_draft(unit: PrivateRead, draft: Draft, html: str, submission: Submission) -> Judgement:
    """Return the judgement on a draft, whose comment is shown as this HTML: its status and the verdict of each rule."""
    policy = policy_of(unit, submission.site, submission.thread, submission.at)
    context = await _collect_context(unit, draft, html, submission, policy)
    return _count_verdicts(unit, engine.evaluate_rules(draft, context, policy))


async def _collect_context(
    unit: PrivateRead, draft: Draft, html: str, submission: Submission, policy: Policy
) -> Context:
    """Return the facts about a draft, with its score.

    Raises:
        FilterNotLoaded: ``with_compiled_rules`` handles this.
    """
    context = await collect_context(unit, draft, html, submission, policy.needs)
    thread = submission.thread
    sample = sample_of(draft.name, draft.website, html, measure_age(thread.published_at, submission.at))
    score = scoring.score_sample(unit, submission.site.id, context.recalled.filter_version, sample)
    return replace(context, score=score)


def _count_verdicts(unit: PrivateRead, judgement: Judgement) -> Judgement:
    """Count the verdicts for the metrics. A unit of work that must run again counts again."""
    if (recorder := unit.parts.get(Recorder)) is not None:
        for verdict in (judgement.deciding, *judgement.others):
            recorder.count(VERDICTS, (verdict.rule.removeprefix("rule:"), verdict.effect.value))
    return judgement


async def evaluate_edit(unit: PrivateRead, comment: Comment, address: str | None) -> Judgement:
    """Return the judgement on an edited comment that was sent from an IP address."""
    contact = (await contacts.get_many(unit, [comment.id]))[comment.id]
    submission = await submission_of(unit, comment, contact, address, unit.now())
    draft = draft_of_comment(unit, comment, contact)
    policy = policy_of(unit, submission.site, submission.thread, submission.at)
    context = await _collect_context(unit, draft, comment.html, submission, policy)
    earlier = await _submission_verdicts(unit, comment.id)
    return _count_verdicts(unit, engine.evaluate_rules(draft, context, policy, earlier))


async def _submission_verdicts(unit: PrivateRead, comment_id: str) -> list[Verdict]:
    """Return the verdicts on how a comment was sent, unless a person has decided since.

    A weak signal may have called the earlier text spam; here it has its own effect again.
    """
    latest = await decisions.get_latest(unit, comment_id)
    if latest is None:
        return []
    earlier = list(latest.verdicts)
    if latest.reason:
        earlier.insert(0, StoredVerdict(latest.actor, engine.EFFECT_OF_STATUS[latest.status], latest.reason))
    return [
        weak_signals.read_verdict(one)
        for one in earlier
        if one.actor.kind is ActorKind.RULE and engine.is_about_submission(f"rule:{one.actor.name}", one.reason)
    ]


async def save_judgement(unit: Write, comment: Comment, judgement: Judgement, *, new: bool) -> None:
    """Store the decision, and with it the verdicts that did not decide; ``new`` says that it is the first one."""
    others = [StoredVerdict(verdicts.actor_of(one), one.effect, one.reason) for one in judgement.others]
    await decisions.add(
        unit, [comment.id], judgement.decision, verdicts=others, new=comment if new else None, even=judgement.by_email
    )


async def submission_of(
    unit: PrivateRead, comment: Comment, contact: Contact, address: str | None, at: str
) -> Submission:
    """Return how a stored comment was sent. Its form token is not checked again."""
    thread = await threads.get(unit, comment.thread_id)
    if thread is None:
        raise LookupError("a comment's thread is gone")
    return Submission(
        site=(await resolve.read_directory.within(unit)).by_id(comment.site_id),
        thread=thread,
        author_id=comment.author_id,
        is_verified=bool(contact.verified),
        address_approved=await _count_approved_of_address(unit, comment, contact, at),
        at=at,
        address=address,
        network=truncate_address(address) if address else None,
        comment_id=comment.id,
        # A public comment that disappears because of its email address would reveal the address.
        by_email=comment.published_at is None or at == comment.created_at,
    )


async def _count_approved_of_address(unit: PrivateRead, comment: Comment, contact: Contact, at: str) -> int:
    if not (contact.verified and contact.email_digest):
        return 0
    email = unit.keyring.unseal(contact.email_sealed) if contact.email_sealed else UNREADABLE
    # By every listed key: after a rotation, earlier comments have another digest until they are sealed again.
    digests = [contact.email_digest] if email == UNREADABLE else unit.keyring.digests(email)
    return await address_contacts.count_approved(unit, digests, comment.site_id, before=at, but=comment.id)


def draft_of_comment(env: Environment, comment: Comment, contact: Contact) -> Draft:
    """Return the draft of a stored comment."""
    email = env.keyring.unseal(contact.email_sealed) if contact.email_sealed else None
    return Draft(name=comment.name, email=email, comment=comment.text, website=comment.website)


def policy_of(unit: PrivateRead, site: Site, thread: Thread, now: str) -> Policy:
    """Return the moderation mode and the rules that apply to a thread at a time."""
    stored = compiled.compiled_rules(unit, site)
    active = tuple(rule for rule in stored.rules if rule.expires_at is None or rule.expires_at > now)
    # The mode of the thread, or else of its site, or else of the setting.
    return Policy(thread.mode or stored.mode or unit.config.moderation, active)
