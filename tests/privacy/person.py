"""A person with data in every table."""

from commentsvc.comments import edit, reports
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit, NewReport
from commentsvc.domain.deliveries import Channel, EventKind, NewParcel
from commentsvc.domain.email_address import Email
from commentsvc.domain.hook_verdicts import HookEffect
from commentsvc.domain.models import ActionVerb, RuleKind
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action, CommentUpdate
from commentsvc.rules import manage
from commentsvc.rules.schemas import NewRule
from commentsvc.service import write
from commentsvc.storage import addresses, comments, confirmations, events, hook_verdicts, parcels, verified_authors
from commentsvc.storage.confirmations import Confirmation
from commentsvc.storage.hook_verdicts import StoredHookVerdict
from tests.conftest import EVERYTHING, draft, visit

MAIL = {"smtp_url": "smtp://localhost:2525?tls=off", "mail_from": "comments@blog.example"}
# The tables and columns that name the person in some way, and are filled below.
MARK = "Zorquenda"
ADDRESS = f"{MARK}@example.com"
EMAIL = Email(ADDRESS)


async def fill(service, email=EMAIL, mark=MARK, thread="/a-page/"):
    """Post a comment for each status, and add a row to every other table. Return the receipts."""
    posted = []
    for verb in (None, ActionVerb.APPROVE, ActionVerb.SPAM, ActionVerb.TRASH):
        fields = draft(
            thread=thread,
            name=f"{mark} name",
            email=email.reveal(),
            comment=f"{mark} text {verb}",
            website=f"https://{mark}.example/",
            submission=f"{mark}-{verb}-of-{thread}",
        )
        receipt = await post_comment(service, fields, visit(agent=f"{mark} browser"))
        await edit.edit_comment(
            service, receipt.id, receipt.edit_token, CommentEdit(comment=f"{mark} edited {verb}"), visit()
        )
        posted.append(receipt)
        if verb:
            action = Action(action=verb, ids=[receipt.id], note=f"{mark} note")
            await actions.apply_action(service, EVERYTHING, action)
    await actions.update_comment(service, EVERYTHING, posted[0].id, range(99), CommentUpdate(note=f"{mark} remark"))
    await reports.report_comment(service, posted[1].id, NewReport(reason=f"{mark} reason"), visit())
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.EMAIL, match=email.reveal(), note=f"{mark} ban"))
    await add_mail_rows(service, email, posted[0].id)
    await add_verdict(service, posted[0].id, f"{mark} offers a casino")
    return posted


@write
async def add_verdict(unit, comment_id, reason, effect=HookEffect.SPAM):
    comment = await comments.get(unit, comment_id)
    verdict = StoredHookVerdict(
        effect=effect,
        permille=930,
        reason=reason,
        comment_id=comment.id,
        site_id=comment.site_id,
        version=comment.version,
        asked_at=unit.now(),
    )
    await hook_verdicts.save(unit, verdict)


@write
async def add_mail_rows(unit, email, comment_id):
    """Add an address with a subscription, a confirmation, a browser, waiting mails and requests, and links."""
    comment = await unit.one("SELECT site_id, thread_id, author_id FROM comment WHERE id = :id", id=comment_id)
    site, thread = comment["site_id"], comment["thread_id"]
    address, now = await addresses.find_or_add(unit, email), unit.now()
    confirmation = Confirmation(unit.new_id(), address.id, site, thread, "en", now, unit.ahead(days=1), None)
    await confirmations.add(unit, confirmation)
    subscription = unit.new_id()
    await unit.run(
        """
        INSERT INTO subscription (id, address_id, site_id, scope, thread_id, comment_id, language, confirmation_id,
            created_at)
        VALUES (:id, :address, :site, 'replies', :thread, :comment, 'en', :confirmation, :now)
        """,
        id=subscription,
        address=address.id,
        site=site,
        thread=thread,
        comment=comment_id,
        confirmation=confirmation.id,
        now=now,
    )
    await verified_authors.add(unit, comment["author_id"], address.id, site, now)
    await events.add(unit, EventKind.OWN_COMMENTS_REQUESTED, site_id=site, email=email)
    sealed = {"email_sealed": unit.keyring.seal(email), "email_digest": unit.keyring.digest(email)}
    await parcels.add(unit, NewParcel(channel=Channel.MAIL, kind="reply", owner=subscription, **sealed))
    body = unit.keyring.encrypt_text(email.reveal())
    await parcels.add(
        unit,
        NewParcel(channel=Channel.WEBHOOK, kind="comment.created", site_id=site, comment_id=comment_id, detail=body),
    )
    moderator = await unit.one("SELECT id FROM moderator LIMIT 1")
    if moderator:
        await unit.run(
            """
            INSERT INTO decision_link (id, moderator_id, comment_id, version, created_at, expires_at)
            VALUES (:id, :moderator, :comment, 1, :now, :until)
            """,
            id=unit.new_id(),
            moderator=moderator["id"],
            comment=comment_id,
            now=now,
            until=unit.ahead(days=7),
        )
