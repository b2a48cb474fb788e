"""The routes of the moderation page."""

from typing import Any, Final

from commentsvc.archives.export_schemas import ExportQuery
from commentsvc.domain.errors import (
    Conflict,
    Invalid,
    MalformedRequest,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    Unavailable,
    VersionConflict,
)
from commentsvc.domain.models import Scope
from commentsvc.web.api import exports
from commentsvc.web.moderation import (
    account,
    audit,
    ban,
    comment,
    decision_links,
    decisions,
    deliveries,
    imports,
    layout,
    queue,
    queue_feed,
    rule_forms,
    rules,
    search,
    sign_in,
    sites,
    statistics,
    threads,
    webhooks,
)
from commentsvc.web.pages import refused
from commentsvc.web.server.routing import RULE_BYTES, Handler, Route

# Browsers end lines with two characters.
RULE_FORM_BYTES: Final = 2 * RULE_BYTES


def moderation_route(
    method: str,
    path: str,
    handler: Handler,
    scope: Scope = Scope.READ,
    *,
    again: Handler = layout.show_error,
    **more: Any,
) -> Route:
    """Return a route of the moderation page: HTML for signed-in moderators. A form redirects."""
    more = {"status": (303,) if method == "POST" else (200,)} | more
    return Route(
        method=method, path=path, handler=handler, session_scope=scope, page=True, form=True, again=again, **more
    )


# fmt: off
MODERATION_PAGE: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/sign-in/{token}", handler=sign_in.show_sign_in_link, page=True,
          free=True, again=refused.show_refusal),
    Route(method="POST", path="/sign-in/{token}", handler=sign_in.sign_in_by_link, page=True, status=(303,),
          free=True, again=sign_in.show_sign_in_error),
    Route(method="POST", path="/moderate/sign-in", handler=sign_in.sign_in_by_key, page=True, takes=sign_in.SignInForm,
          form=True, status=(303,), free=True, again=sign_in.show_sign_in_error),
    Route(method="POST", path="/moderate/sign-in-link", handler=sign_in.request_sign_in_link, page=True,
          takes=sign_in.SignInLinkForm, form=True, free=True, again=sign_in.show_sign_in_error),
    Route(method="GET", path="/queue/{token}.atom", handler=queue_feed.get_queue_feed, page=True, status=(200, 304)),
    Route(method="GET", path="/m/{token}", handler=decision_links.show_decision, page=True,
          again=decision_links.show_link_error, refuses=(NotFound, Unavailable)),
    Route(method="POST", path="/m/{token}", handler=decision_links.decide, page=True, status=(303,), form=True,
          takes=decision_links.DecisionForm, again=decision_links.show_link_error, refuses=(MalformedRequest,
          OriginNotAllowed, NotFound, Conflict, VersionConflict, Invalid, RateLimited, Unavailable)),
    Route(method="GET", path="/m/stop/{token}", handler=decision_links.show_stop, page=True,
          again=decision_links.show_link_error, refuses=(NotFound, Unavailable)),
    Route(method="POST", path="/m/stop/{token}", handler=decision_links.stop, page=True,
          again=decision_links.show_link_error, refuses=(NotFound, RateLimited, Unavailable)),
    moderation_route("GET", "/moderate", queue.show_queue, asks=search.QueuePageQuery),
    moderation_route("GET", "/moderate/counts", queue.get_counts, status=(200, 304)),
    moderation_route("POST", "/moderate/search", search.search, takes=search.SearchForm),
    moderation_route("POST", "/moderate/act", decisions.apply_action, Scope.MODERATE, takes=decisions.ActionForm),
    moderation_route("POST", "/moderate/undo", decisions.undo_action, Scope.MODERATE, takes=decisions.UndoForm),
    moderation_route("GET", "/moderate/comments/{id}", comment.show_comment, asks=comment.CommentPageQuery),
    moderation_route("POST", "/moderate/comments/{id}", comment.update_comment, Scope.MODERATE, takes=comment.EditForm,
                     again=comment.show_comment_error),
    moderation_route("POST", "/moderate/comments/{id}/reply", comment.post_reply, Scope.MODERATE,
                     takes=comment.ReplyForm, again=comment.show_comment_error),
    moderation_route("POST", "/moderate/comments/{id}/erase", comment.erase_permanently, Scope.ADMIN,
                     takes=comment.EraseForm),
    moderation_route("GET", "/moderate/comments/{id}/ban", ban.show_ban_form, asks=layout.BackQuery),
    moderation_route("POST", "/moderate/comments/{id}/ban", ban.ban_commenter, Scope.MODERATE, takes=ban.BanForm,
                     again=ban.show_ban_error, status=(200, 303)),
    moderation_route("GET", "/moderate/threads", threads.show_threads, asks=threads.ThreadsPageQuery),
    moderation_route("GET", "/moderate/threads/{id}", threads.show_thread, asks=layout.ResultQuery),
    moderation_route("POST", "/moderate/threads/{id}", threads.change_thread, Scope.MODERATE, takes=threads.ThreadForm,
                     again=threads.show_thread_error),
    moderation_route("POST", "/moderate/threads/{id}/erase", threads.remove_thread, Scope.ADMIN,
                     takes=threads.ThreadRemovalForm),
    moderation_route("POST", "/moderate/unpublished", threads.remove_unpublished, Scope.ADMIN,
                     takes=threads.UnpublishedForm, status=(200, 303)),
    moderation_route("GET", "/moderate/rules", rules.show_rules, asks=rules.RulesPageQuery),
    moderation_route("POST", "/moderate/rules", rules.submit_rule, Scope.MODERATE, takes=rule_forms.NewRuleForm,
                     again=rules.show_new_rule_error, most_bytes=RULE_FORM_BYTES, status=(200, 303)),
    moderation_route("GET", "/moderate/rules/{id}", rules.show_rule, asks=layout.BackQuery),
    moderation_route("POST", "/moderate/rules/{id}", rules.change_rule, Scope.MODERATE, takes=rule_forms.RuleForm,
                     again=rules.show_rule_error, most_bytes=RULE_FORM_BYTES, status=(200, 303)),
    moderation_route("POST", "/moderate/rules/{id}/undo", rules.undo_rule, Scope.MODERATE,
                     takes=rule_forms.RuleUndoForm, again=rules.show_undo_error, status=(200, 303)),
    moderation_route("GET", "/moderate/audit", audit.show_audit_log, Scope.MODERATE, asks=audit.AuditPageQuery),
    moderation_route("GET", "/moderate/stats", statistics.show_statistics, asks=statistics.StatisticsPageQuery),
    moderation_route("GET", "/moderate/stats.csv", statistics.get_csv, asks=statistics.StatisticsPageQuery),
    moderation_route("GET", "/moderate/sites", sites.show_sites, Scope.ADMIN, asks=layout.ResultQuery),
    moderation_route("POST", "/moderate/sites/{id}", sites.change_site, Scope.ADMIN, takes=sites.SiteForm,
                     again=sites.show_site_error),
    moderation_route("GET", "/moderate/webhooks", webhooks.show_webhooks, Scope.ADMIN, asks=layout.ResultQuery),
    moderation_route("POST", "/moderate/webhooks", webhooks.add_webhook, Scope.ADMIN, takes=webhooks.NewWebhookForm,
                     again=webhooks.show_new_webhook_error, status=(200,)),
    moderation_route("GET", "/moderate/webhooks/{id}", webhooks.show_webhook, Scope.ADMIN, asks=layout.ResultQuery),
    moderation_route("POST", "/moderate/webhooks/{id}", webhooks.change_webhook, Scope.ADMIN,
                     takes=webhooks.WebhookForm, again=webhooks.show_webhook_error, status=(200, 303)),
    moderation_route("GET", "/moderate/deliveries", deliveries.show_deliveries, Scope.ADMIN,
                     asks=deliveries.DeliveryPageQuery),
    moderation_route("POST", "/moderate/deliveries", deliveries.retry_deliveries, Scope.ADMIN,
                     takes=deliveries.RetryForm),
    moderation_route("GET", "/moderate/import", imports.show_imports, Scope.ADMIN, asks=layout.ResultQuery),
    moderation_route("POST", "/moderate/import", imports.upload_archive, Scope.ADMIN, takes_file=True,
                     again=imports.show_upload_error),
    moderation_route("GET", "/moderate/import/{id}", imports.show_import, Scope.ADMIN, asks=layout.ResultQuery),
    moderation_route("POST", "/moderate/import/{id}", imports.change_import, Scope.ADMIN, takes=imports.ImportForm,
                     again=imports.show_import_error),
    moderation_route("GET", "/moderate/import/{id}/books", imports.download_books, Scope.ADMIN),
    moderation_route("POST", "/moderate/export", exports.export_comments, Scope.ADMIN, takes=ExportQuery,
                     status=(200,)),  # by POST: it leaves an entry in the audit log
    moderation_route("GET", "/moderate/account", account.show_account, asks=layout.ResultQuery),
    moderation_route("POST", "/moderate/account/preferences", account.save_preferences, takes=account.PreferencesForm),
    moderation_route("POST", "/moderate/account/keys", account.create_key, status=(200,)),
    moderation_route("POST", "/moderate/account/keys/revoke", account.revoke_key, takes=account.RevokeKeyForm),
    moderation_route("POST", "/moderate/account/mail", account.save_mail_preference, takes=account.MailForm,
                     again=account.show_account_error),
    moderation_route("POST", "/moderate/account/feeds", account.create_feed, takes=account.FeedForm, status=(200,),
                     again=account.show_account_error),
    moderation_route("POST", "/moderate/account/feeds/revoke", account.revoke_feed, takes=account.RevokeFeedForm),
    moderation_route("POST", "/moderate/account/notice", account.close_mail_notice, takes=layout.BackQuery),
    moderation_route("POST", "/moderate/sign-out", account.sign_out, takes=account.SignOutForm),
)
