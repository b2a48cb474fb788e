"""Define the commands about mail and webhooks, and their options."""

from typing import Any

from commentsvc.cli.field_options import add_field_options
from commentsvc.cli.options import add_command, add_group
from commentsvc.delivery.schemas import DeliveryQuery, RetryRequest


def add_commands(commands: Any) -> None:
    """Add the commands that send mails and call webhooks, and that list what was not delivered."""
    add_command(commands, "work", "send mails and call webhooks, beside servers with COMMENTSVC_DELIVERY=off")
    delivery = add_group(commands, "delivery", "list mails and webhook requests, and try dead ones again")
    add_field_options(add_command(delivery, "list", "list deliveries, newest first"), DeliveryQuery)
    retry = add_command(delivery, "retry", "try a delivery again now")
    retry.add_argument("id", metavar="DELIVERY", help="its id: see `commentsvc delivery list`")
    add_field_options(add_command(delivery, "retry-dead", "try all dead deliveries again now"), RetryRequest)
