"""The command ``work``: send mails and call webhooks, beside servers that do not."""

from commentsvc import app
from commentsvc.cli import DONE
from commentsvc.config.settings import Config
from commentsvc.processes.stop import stop_on_signals


async def run_worker(config: Config) -> int:
    """Deliver until a signal, then finish what is being delivered; return the exit code."""
    await app.work(config, stop_on_signals(socket_stays=False))
    return DONE
