"""Read single key presses from a terminal, or lines where there is no terminal."""

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

QUIT_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
END_OF_INPUT: Final = "\x04"  # Ctrl+D


@asynccontextmanager
async def open_keys() -> AsyncIterator[Keys]:
    """Yield the source of key presses; restore the terminal afterwards, also after a signal."""
    if not sys.stdin.isatty():
        yield _LineInput()
        return
    loop, keyboard = asyncio.get_running_loop(), _Keyboard(sys.stdin.fileno())
    before = termios.tcgetattr(keyboard.file)
    for name in QUIT_SIGNALS:
        loop.add_signal_handler(name, keyboard.end_input)
    # While this process was stopped, the shell used the terminal in its own mode.
    loop.add_signal_handler(signal.SIGCONT, tty.setcbreak, keyboard.file)
    tty.setcbreak(keyboard.file)
    loop.add_reader(keyboard.file, keyboard.receive)
    try:
        yield keyboard
    finally:
        loop.remove_reader(keyboard.file)
        for name in (*QUIT_SIGNALS, signal.SIGCONT):
            loop.remove_signal_handler(name)
        with suppress(termios.error):  # the terminal was closed
            termios.tcsetattr(keyboard.file, termios.TCSADRAIN, before)


class _Keyboard:
    def __init__(self, file: int) -> None:
        self.file = file
        self._pressed: asyncio.Queue[str] = asyncio.Queue()

    def receive(self) -> None:
        """Queue what was typed. Pasted text and long key sequences stay in one piece, so they match no key."""
        try:
            text = os.read(self.file, 1024).decode(errors="replace")
        except OSError:  # the terminal was closed
            text = ""
        self._pressed.put_nowait("" if text == END_OF_INPUT else text)

    def end_input(self) -> None:
        self._pressed.put_nowait("")

    async def read_key(self) -> str:
        return await self._pressed.get()

    def discard_pending(self) -> None:
        termios.tcflush(self.file, termios.TCIFLUSH)
        pending = [self._pressed.get_nowait() for _ in range(self._pressed.qsize())]
        if "" in pending:
            self.end_input()


class _LineInput:
    async def read_key(self) -> str:
        line = sys.stdin.readline()
        return line.rstrip("\r\n") or "\n" if line else ""

    def discard_pending(self) -> None:
        pass  # lines from a pipe were not typed in response to the screen
