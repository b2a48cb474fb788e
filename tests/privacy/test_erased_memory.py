"""No file has anything that memory and the spam filter knew of an erased person."""

import struct

from commentsvc.domain.email_address import Email
from commentsvc.domain.models import ActionVerb
from commentsvc.operations import erasures, maintenance
from commentsvc.privacy.erase import erase_person
from commentsvc.spam import training
from tests.comments.test_post import everything_in
from tests.conftest import a_service, copied, post
from tests.spam.teaching import decide, teach

EMAIL = "told@example.com"
TOLD = "Private words about a clinic and a diagnosis, at https://clinic.example/"
LENGTH = 60  # characters: several fit on each page of the file


async def learned_state(service):
    await training.train_sites(service)
    (row,) = await everything_in(service, "spam_filter")
    return row["state"]


def pieces_of(state):
    return {state[at : at + LENGTH].encode() for at in range(0, len(state) - LENGTH, LENGTH)}


async def test_hashes_and_weights_of_an_erased_comment_are_in_no_file(laid_file, tmp_path, clock):
    url, path = copied(laid_file, tmp_path, "raw.db"), tmp_path / "raw.db"
    files = [path, path.with_name("raw.db-wal")]
    async with a_service(url, clock) as service:
        await teach(service)
        clock.move(minutes=1)
        told = await post(service, TOLD, email=EMAIL, name="A Patient")
        await decide(service, ActionVerb.SPAM, [told])
        before = await learned_state(service)
        own = [row["key"] for row in await everything_in(service, "memory_key") if row["comment_id"] == told]
        packed = {struct.pack(">q", key) for key in own}
        stored = b"".join(file.read_bytes() for file in files)
        assert len(packed) >= 8
        assert all(one in stored for one in packed), "the search would find them"
        await erase_person(service, Email(EMAIL))
        after = await learned_state(service)
        gone = pieces_of(before) - pieces_of(after)
        assert len(gone) > 2
        assert any(one in stored for one in gone)
        await maintenance.finish_erasing(service)
    content = b"".join(file.read_bytes() for file in files if file.exists())
    assert [one for one in gone | packed if one in content] == []


async def test_memory_and_filter_of_a_restored_backup_forget_what_was_erased_since(laid_file, tmp_path, clock):
    url, path = copied(laid_file, tmp_path, "live.db"), tmp_path / "live.db"
    async with a_service(url, clock) as service:
        await teach(service)
        await learned_state(service)
        clock.move(minutes=1)
        told = await post(service, TOLD, email=EMAIL, name="A Patient")
        await decide(service, ActionVerb.SPAM, [told])
        with_it = await learned_state(service)
    backup = path.read_bytes()
    async with a_service(url, clock) as service:
        await erase_person(service, Email(EMAIL))
        without = await learned_state(service)
    path.write_bytes(backup)
    async with a_service(url, clock) as service:
        assert await learned_state(service) == with_it != without
        await erasures.apply_journal(service)
        assert await learned_state(service) == without
        rows = [*await everything_in(service, "memory"), *await everything_in(service, "memory_key")]
        assert told not in {row["comment_id"] for row in rows}
