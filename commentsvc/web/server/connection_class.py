"""Serve with a class of connections of our own, for which aiohttp has no option."""

from collections.abc import Callable

from aiohttp import web


class _Server(web.Server):
    make: Callable[..., web.RequestHandler]

    def __call__(self) -> web.RequestHandler:
        return self.make(self, loop=self._loop, **self._kwargs)


def serve_with(server: web.Server, make: Callable[..., web.RequestHandler]) -> None:
    """Let a server make its connections with a function. It takes the arguments of aiohttp's connection."""
    server.__class__ = _Server  # a runner of aiohttp creates the server itself
    assert isinstance(server, _Server)  # noqa: S101 -- for the type checker
    server.make = make
