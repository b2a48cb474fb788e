"""Define the commands of operators and their options."""

from typing import Any, Final

from commentsvc.cli import thread_options
from commentsvc.cli.field_options import add_field_options
from commentsvc.cli.options import (
    add_command,
    add_expiry_option,
    add_group,
    add_moderator_option,
    add_site_option,
    format_choices,
    list_values,
)
from commentsvc.delivery.webhook_schemas import WebhookEvent
from commentsvc.domain.deliveries import MailMode
from commentsvc.domain.models import Mode, Scope
from commentsvc.moderation.schemas import ThreadListQuery, UnpublishedThreads
from commentsvc.moderation.wording import MODES

SITE_DEFAULT: Final = "default"
EMAIL_CHOICES: Final = ("required", "optional")
WEBSITE_CHOICES: Final = ("shown", "hidden")
CONSENT_CHOICES: Final = ("required", "off")
NO_LINK: Final = "none"
SCOPES: Final = {
    Scope.READ.value: "read the queue and threads; addresses are masked",
    Scope.MODERATE.value: "also see addresses, decide, edit, reply, and manage threads and rules",
    Scope.ADMIN.value: "also erase comments, and manage keys and sites",
}
SCOPE_HELP: Final = f"Scopes; each includes the ones above it:\n{format_choices(SCOPES)}"
MODE_CHOICES: Final = {mode.value: str(words) for mode, words in MODES.items()} | {
    SITE_DEFAULT: "as COMMENTSVC_MODERATION says"
}
MODE_HELP: Final = f"""\
Modes, and what each holds for moderation:
{format_choices(MODE_CHOICES)}
"""
SITE_NAME: Final = "the site's name: see `commentsvc site list`"
MODERATOR_NAME: Final = "the moderator's name: see `commentsvc moderator list`"


def add_commands(commands: Any) -> None:
    """Add the commands that manage moderators, keys, sites, threads, persons, secrets and mail."""
    _add_moderator_commands(commands)
    _add_key_commands(commands)
    _add_site_commands(commands)
    _add_thread_commands(commands)
    _add_webhook_commands(commands)
    _add_person_commands(commands)
    _add_erasure_commands(commands)
    _add_secret_commands(commands)
    _add_mail_commands(commands)


def _add_moderator_commands(commands: Any) -> None:
    moderator = add_group(commands, "moderator", "manage moderators")
    add = add_command(moderator, "add", "add a moderator")
    invite = add_command(moderator, "invite", "create a sign-in link; it works once, within one day")
    sign_out = add_command(moderator, "sign-out", "end all sessions of a moderator")
    add_command(moderator, "list", "list moderators")
    email = add_command(moderator, "email", "change a moderator's email address")
    mail = add_command(moderator, "mail", "choose which mails about waiting comments a moderator gets")
    remove = add_command(moderator, "remove", "remove a moderator and revoke their keys")
    add.add_argument("name", metavar="NAME", help="a name that readers see beside replies")
    for command in (invite, sign_out, email, mail, remove):
        command.add_argument("name", metavar="NAME", help=MODERATOR_NAME)
    address = email.add_mutually_exclusive_group(required=True)
    address.add_argument("email", nargs="?", metavar="EMAIL", help="the new address; - reads standard input")
    address.add_argument("--remove", action="store_true", help="remove the address")
    mail.add_argument("mode", choices=list_values(MailMode), help="at once and then digests, digests only, or none")
    mail.add_argument(
        "--minutes", type=int, metavar="N", help="least time between two mails (default: COMMENTSVC_MAIL_MINUTES)"
    )
    add.add_argument("--email", help="the moderator's email address; stored encrypted")
    add.add_argument("--site", action="append", default=[], metavar="NAME", help="only this site; can be repeated")


def _add_key_commands(commands: Any) -> None:
    key = add_group(commands, "key", "manage API keys")
    create = add_command(key, "create", "create a key (shown once)", SCOPE_HELP)
    create.add_argument("name", metavar="NAME", help="a name for the key")
    create.add_argument(
        "--scope", action="append", choices=list_values(Scope), help="a permission; can be repeated (default: moderate)"
    )
    add_site_option(create)
    create.add_argument(
        "--person", action="store_true", help="a person uses this key: its decisions count as a person's"
    )
    create.add_argument("--moderator", metavar="NAME", help="the moderator who owns the key; limits it to their sites")
    add_expiry_option(create, "when the key expires")
    add_command(key, "list", "list keys, without their secrets")
    rotate = add_command(key, "rotate", "replace a key; the new one has the same id, name and rights (shown once)")
    revoke = add_command(key, "revoke", "revoke a key")
    for command in (rotate, revoke):
        command.add_argument("id", metavar="KEY", help="the id of the key: see `commentsvc key list`")
    rotate.add_argument(
        "--grace", type=int, default=0, metavar="MINUTES", help="how long the old key still works (default: 0)"
    )


def _add_site_commands(commands: Any) -> None:
    site = add_group(commands, "site", "manage sites")
    add = add_command(site, "add", "add a site, or add origins to a site")
    add.add_argument("name", metavar="NAME", help="the site's name; an existing one gets more origins")
    add.add_argument(
        "--origin",
        action="append",
        required=True,
        metavar="ORIGIN",
        help="such as https://blog.example; can be repeated",
    )
    add_command(site, "list", "list sites")
    rename = add_command(site, "rename", "change a site's name; the earlier name still finds it")
    remove_origin = add_command(site, "remove-origin", "remove origins from a site")
    mode = add_command(site, "mode", "set a site's moderation mode", MODE_HELP)
    email = add_command(site, "email", "set whether comments need an email address")
    form = add_command(site, "form", "set what the comment form of a site shows")
    edit = add_command(site, "edit", "change other settings of a site")
    remove = add_command(site, "remove", "remove a site, and permanently erase its comments")
    for command in (rename, remove_origin, mode, email, form, edit, remove):
        command.add_argument("name", metavar="NAME", help=SITE_NAME)
    remove.add_argument(
        "--expect", type=int, default=0, metavar="NUMBER", help="how many comments it has; required if there are any"
    )
    rename.add_argument("new_name", metavar="NEW-NAME", help="the new name")
    remove_origin.add_argument(
        "--origin", action="append", required=True, metavar="ORIGIN", help="an origin; can be repeated"
    )
    mode.add_argument("mode", choices=[*list_values(Mode), SITE_DEFAULT], help="one of the modes below")
    email.add_argument("email", choices=EMAIL_CHOICES, help="optional: commenters may leave it out")
    form.add_argument("--website", choices=WEBSITE_CHOICES, help="a field for the commenter's website")
    form.add_argument("--privacy-url", metavar="URL", help=f"the privacy policy to link to; {NO_LINK}: no link")
    edit.add_argument(
        "--time-zone", required=True, metavar="ZONE", help="the days of its statistics, such as Europe/Lisbon"
    )
    form.add_argument("--consent", choices=CONSENT_CHOICES, help="a box to agree that data is stored")


def _add_thread_commands(commands: Any) -> None:
    thread = add_group(
        commands, "thread", "list, close, open, rename, move and merge threads, and delete them permanently"
    )
    thread_options.add_move(thread)
    add_field_options(add_command(thread, "list", "list threads, newest first"), ThreadListQuery)
    close = add_command(thread, "close", "accept no new comments in a thread")
    reopen = add_command(thread, "open", "accept comments in a thread again")
    rename = add_command(thread, "rename", "change the address or title of a thread; its old address keeps working")
    merge = add_command(thread, "merge", "move all comments and addresses of a thread to another one; can be undone")
    remove = add_command(thread, "remove", "delete a thread permanently, with its comments")
    for command in (close, reopen, rename, merge, remove):
        command.add_argument("id", metavar="THREAD", help="the id of the thread: see `commentsvc thread list`")
    for command in (close, reopen, rename, merge):
        add_moderator_option(command)
    reopen.add_argument("--until", metavar="TIME", help="until then, no rule closes it for its age")
    rename.add_argument("--address", metavar="ADDRESS", help="the new address, such as /posts/lamps/")
    rename.add_argument("--title", metavar="TEXT", help="the new title")
    merge.add_argument("into", metavar="INTO", help="the address of the thread that gets the comments")
    remove.add_argument(
        "--expect", type=int, default=0, metavar="NUMBER", help="how many comments it has; required if there are any"
    )
    flood = add_command(thread, "remove-unpublished", "delete threads that were never public, with their comments")
    add_field_options(flood, UnpublishedThreads)
    flood.add_argument(
        "--expect", type=int, metavar="NUMBER", help="how many threads match; without it they are counted"
    )


def _add_webhook_commands(commands: Any) -> None:
    webhook = add_group(commands, "webhook", "manage webhooks")
    add = add_command(webhook, "add", "add a webhook; its secret is shown once")
    add.add_argument("url", metavar="URL", help="where requests go; - reads standard input")
    add.add_argument(
        "--event", action="append", required=True, choices=list_values(WebhookEvent), help="can be repeated"
    )
    add_site_option(add)
    add.add_argument("--include-unapproved", action="store_true", help="send texts of comments that are not public")
    add.add_argument("--include-email", action="store_true", help="send email addresses of commenters")
    add.add_argument("--note", metavar="TEXT", help="what it is for")
    add_command(webhook, "list", "list webhooks, without their secrets")
    test = add_command(webhook, "test", "send a test request, and show the answer")
    remove = add_command(webhook, "remove", "delete a webhook with its deliveries")
    for command in (test, remove):
        command.add_argument("id", metavar="WEBHOOK", help="the id of the webhook: see `commentsvc webhook list`")


def _add_person_commands(commands: Any) -> None:
    person = add_group(commands, "person", "export or erase everything about an email address")
    export = add_command(person, "export", "print everything about an email address, as JSON")
    erase = add_command(person, "erase", "permanently erase everything about an email address")
    for command in (export, erase):
        command.add_argument("email", metavar="EMAIL", help="the address; - reads standard input")
    erase.add_argument("--yes", action="store_true", help="do not ask first")


def _add_erasure_commands(commands: Any) -> None:
    erasures = add_group(commands, "erasures", "erase again what a restored backup brought back")
    apply = add_command(erasures, "apply", "erase again everything that the journal of erasures lists")
    apply.add_argument(
        "file", nargs="?", metavar="FILE", help="a journal (default: the one that COMMENTSVC_ERASURE_JOURNAL names)"
    )


def _add_secret_commands(commands: Any) -> None:
    secret = add_group(commands, "secret", "manage the secret key")
    add_command(secret, "status", "show the keys, what each encrypts, and which the servers know")
    add_command(secret, "rotate", "create a new key and re-encrypt emails with it")
    add_command(secret, "lost", "go on without keys that are lost; says what they encrypt")


def _add_mail_commands(commands: Any) -> None:
    mail = add_group(commands, "mail", "test the mail server, and look at mails")
    test = add_command(mail, "test", "send one mail at once, and print what the mail server says")
    test.add_argument("address", metavar="ADDRESS", help="who gets the mail; - reads standard input")
    preview = add_command(mail, "preview", "print a mail with made-up data; without NAME, list the names")
    preview.add_argument("name", nargs="?", metavar="NAME", help="the name of a mail")
    preview.add_argument("--html", action="store_true", help="print the HTML, not the plain text")
    for command in (test, preview):
        command.add_argument("--language", metavar="LANGUAGE", help="its language, such as de (default: en)")
