"""Run the commands that manage webhooks."""

import argparse
from typing import Final

from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.delivery.webhook_schemas import NewWebhook, WebhookRecord
from commentsvc.domain import validation
from commentsvc.service import Service


async def _add_webhook(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    from commentsvc.delivery import webhooks  # noqa: PLC0415 -- it loads aiohttp, which no other command needs

    url = "".join(terminal.read_lines()).strip() if arguments.url == "-" else arguments.url
    values = {
        "url": url,
        "events": arguments.event,
        "site": arguments.site,
        "include_email": arguments.include_email,
        "include_unapproved": arguments.include_unapproved,
        "note": arguments.note,
    }
    given = {name: value for name, value in values.items() if value is not None}
    new = validation.validate(NewWebhook, given, service.config.limits)
    created = await webhooks.add_webhook(service, OPERATOR, new)
    return CommandResult(created, f"Webhook added: {created.id}\nSecret, shown only once: {created.secret}")


async def _list_webhooks(service: Service, _arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    from commentsvc.delivery import webhooks  # noqa: PLC0415 -- it loads aiohttp, which no other command needs

    found = (await webhooks.list_webhooks(service, OPERATOR)).webhooks
    return CommandResult(found, join_rows(format_table(COLUMNS, found, terminal), "No webhooks yet."))


def _webhook_state(webhook: WebhookRecord) -> str:
    if webhook.enabled:
        return "failing" if webhook.failing_since else "on"
    return "off" if webhook.disabled_for == "moderator" else f"off: {webhook.disabled_for}"


COLUMNS: Final[Table[WebhookRecord]] = (
    (Column("ID"), lambda webhook: webhook.id),
    (Column("STATE"), _webhook_state),
    (Column("SITE", 9), lambda webhook: webhook.site or "all sites"),
    (Column("EVENTS", 12, optional=True), lambda webhook: " ".join(webhook.events)),
    (Column("NOTE", 8), lambda webhook: webhook.note or ""),
)


async def _test_webhook(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    from commentsvc.delivery import webhook_deliveries  # noqa: PLC0415 -- it loads aiohttp, which no other command needs

    tested = await webhook_deliveries.test_webhook(service, OPERATOR, arguments.id)
    if not tested.delivered:
        return CommandResult(tested, "Not delivered.", problem=tested.error or "")
    return CommandResult(tested, f"Delivered: status {tested.status_code} in {tested.milliseconds:,} ms.")


async def _remove_webhook(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    from commentsvc.delivery import webhooks  # noqa: PLC0415 -- it loads aiohttp, which no other command needs

    await webhooks.remove_webhook(service, OPERATOR, arguments.id)
    return CommandResult({"removed": arguments.id}, "Webhook deleted.")


COMMANDS: Final[Commands] = {
    ("webhook", "add"): _add_webhook,
    ("webhook", "list"): _list_webhooks,
    ("webhook", "test"): _test_webhook,
    ("webhook", "remove"): _remove_webhook,
}
