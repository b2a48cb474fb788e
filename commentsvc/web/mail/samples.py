"""An example of every mail, for ``commentsvc mail preview``. Names are those of ``RENDERERS``."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from commentsvc.config.settings import Config
from commentsvc.delivery.mail import Mail
from commentsvc.web.mail import confirm, moderators, own_comments, sign_in, subscribers, trial, webhooks
from commentsvc.web.pages.i18n import Locale

# Returns a mail of made-up data, written by the same function as a real one. It needs no database.
Sample: TypeAlias = Callable[[Config, Locale], Mail]

SAMPLES: Final[Mapping[str, Sample]] = {
    "held": moderators.show_held,
    "held_digest": moderators.show_held_digest,
    "sign_in": sign_in.show_sign_in,
    "confirm": confirm.show_confirm,
    "own_comments": own_comments.show_own_comments,
    "test": trial.show_test,
    "webhook_disabled": webhooks.show_webhook_disabled,
    "new_comment": subscribers.show_new_comment,
    "daily_digest": subscribers.show_daily_digest,
    "approved": subscribers.show_approved,
}
