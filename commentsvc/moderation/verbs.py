"""Every verb of the audit log in words: after an action, and in the log. The page translates them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from commentsvc.domain.messages import FormattedMessage, Message, Plural, Value, translatable, translatable_format


@dataclass(frozen=True)
class Wording:
    """Every form of one verb. A ``Plural`` is about the number of comments that changed."""

    done: str | Plural  # a sentence
    logged: str | Plural  # a clause; %(link)s and %(end)s are around the words that lead to the thing that changed


# Every verb that the audit log holds. Adding a verb takes one entry here.
VERBS: Final = {
    "approve": Wording(
        Plural("%(num)s comment approved.", "%(num)s comments approved."),
        Plural("%(actor)s approved %(num)s comment", "%(actor)s approved %(num)s comments"),
    ),
    "hold": Wording(
        Plural("%(num)s comment held.", "%(num)s comments held."),
        Plural("%(actor)s moved %(num)s comment back to pending", "%(actor)s moved %(num)s comments back to pending"),
    ),
    "spam": Wording(
        Plural("%(num)s comment marked as spam.", "%(num)s comments marked as spam."),
        Plural("%(actor)s marked %(num)s comment as spam", "%(actor)s marked %(num)s comments as spam"),
    ),
    "trash": Wording(
        Plural("%(num)s comment moved to the trash.", "%(num)s comments moved to the trash."),
        Plural("%(actor)s moved %(num)s comment to the trash", "%(actor)s moved %(num)s comments to the trash"),
    ),
    "restore": Wording(
        Plural("%(num)s comment restored.", "%(num)s comments restored."),
        Plural("%(actor)s restored %(num)s comment", "%(actor)s restored %(num)s comments"),
    ),
    "amend": Wording(
        Plural("%(num)s comment changed.", "%(num)s comments changed."),
        Plural("%(actor)s changed %(num)s comment", "%(actor)s changed %(num)s comments"),
    ),
    "erase": Wording(
        Plural("%(num)s comment permanently deleted.", "%(num)s comments permanently deleted."),
        Plural("%(actor)s permanently deleted %(num)s comment", "%(actor)s permanently deleted %(num)s comments"),
    ),
    "erase_again": Wording(
        Plural("%(num)s comment permanently deleted.", "%(num)s comments permanently deleted."),
        Plural(
            "%(actor)s permanently deleted %(num)s comment again after a restore",
            "%(actor)s permanently deleted %(num)s comments again after a restore",
        ),
    ),
    "undo": Wording(
        Plural("%(num)s comment undone.", "%(num)s comments undone."),
        Plural("%(actor)s undid a change to %(num)s comment", "%(actor)s undid a change to %(num)s comments"),
    ),
    "edit": Wording(
        Plural("%(num)s comment edited.", "%(num)s comments edited."),
        translatable("%(actor)s edited their comment"),
    ),
    "withdraw": Wording(
        Plural("%(num)s comment deleted by the commenter.", "%(num)s comments deleted by the commenter."),
        translatable("%(actor)s deleted their comment"),
    ),
    "report": Wording(
        Plural("%(num)s comment held.", "%(num)s comments held."),
        Plural(
            "%(actor)s held %(num)s comment because readers reported it",
            "%(actor)s held %(num)s comments because readers reported them",
        ),
    ),
    "reply": Wording(
        translatable("Reply posted."),
        translatable("%(actor)s replied"),
    ),
    "import": Wording(
        translatable("Archive imported."),
        Plural("%(actor)s imported %(num)s comment", "%(actor)s imported %(num)s comments"),
    ),
    "export": Wording(translatable("Comments exported."), translatable("%(actor)s exported comments")),
    "rule_add": Wording(translatable("Rule saved."), translatable("%(actor)s added %(link)sa rule%(end)s")),
    "rule_change": Wording(translatable("Rule changed."), translatable("%(actor)s changed %(link)sa rule%(end)s")),
    "rule_remove": Wording(translatable("Rule deleted."), translatable("%(actor)s deleted %(link)sa rule%(end)s")),
    "rule_undo": Wording(
        Plural("%(num)s comment decided again, without the rule.", "%(num)s comments decided again, without the rule."),
        Plural(
            "%(actor)s undid what a rule did to %(num)s comment", "%(actor)s undid what a rule did to %(num)s comments"
        ),
    ),
    "thread_change": Wording(
        translatable("Thread changed."), translatable("%(actor)s changed %(link)sa thread%(end)s")
    ),
    "thread_merge": Wording(translatable("Threads merged."), translatable("%(actor)s merged %(link)sa thread%(end)s")),
    "thread_remove": Wording(
        translatable("Threads permanently deleted."),
        translatable("%(actor)s permanently deleted threads with their comments"),
    ),
    "site_add": Wording(translatable("Site added."), translatable("%(actor)s added a site")),
    "site_change": Wording(translatable("Site changed."), translatable("%(actor)s changed the settings of a site")),
    "site_origins": Wording(translatable("Site changed."), translatable("%(actor)s changed the origins of a site")),
    "site_remove": Wording(translatable("Site removed."), translatable("%(actor)s removed a site with its comments")),
    "key_create": Wording(translatable("API key created."), translatable("%(actor)s created an API key")),
    "key_rotate": Wording(translatable("API key rotated."), translatable("%(actor)s rotated an API key")),
    "key_revoke": Wording(translatable("API key revoked."), translatable("%(actor)s revoked an API key")),
    "feed_create": Wording(translatable("Feed created."), translatable("%(actor)s created a feed of the queue")),
    "feed_revoke": Wording(translatable("Feed revoked."), translatable("%(actor)s revoked a feed of the queue")),
    "moderator_add": Wording(translatable("Moderator added."), translatable("%(actor)s added a moderator")),
    "moderator_invite": Wording(
        translatable("Sign-in link created."), translatable("%(actor)s created a sign-in link for a moderator")
    ),
    "moderator_change": Wording(translatable("Moderator changed."), translatable("%(actor)s changed a moderator")),
    "moderator_remove": Wording(translatable("Moderator removed."), translatable("%(actor)s removed a moderator")),
    "webhook_add": Wording(translatable("Webhook added."), translatable("%(actor)s added a webhook")),
    "webhook_change": Wording(translatable("Webhook changed."), translatable("%(actor)s changed a webhook")),
    "webhook_rotate": Wording(
        translatable("New secret created."), translatable("%(actor)s created a new secret for a webhook")
    ),
    "webhook_disable": Wording(
        translatable("Webhook switched off."), translatable("%(actor)s switched off a webhook that failed")
    ),
    "webhook_remove": Wording(translatable("Webhook deleted."), translatable("%(actor)s deleted a webhook")),
    "person_export": Wording(
        translatable("Personal data exported."), translatable("%(actor)s exported the data of a person")
    ),
    "person_erase": Wording(
        translatable("Personal data erased."), translatable("%(actor)s erased the data of a person")
    ),
    "contacts_erase": Wording(
        translatable("Old email addresses deleted."), translatable("%(actor)s deleted old email addresses")
    ),
    "sign_in": Wording(translatable("Session started."), translatable("%(actor)s signed in")),
    "sign_out": Wording(translatable("Session ended."), translatable("%(actor)s signed out")),
    "reseal": Wording(
        translatable("Email addresses re-encrypted."), translatable("%(actor)s re-encrypted all email addresses")
    ),
    "delivery_retry": Wording(
        translatable("Delivery is tried again."), translatable("%(actor)s had deliveries tried again")
    ),
    "secret_lost": Wording(
        translatable("Secret key accepted."), translatable("%(actor)s went on without a lost secret key")
    ),
    "mail_stop": Wording(translatable("Mail stopped."), translatable("%(actor)s stopped mail to an address")),
    "mail_allow": Wording(translatable("Mail allowed."), translatable("%(actor)s allowed mail to an address again")),
}
# The clause of an undo that changed no comment.
UNDONE_SUBJECTS: Final = {
    "rule": translatable("%(actor)s undid a change to %(link)sa rule%(end)s"),
    "thread": translatable("%(actor)s undid a change to %(link)sa thread%(end)s"),
}
COUNT: Final = "%(num)s comments "
# What happened to a number of comments, as a terminal prints it after the number.
DONE: Final = {
    verb: wording.done.plural.removeprefix(COUNT).rstrip(".")
    for verb, wording in VERBS.items()
    if isinstance(wording.done, Plural)
}


def count_comments(body: Mapping[str, Any]) -> int:
    """Return the number of comments that an audit entry is about."""
    return body["imported"] if "imported" in body else len(body.get("items") or ()) or 1


def describe_change(verb: str, number: int) -> Message:
    """Return what an action changed, as a sentence, such as ``3 comments approved.``."""
    done = VERBS[verb].done
    return done.about(number) if isinstance(done, Plural) else done


def describe_entry(verb: str, number: int, subject: str | None = None, **values: Value) -> Message:
    """Return an audit entry as a clause: ``Ada approved 3 comments``.

    Its places are ``actor``, and ``link`` and ``end`` around the words for its subject, a thread or a rule.
    """
    places = {"link": "", "end": ""} | values
    if verb not in VERBS:  # written by another version of the service
        return translatable_format("%(actor)s: %(verb)s", **places | {"verb": verb})
    logged = VERBS[verb].logged
    if verb == "undo" and subject in UNDONE_SUBJECTS:
        logged = UNDONE_SUBJECTS[subject]
    return logged.about(number, **places) if isinstance(logged, Plural) else FormattedMessage(logged, places)
