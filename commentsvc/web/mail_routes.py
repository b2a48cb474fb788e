"""The routes of mail to readers: to ask for it, and to stop it."""

from typing import Final

from commentsvc.domain.errors import (
    Forbidden,
    Invalid,
    MalformedRequest,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from commentsvc.domain.models import Scope
from commentsvc.subscriptions import mail_schemas as mail
from commentsvc.web.api import subscriptions
from commentsvc.web.pages import refused
from commentsvc.web.pages import subscriptions as mail_page
from commentsvc.web.server.routing import FEEDBACK_BYTES, Route

STOP_FAULTS: Final = (MalformedRequest, Unauthorized, Forbidden, Invalid, Unavailable)
PAGE_FAULTS: Final = (MalformedRequest, Invalid, NotFound, Unavailable)

# fmt: off
MAIL: Final[tuple[Route, ...]] = (
    Route(method="POST", path="/v1/subscriptions", handler=subscriptions.request_subscription, form=True,
          takes=mail.NewSubscription, gives=mail.SubscriptionReceipt, status=(202,), cors=True,
          again=mail_page.show_refused_request,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, RateLimited, Unavailable)),
    Route(method="POST", path="/v1/suppressions", handler=subscriptions.suppress_address, takes=mail.NewSuppression,
          gives=mail.SuppressionResult, scope=Scope.MODERATE, refuses=STOP_FAULTS),
    Route(method="POST", path="/v1/suppressions/lift", handler=subscriptions.lift_suppression,
          takes=mail.LiftedSuppression, gives=mail.SuppressionResult, scope=Scope.MODERATE, refuses=STOP_FAULTS),
    Route(method="POST", path="/v1/suppressions/feedback", handler=subscriptions.receive_feedback,
          asks=mail.FeedbackMapping, gives=mail.FeedbackResult, scope=Scope.MODERATE, most_bytes=FEEDBACK_BYTES,
          refuses=STOP_FAULTS),
    Route(method="GET", path="/u/{token}", handler=mail_page.show_subscriptions, page=True,
          asks=mail_page.SubscriptionsQuery, again=refused.show_refusal, refuses=PAGE_FAULTS),
    Route(method="POST", path="/u/{token}", handler=mail_page.change_subscriptions, page=True,
          asks=mail_page.SubscriptionsQuery, takes=mail_page.SubscriptionsForm, form=True, status=(200, 303),
          again=refused.show_refusal, refuses=PAGE_FAULTS),
)
