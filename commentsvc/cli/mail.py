"""Run the commands about mail. They need the settings only, no database."""

import argparse
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from commentsvc.cli.moderators import clean_argument
from commentsvc.cli.terminal import CommandResult, Terminal
from commentsvc.config.settings import Config
from commentsvc.domain import fields
from commentsvc.domain.deliveries import ParcelState
from commentsvc.domain.errors import FieldError, Invalid, Unavailable
from commentsvc.domain.ids import Ids

if TYPE_CHECKING:
    from commentsvc.web.pages.i18n import Locale


async def _send_test(config: Config, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    """Send one mail at once, without the outbox."""
    from commentsvc.delivery.smtp import MailSender  # noqa: PLC0415 -- see ``commands.load_commands``
    from commentsvc.web.mail.trial import write_test  # noqa: PLC0415 -- likewise

    text = arguments.address
    if text == "-":
        text = "".join(terminal.read_lines()).strip()
    mail = write_test(config, _find_locale(arguments.language), clean_argument("address", fields.parse_email, text))
    sender = MailSender({}, config)
    try:
        outcome = await sender.send(mail, Ids()(), datetime.now(UTC))
    finally:
        await sender.close()
    if outcome.state is not ParcelState.DELIVERED:
        raise Unavailable(outcome.error or "")
    return CommandResult(
        {"accepted": True, "answer": outcome.response},
        f"The mail server accepted the mail: {outcome.response}\nIf it does not arrive, look for it among spam.",
    )


async def _preview(config: Config, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    from commentsvc.web.mail.samples import SAMPLES  # noqa: PLC0415 -- see ``commands.load_commands``

    name = arguments.name
    if name is None:
        return CommandResult(sorted(SAMPLES), "\n".join(sorted(SAMPLES)))
    if name not in SAMPLES:
        raise Invalid(FieldError("name", "invalid", f"Choose one of: {', '.join(sorted(SAMPLES))}."))
    mail = SAMPLES[name](config, _find_locale(arguments.language))
    shown = {"name": name, "subject": mail.subject, "text": mail.text, "html": mail.html}
    text = mail.html if arguments.html else f"Subject: {mail.subject}\n\n{mail.text}"
    return CommandResult(shown, text.rstrip("\n"))


def _find_locale(language: str | None) -> "Locale":
    from commentsvc.web.pages.i18n import LANGUAGES, find_locale, knows_language  # noqa: PLC0415 -- likewise

    if language and not knows_language(language):
        raise Invalid(FieldError("language", "invalid", f"Choose one of: {', '.join(LANGUAGES)}."))
    return find_locale(language)


MailCommand = Callable[[Config, argparse.Namespace, Terminal], Awaitable[CommandResult]]
COMMANDS: Final[Mapping[str, MailCommand]] = {"test": _send_test, "preview": _preview}
