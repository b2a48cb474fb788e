"""A receiver of webhooks on loopback, with the faults that real ones have."""

import asyncio
import json
from contextlib import asynccontextmanager

from aiohttp import web

LOOPBACK = "127.0.0.0/8 ::1"


class Receiver:
    """Keeps what it got, and answers as it was told."""

    def __init__(self):
        self.got, self.answers, self.url, self.stop = [], [], "", asyncio.Event()

    def payloads(self):
        return [json.loads(body) for _, body in self.got]

    async def handle(self, request):
        self.got.append((dict(request.headers), await request.read()))
        answer = self.answers.pop(0) if self.answers else web.Response(text="thanks")
        if isinstance(answer, int):
            return web.Response(status=answer)
        if answer == "slow":
            await self.stop.wait()
            return web.Response()
        if answer == "close":
            request.transport.abort()
            return web.Response()
        if callable(answer):
            return await answer(request)
        if answer == "huge":
            return await self._answer_huge(request)
        return answer

    async def _answer_huge(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        finally:  # the client has dropped the connection
            self.stop.set()


@asynccontextmanager
async def a_receiver():
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?token=very-secret"
    try:
        yield receiver
    finally:
        receiver.stop.set()
        await runner.cleanup()
