"""A bare aiohttp server that answers a constant: the most that any server with aiohttp can do."""

import sys

import uvloop
from aiohttp import web

BODY = b'{"html":"' + b" " * 189 + b'"}'


async def answer(_request: web.Request) -> web.Response:
    """Return the constant."""
    return web.Response(body=BODY, content_type="application/json")


def main() -> None:
    """Serve on the port that the command line names."""
    app = web.Application()
    app.router.add_get("/healthz", answer)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
