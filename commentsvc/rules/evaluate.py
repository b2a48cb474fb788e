"""The service judges what a visitor wrote: it looks up what the rules need to know, and asks them."""

from commentsvc.domain.models import ActorKind, Comment, Draft, Mode, Site, Thread
from commentsvc.domain.networks import truncate_address
from commentsvc.rules import compiled, engine
from commentsvc.rules.engine import Judgement, Policy, Verdict
from commentsvc.rules.facts import Submission, collect_context
from commentsvc.sites import resolve
from commentsvc.storage import contacts, decisions, threads
from commentsvc.storage.database import Environment, PrivateRead, PublicRead, Write
from commentsvc.storage.decisions import StoredVerdict


async def evaluate_draft(unit: PrivateRead, draft: Draft, occasion: Submission) -> Judgement:
    """What becomes of a draft, and what every rule thinks of it."""
    policy = policy_of(unit, occasion.site, occasion.thread, occasion.at)
    return engine.evaluate_rules(draft, await collect_context(unit, draft, occasion, policy.needs), policy)


async def evaluate_edit(unit: PrivateRead, comment: Comment, address: str | None) -> Judgement:
    """What becomes of a comment whose words were changed, sent from this address."""
    occasion = await submission_of(unit, comment, address, unit.now())
    draft = await draft_of_comment(unit, comment)
    policy = policy_of(unit, occasion.site, occasion.thread, occasion.at)
    known = await collect_context(unit, draft, occasion, policy.needs)
    return engine.evaluate_rules(draft, known, policy, await _kept_verdicts(unit, comment.id))


async def _kept_verdicts(unit: PrivateRead, comment_id: str) -> list[Verdict]:
    """Return the verdicts on how a comment was sent, unless a person has decided since."""
    latest = await decisions.get_latest(unit, comment_id)
    if latest is None:
        return []
    effects = {status: effect for effect, status in engine.STATUS_OF_EFFECT.items()}
    heard = [(latest.actor, effects[latest.status], latest.reason)]
    heard += [(one.actor, one.effect, one.reason) for one in latest.verdicts]
    return [
        Verdict(effect, reason, f"rule:{actor.name}", actor.id, unproven=reason.code in engine.UNPROVEN_CODES)
        for actor, effect, reason in heard
        if reason and actor.kind is ActorKind.RULE and f"rule:{actor.name}" in engine.SUBMISSION_RULES
    ]


async def save_judgement(unit: Write, comment_id: str, judgement: Judgement) -> None:
    """Store the decision, and with it the verdicts that did not decide."""
    others = [StoredVerdict(engine.actor_of(one), one.effect, one.reason) for one in judgement.others]
    await decisions.add(unit, [comment_id], judgement.decision, verdicts=others)


async def submission_of(unit: PublicRead, comment: Comment, address: str | None, at: str) -> Submission:
    """The circumstances of a comment that is there already. When its form was opened is no question any more."""
    thread = await threads.get(unit, comment.thread_id)
    if thread is None:
        raise LookupError("a comment's thread is gone")
    return Submission(
        site=(await resolve.read_directory.within(unit)).by_id(comment.site_id),
        thread=thread,
        author_id=comment.author_id,
        at=at,
        address=address,
        network=truncate_address(address) if address else None,
        comment_id=comment.id,
        # Once it was public, going from there for the address's sake would show whose address it is.
        by_email=comment.published_at is None or at == comment.created_at,
    )


async def draft_of_comment(unit: PrivateRead, comment: Comment) -> Draft:
    """A visitor's comment as if it were sent now."""
    contact = (await contacts.get_many(unit, [comment.id]))[comment.id]
    email = unit.keyring.unseal(contact.email_sealed)
    return Draft(name=comment.name, email=email, comment=comment.text, website=comment.website)


def policy_of(unit: PrivateRead, site: Site, thread: Thread, now: str) -> Policy:
    """The mode and the rules that stand for a thread at a moment."""
    stored = compiled.compiled_rules(unit, site)
    in_force = tuple(rule for rule in stored if rule.expires_at is None or rule.expires_at > now)
    return Policy(mode_of(unit, site, thread), in_force)


def mode_of(env: Environment, site: Site, thread: Thread | None = None) -> Mode:
    """Who is held: the thread's own mode, else its site's, else the setting's."""
    return (thread.mode if thread else None) or site.mode or env.config.moderation
