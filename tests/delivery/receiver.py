"""Programs that answer us on loopback: a receiver of webhooks, with the faults that real ones have, and others."""

import asyncio
import json
import os
import re
import sys
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
async def listening(app):
    """Serve an application on loopback; yield its address."""
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_receiver():
    receiver, app = Receiver(), web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    async with listening(app) as url:
        receiver.url = f"{url}/hook?token=very-secret"
        try:
            yield receiver
        finally:
            receiver.stop.set()


@asynccontextmanager
async def running_script(script, **environment):
    """Run a Python program that serves on the port that it prints; yield its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        script,
        env=os.environ | environment | {"PORT": "0"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        line = (await process.stdout.readline()).decode()
        yield f"http://127.0.0.1:{re.search(r'[0-9]+', line)[0]}/"
    finally:
        process.kill()
        await process.wait()
