"""Every mail by its name. ``app.py`` gives these to the worker."""

from collections.abc import Mapping
from typing import Final

from commentsvc.delivery.mail import Renderer
from commentsvc.web.mail import confirm, moderators, own_comments, sign_in, subscribers, trial, webhooks

RENDERERS: Final[Mapping[str, Renderer]] = {
    "held": moderators.render_held,
    "held_digest": moderators.render_held_digest,
    "sign_in": sign_in.render_sign_in,
    "confirm": confirm.render_confirm,
    "own_comments": own_comments.render_own_comments,
    "test": trial.render_test,
    "webhook_disabled": webhooks.render_webhook_disabled,
    "new_comment": subscribers.render_new_comment,
    "daily_digest": subscribers.render_daily_digest,
    "approved": subscribers.render_approved,
}
