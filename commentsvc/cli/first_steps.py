"""Print the next steps of an operator when the service has started."""

import logging
from typing import Final

from commentsvc.access import names
from commentsvc.access.moderators import create_first_sign_in_link
from commentsvc.cli.terminal import OutputError, Terminal
from commentsvc.config.program import command_line
from commentsvc.service import Service

LOG: Final = logging.getLogger(__name__)


async def announce_start(terminal: Terminal, service: Service) -> None:
    """Print where the service is, a sign-in link if nobody has one, and the line to paste.

    They are printed and never logged: anyone with the link can sign in.
    """
    own_url = service.config.own_url
    if service.config.socket_path and not service.config.public_url:
        LOG.warning("links need the address of the proxy: set COMMENTSVC_PUBLIC_URL")
    link = await create_first_sign_in_link(service)
    try:
        terminal.print_line(f"commentsvc is running at {own_url}/")
        if link:
            terminal.print_line(f"Sign in with this link; it works once, within one day: {link}")
        terminal.print_line(f'Add comments to your page: <script async src="{own_url}/embed.js"></script>')
    except OutputError as error:
        LOG.warning("%s", str(error) or "Nobody reads standard output.")
        if link:
            another = command_line("moderator", "invite", names.FIRST_MODERATOR, link=True)
            LOG.warning("create another sign-in link with: %s", another)
