"""Run the commands about the secret key. They also work when a key is missing."""

import argparse
from collections.abc import Awaitable, Callable
from typing import Final

from commentsvc import app
from commentsvc.cli.terminal import CommandResult, Terminal
from commentsvc.config.program import with_real_commands
from commentsvc.config.settings import Config
from commentsvc.domain import crypto
from commentsvc.operations import secret_file, secrets
from commentsvc.operations.key_check import Sealed
from commentsvc.operations.reseal import Resealed
from commentsvc.operations.secrets import SecretStatus
from commentsvc.service import Service


async def reseal(service: Service, _arguments: argparse.Namespace, _terminal: Terminal) -> CommandResult:
    """Encrypt every email address with the newest key."""
    done = await secrets.reseal_emails(service)
    return CommandResult(done, f"{_describe_resealed(done)} Keep older keys for one more week.")


def _describe_resealed(done: Resealed) -> str:
    skipped = f" Skipped {done.unreadable:,}: no listed key opens them." if done.unreadable else ""
    return f"Re-encrypted {done.resealed:,} emails with the newest key.{skipped}"


async def _show_status(config: Config) -> CommandResult:
    async with app.open_service(config, any_key=True) as service:
        status = await secrets.read_status(service)
    if not secret_file.read_secrets(config):
        status = SecretStatus(status.keys[1:], status.unreadable, status.servers)  # the first was made up
    rows = [f"{one.key}  {one.state:<7}  encrypts {_describe_sealed(one.encrypts)}" for one in status.keys]
    rows += [f"Addresses that no listed key opens: {status.unreadable:,}."]
    rows += [f"Server since {one.started_at}, with the keys {' '.join(one.secret_keys)}" for one in status.servers]
    return CommandResult(status, "\n".join(rows))


def _describe_sealed(sealed: Sealed) -> str:
    counted = (
        (sealed.comments, "comment"),
        (sealed.moderators, "moderator"),
        (sealed.bans, "ban"),
        (sealed.addresses, "subscriber"),
        (sealed.mails, "mail"),
    )
    parts = [f"{number:,} {noun if number == 1 else f'{noun}s'}" for number, noun in counted if number]
    found = [f"the addresses of {', '.join(parts)}"] if parts else []
    if sealed.webhooks:
        found.append(f"{sealed.webhooks:,} {'text' if sealed.webhooks == 1 else 'texts'} of webhooks")
    return " and ".join(found) or "nothing"


async def _rotate(config: Config) -> CommandResult:
    file = secret_file.secret_file(config)
    if file is None:
        secret = crypto.new_secret()
        advice = "Put this key before the others in COMMENTSVC_SECRET_KEY, restart, then run: commentsvc reseal"
        return CommandResult({"secret": secret}, f"{secret}\n{with_real_commands(advice)}")
    async with app.open_service_alone(config) as service:
        key, done = await secrets.rotate_key(service, file)
    data = {"key": key, "file": str(file), "resealed": done.resealed, "unreadable": done.unreadable}
    text = f"{_describe_resealed(done)}\nThe new key {key} is the first one in {file}. Keep a copy of this file."
    return CommandResult(data, f"{text}\nRemove older keys from it after one week.")


async def _accept_loss(config: Config) -> CommandResult:
    async with app.open_service_alone(config, any_key=True) as service:
        lost = await secrets.accept_loss(service, alone=config.sqlite_path is not None)
    if not lost.keys:
        return CommandResult(lost, "No key is missing. Nothing is lost.")
    lines = [
        f"Lost keys: {' '.join(lost.keys)}. They encrypt {_describe_sealed(lost.encrypts)}.",
        "These addresses are shown as unreadable, and these bans match nobody. Everything else stays.",
        "Edit links, author tokens and open forms from before no longer work.",
        "If you find a key, add it to the listed keys: its addresses are readable again.",
    ]
    if lost.created:
        lines.append(f"Created a new key in {lost.created}. Keep a copy of this file.")
    return CommandResult(lost, "\n".join(lines))


COMMANDS: Final[dict[str, Callable[[Config], Awaitable[CommandResult]]]] = {
    "status": _show_status,
    "rotate": _rotate,
    "lost": _accept_loss,
}
