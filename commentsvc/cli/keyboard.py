"""Read single key presses from a terminal, or lines where there is no terminal."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from commentsvc.cli.terminal import Keys
from commentsvc.cli.writing import PROMPT, edit_text, read_lines

QUIT_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
END_OF_INPUT: Final = "\x04"  # Ctrl+D


@asynccontextmanager
async def open_keys(editor: list[str], print_line: Callable[[str], None]) -> AsyncIterator[Keys]:
    """Yield the source of key presses; restore the terminal afterwards, also after a signal."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield _LineInput()
        return
    keyboard = _Keyboard(sys.stdin.fileno(), editor, print_line)
    keyboard.take_terminal()
    try:
        yield keyboard
    finally:
        keyboard.leave_terminal()


class _Keyboard:
    def __init__(self, file: int, editor: list[str], print_line: Callable[[str], None]) -> None:
        self.file = file
        self._editor, self._print_line = editor, print_line
        self._mode = termios.tcgetattr(file)
        self._pressed: asyncio.Queue[str] = asyncio.Queue()

    def take_terminal(self) -> None:
        """Read single keys from now on."""
        loop = asyncio.get_running_loop()
        for name in QUIT_SIGNALS:
            loop.add_signal_handler(name, self.end_input)
        # While this process was stopped, the shell used the terminal in its own mode.
        loop.add_signal_handler(signal.SIGCONT, tty.setcbreak, self.file)
        tty.setcbreak(self.file)
        loop.add_reader(self.file, self.receive)

    def leave_terminal(self) -> None:
        """Give the terminal back in its own mode."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.file)
        for name in (*QUIT_SIGNALS, signal.SIGCONT):
            loop.remove_signal_handler(name)
        with suppress(termios.error):  # the terminal was closed
            termios.tcsetattr(self.file, termios.TCSADRAIN, self._mode)

    async def write_text(self, text: str) -> str:
        """Open the person's editor; without one, read lines. Ctrl+C cancels these, and quits."""
        self.leave_terminal()
        try:
            if self._editor:
                return edit_text(self._editor, text)
            self._print_line(PROMPT)
            return read_lines()
        finally:
            self.take_terminal()

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
    async def write_text(self, _text: str) -> str:
        return read_lines()

    async def read_key(self) -> str:
        line = "" if sys.stdin is None else sys.stdin.readline()
        return line.rstrip("\r\n") or "\n" if line else ""

    def discard_pending(self) -> None:
        pass  # lines from a pipe were not typed in response to the screen
