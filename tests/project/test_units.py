"""Units of work are typed: a public unit cannot reach private data, and calls are checked."""

import collections
import re
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
            await contacts.delete_many(unit, [comment_id])
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


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """Return mypy's errors for each example, from one run: mypy takes seconds to start."""
    lines, example_of = textwrap.dedent(HEAD).splitlines(), {}
    for name, code in {"allowed": ALLOWED, **{name: code for name, (code, _) in REFUSED.items()}}.items():
        # Each example is a function of its own, so that names may repeat.
        example = [
            f"def example_{len(example_of)}() -> None:",
            *textwrap.indent(textwrap.dedent(code), "    ").splitlines(),
        ]
        example_of |= dict.fromkeys(range(len(lines) + 1, len(lines) + len(example) + 1), name)
        lines += example
    module = tmp_path_factory.mktemp("units") / "examples.py"
    module.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", ROOT / ".mypy_cache"]
    done = subprocess.run([*command, module], cwd=ROOT, capture_output=True, text=True, check=False)
    found = collections.defaultdict(list)
    for line in done.stdout.splitlines():
        if match := re.fullmatch(r"[^:]+:(\d+): error: (.*)", line):
            found[example_of[int(match[1])]].append(match[2])
    return found


def test_a_correct_unit_passes_the_type_check(complaints):
    assert complaints["allowed"] == []


@pytest.mark.parametrize("what", REFUSED)
def test_the_type_check_refuses(complaints, what):
    assert len(complaints[what]) == 1, complaints[what]
    assert REFUSED[what][1] in complaints[what][0]
