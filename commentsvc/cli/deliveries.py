"""Run the commands that list deliveries and try them again."""

import argparse
from typing import Final

from commentsvc.cli.field_options import read_field_options
from commentsvc.cli.moderate import OPERATOR
from commentsvc.cli.tables import Column, Table, format_table
from commentsvc.cli.terminal import CommandResult, Commands, Terminal, join_rows
from commentsvc.delivery import deliveries
from commentsvc.delivery.schemas import ChannelState, DeliveryQuery, DeliveryRecord, RetryRequest
from commentsvc.domain import validation
from commentsvc.service import Service


async def _list_deliveries(service: Service, arguments: argparse.Namespace, terminal: Terminal) -> CommandResult:
    query = validation.validate(DeliveryQuery, read_field_options(arguments, DeliveryQuery), service.config.limits)
    found = await deliveries.list_deliveries(service, OPERATOR, query)
    rows = format_table(COLUMNS, found.deliveries, terminal)
    if found.next_cursor:
        rows.append(f"More: --cursor {found.next_cursor}")
    states = [_describe_channel(channel) for channel in found.channels]
    return CommandResult(found, "\n".join([join_rows(rows, "No deliveries."), *states]))


def _describe_channel(state: ChannelState) -> str:
    text = f"{state.channel}: {state.waiting:,} waiting, {state.dead:,} dead"
    if state.delivered_at:
        text += f", last delivered {state.delivered_at}"
    if state.failed_at:
        text += f", last failed {state.failed_at}: {state.error}"
    return text


COLUMNS: Final[Table[DeliveryRecord]] = (
    (Column("ID"), lambda one: one.id),
    (Column("KIND", 8), lambda one: one.kind),
    (Column("STATE"), lambda one: one.state),
    (Column("TRIED"), lambda one: str(one.attempts)),
    (Column("NEXT (UTC)", optional=True), lambda one: (one.next_at or "")[:16].replace("T", " ")),
    (Column("TO", 8), lambda one: one.recipient or ""),
    (Column("ERROR", 10), lambda one: one.error or ""),
)


async def _retry(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    retried = await deliveries.retry_delivery(service, OPERATOR, arguments.id)
    return CommandResult(retried, "It is tried again now.")


async def _retry_dead(service: Service, arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    request = validation.validate(RetryRequest, read_field_options(arguments, RetryRequest), service.config.limits)
    retried = await deliveries.retry_dead_deliveries(service, OPERATOR, request)
    return CommandResult(retried, f"Tried again: {retried.retried:,}.")


COMMANDS: Final[Commands] = {
    ("delivery", "list"): _list_deliveries,
    ("delivery", "retry"): _retry,
    ("delivery", "retry-dead"): _retry_dead,
}
