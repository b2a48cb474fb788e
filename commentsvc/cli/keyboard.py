"""Keys as somebody presses them, without Enter; lines, where there is no keyboard."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from commentsvc.cli.terminal import Keys

LEAVING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
END_OF_INPUT: Final = "\x04"  # Ctrl+D


@asynccontextmanager
async def keys() -> AsyncIterator[Keys]:
    """Where keys come from. Afterwards the terminal is as it was, however one left."""
    if not sys.stdin.isatty():
        yield _Lines()
        return
    loop, keyboard = asyncio.get_running_loop(), _Keyboard(sys.stdin.fileno())
    before = termios.tcgetattr(keyboard.file)
    for name in LEAVING:
        loop.add_signal_handler(name, keyboard.leave)
    loop.add_signal_handler(signal.SIGCONT, tty.setcbreak, keyboard.file)  # while we were stopped, a shell had it
    tty.setcbreak(keyboard.file)
    loop.add_reader(keyboard.file, keyboard.read)
    try:
        yield keyboard
    finally:
        loop.remove_reader(keyboard.file)
        for name in (*LEAVING, signal.SIGCONT):
            loop.remove_signal_handler(name)
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(keyboard.file, termios.TCSADRAIN, before)


class _Keyboard:
    def __init__(self, file: int) -> None:
        self.file = file
        self._pressed: asyncio.Queue[str] = asyncio.Queue()

    def read(self) -> None:
        """Take what was pressed. What a longer key sends, or somebody pastes, comes as one, and is no key of ours."""
        try:
            text = os.read(self.file, 1024).decode(errors="replace")
        except OSError:  # the terminal is gone
            text = ""
        self._pressed.put_nowait("" if text == END_OF_INPUT else text)

    def leave(self) -> None:
        self._pressed.put_nowait("")

    async def next(self) -> str:
        return await self._pressed.get()

    def forget(self) -> None:
        termios.tcflush(self.file, termios.TCIFLUSH)
        waiting = [self._pressed.get_nowait() for _ in range(self._pressed.qsize())]
        if "" in waiting:
            self.leave()


class _Lines:
    async def next(self) -> str:
        line = sys.stdin.readline()
        return line.rstrip("\r\n") or "\n" if line else ""

    def forget(self) -> None:
        pass  # lines were not typed at what is shown
