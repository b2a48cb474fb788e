"""Units of work are typed: a public unit cannot reach private data, and calls are checked."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HEAD = """
    from commentsvc.access.keys import revoke_key
    from commentsvc.domain.models import Principal
    from commentsvc.service import Service, private_read, public_read, write
    from commentsvc.storage import comments, contacts
    from commentsvc.storage.database import PrivateRead, PublicRead, Write
"""


def complaints(tmp_path, code):
    """What mypy says of a module."""
    module = tmp_path / "module.py"
    module.write_text(textwrap.dedent(HEAD) + textwrap.dedent(code), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", ROOT / ".mypy_cache"]
    done = subprocess.run([*command, module], cwd=ROOT, capture_output=True, text=True, check=False)
    return [line.partition("error: ")[2] for line in done.stdout.splitlines() if "error: " in line]


ALLOWED = """
    @write
    async def both(unit: Write, comment_id: str) -> bool:
        await comments.get(unit, comment_id)
        return bool(await contacts.get_many(unit, [comment_id]))

    async def handle(service: Service, who: Principal) -> bool:
        await revoke_key(service, who, "an id")
        return await both(service, "an id")
"""
REFUSED = {
    "a private query in a public unit": (
        """
        @public_read
        async def peek(unit: PublicRead, comment_id: str) -> bool:
            return bool(await contacts.get_many(unit, [comment_id]))
        """,
        'incompatible type "PublicRead"; expected "PrivateRead"',
    ),
    "a change in a private read": (
        """
        @private_read
        async def change(unit: PrivateRead, comment_id: str) -> None:
            await contacts.erase(unit, comment_id)
        """,
        'incompatible type "PrivateRead"; expected "Write"',
    ),
    "a public unit declared as a write": (
        """
        @public_read
        async def change(unit: Write) -> None:
            await unit.run("DELETE FROM comment")
        """,
        "expected",
    ),
    "an argument of the wrong type": (
        """
        async def handle(service: Service, who: Principal) -> None:
            await revoke_key(service, who, 3)
        """,
        'incompatible type "int"; expected "str"',
    ),
    "a missing argument": (
        """
        async def handle(service: Service, who: Principal) -> None:
            await revoke_key(service, who)
        """,
        "Missing positional argument",
    ),
    "a unit where a service is needed": (
        """
        @write
        async def nested(unit: Write, who: Principal) -> None:
            await revoke_key(unit, who, "an id")
        """,
        'incompatible type "Write"; expected "Service"',
    ),
}


def test_a_correct_unit_passes_the_type_check(tmp_path):
    assert complaints(tmp_path, ALLOWED) == []


@pytest.mark.parametrize("what", REFUSED)
def test_the_type_check_refuses(tmp_path, what):
    code, expected = REFUSED[what]
    found = complaints(tmp_path, code)
    assert len(found) == 1, found
    assert expected in found[0]
