"""One of several servers on a database, in a process of its own: prints its port, and serves until it is ended."""

import asyncio
import socket
import sys

from commentsvc import app
from commentsvc.domain.models import Mode
from tests.conftest import Clock, a_service


async def serve(url: str) -> None:
    """Serve on a free port. Comments are approved at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    async with a_service(url, Clock(), moderation=Mode.NONE) as service, app.listen(service, None, listener):
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
