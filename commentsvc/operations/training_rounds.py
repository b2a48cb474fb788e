"""Update the learned filters with what people decide, seconds after they do."""

import asyncio
import logging
import time
from typing import Final

from commentsvc.domain.errors import Unavailable
from commentsvc.service import Service
from commentsvc.spam import training

LOG: Final = logging.getLogger(__name__)
LOOK_SECONDS: Final = 3.0  # between two looks at the decisions; each is one statement that reads an index
PAUSE_PER_SECOND: Final = 20  # of learning: it must not keep a processor busy while a moderator decides on many
MOST_PAUSE: Final = 60.0


async def run_forever(service: Service) -> None:
    """Learn the new decisions of every process until this is cancelled."""
    while True:
        started = time.monotonic()
        try:
            await training.train_sites(service)
        except Unavailable:
            LOG.warning("the database cannot be used; the learned filters are updated later")
        except Exception:
            LOG.exception("maintenance failed: updating the learned filters; next attempt later")
        pause = PAUSE_PER_SECOND * (time.monotonic() - started)
        await asyncio.sleep(min(max(LOOK_SECONDS, pause), MOST_PAUSE))
