"""The routes of mail to readers and commenters: to ask for it, confirm it, and stop it; and of their comments."""

from typing import Final

from commentsvc.domain.errors import (
    Gone,
    Invalid,
    MalformedRequest,
    NotAuthor,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    RejectedByRule,
    ThreadClosed,
    Unavailable,
)
from commentsvc.domain.models import Scope
from commentsvc.subscriptions import schemas
from commentsvc.web.api import proofs, subscriptions
from commentsvc.web.pages import confirm, own_comments, permalink, refused
from commentsvc.web.pages import subscriptions as mail_page
from commentsvc.web.pages.mailed_links import LinkQuery
from commentsvc.web.server.refusals import ASK_FAULTS
from commentsvc.web.server.routing import FEEDBACK_BYTES, Route

PAGE_FAULTS: Final = (MalformedRequest, Invalid, NotFound, Unavailable)

# fmt: off
MAIL: Final[tuple[Route, ...]] = (
    Route(method="POST", path="/v1/subscriptions", handler=subscriptions.request_subscription, form=True,
          takes=schemas.NewSubscription, gives=schemas.SubscriptionReceipt, status=(202,), cors=True,
          again=mail_page.show_refused_request,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, RateLimited, Unavailable)),
    Route(method="POST", path="/v1/suppressions", handler=subscriptions.suppress_address, takes=schemas.NewSuppression,
          gives=schemas.SuppressionResult, scope=Scope.MODERATE, refuses=ASK_FAULTS),
    Route(method="POST", path="/v1/suppressions/lift", handler=subscriptions.lift_suppression,
          takes=schemas.LiftedSuppression, gives=schemas.SuppressionResult, scope=Scope.MODERATE, refuses=ASK_FAULTS),
    Route(method="POST", path="/v1/suppressions/feedback", handler=subscriptions.receive_feedback,
          asks=schemas.FeedbackMapping, takes_events=True, gives=schemas.FeedbackResult, scope=Scope.MODERATE,
          most_bytes=FEEDBACK_BYTES, refuses=ASK_FAULTS),
    Route(method="GET", path="/u/{token}", handler=mail_page.show_subscriptions, page=True,
          asks=mail_page.SubscriptionsQuery, again=refused.show_refusal, refuses=PAGE_FAULTS),
    Route(method="POST", path="/u/{token}", handler=mail_page.change_subscriptions, page=True,
          asks=mail_page.SubscriptionsQuery, takes=mail_page.SubscriptionsForm, form=True, status=(200, 303),
          again=refused.show_refusal, refuses=PAGE_FAULTS),
    Route(method="POST", path="/v1/proofs", handler=proofs.exchange_proof, takes=schemas.NewProof, form=True,
          gives=schemas.Proof, cors=True,
          refuses=(MalformedRequest, Invalid, OriginNotAllowed, RateLimited, Unavailable)),
    Route(method="GET", path="/c/{id}", handler=permalink.open_comment, page=True, status=(302,),
          again=refused.show_refusal, refuses=(NotFound, Gone, Unavailable)),
    Route(method="GET", path="/confirm/{token}", handler=confirm.show_confirmation, page=True, asks=LinkQuery,
          again=refused.show_refusal, refuses=(Unavailable,)),
    Route(method="POST", path="/confirm/{token}", handler=confirm.confirm_address, page=True, asks=LinkQuery,
          status=(200, 303), again=refused.show_refusal, refuses=(Unavailable,)),
    Route(method="GET", path="/mine", handler=own_comments.show_request_form, page=True, asks=LinkQuery,
          again=refused.show_refusal),
    Route(method="POST", path="/mine", handler=own_comments.request_link, page=True, asks=LinkQuery,
          takes=own_comments.LinkRequest, form=True, again=own_comments.show_request_error,
          refuses=(MalformedRequest, Invalid, NotFound, RateLimited, Unavailable)),
    Route(method="GET", path="/mine/{token}", handler=own_comments.show_own, page=True, asks=own_comments.OwnQuery,
          again=own_comments.show_change_error, refuses=(NotFound, Unavailable)),
    Route(method="POST", path="/mine/{token}", handler=own_comments.change_own, page=True, asks=LinkQuery,
          takes=own_comments.OwnForm, form=True, status=(200, 303), again=own_comments.show_change_error,
          refuses=(MalformedRequest, Invalid, NotFound, NotAuthor, ThreadClosed, RejectedByRule, RateLimited,
          Unavailable)),
    Route(method="GET", path="/mine/{token}/export", handler=own_comments.export_own, page=True,
          again=own_comments.show_change_error, refuses=(NotFound, Unavailable)),
)
