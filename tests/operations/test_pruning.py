"""An operator erases old spam and trash by hand, and the disk gets the space back."""

import json
from datetime import timedelta

import pytest

from commentsvc.audit.verification import verify_log
from commentsvc.domain.errors import ExpectationFailed, Invalid
from commentsvc.domain.models import ActionVerb
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.operations.integrity import find_damaged_rows
from commentsvc.privacy.prune import Pruned, Pruning, count_prunable, prune
from commentsvc.sites import manage
from commentsvc.sites.schemas import NewSite
from tests.cli.test_moderate import with_service
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, post
from tests.operations.test_operating import run_main, serving

B = "https://b.example"


async def act(service, verb, *ids):
    await actions.apply_action(service, EVERYTHING, Action(action=verb, ids=list(ids)))


async def left(service):
    return sorted(row["text"] for row in await everything_in(service, "comment") if row["text"])


async def fill(service, clock):
    await manage.add_site(service, EVERYTHING, NewSite(name="b", origins=[B]))
    spam, trash = await post(service, "old spam", site="blog"), await post(service, "old trash", site="blog")
    other = await post(service, "spam of b", thread=f"{B}/x/")
    await act(service, ActionVerb.SPAM, spam, other)
    await act(service, ActionVerb.TRASH, trash)
    clock.move(days=31)
    await act(service, ActionVerb.SPAM, await post(service, "new spam", site="blog"))
    await post(service, "pending", site="blog")


async def test_an_operator_erases_old_spam_of_one_site(service, clock):
    await fill(service, clock)
    pruning = Pruning(spam=30, site="blog")
    assert await count_prunable(service, EVERYTHING, pruning) == Pruned(1, 0)
    assert await prune(service, EVERYTHING, pruning, expect=1) == Pruned(1, 0)
    assert await left(service) == ["new spam", "old trash", "pending", "spam of b"]
    (entry,) = [row for row in await everything_in(service, "audit") if row["verb"] == "erase"]
    assert entry["actor_name"] == EVERYTHING.actor.name
    await verify_log(service)
    assert await find_damaged_rows(service) == []


async def test_an_operator_erases_spam_and_trash_of_all_sites(service, clock):
    await fill(service, clock)
    assert await prune(service, EVERYTHING, Pruning(spam=30, trash=30), expect=None) == Pruned(2, 1)
    assert await left(service) == ["new spam", "pending"]


async def test_nothing_is_erased_if_another_number_matches(service, clock):
    await fill(service, clock)
    with pytest.raises(ExpectationFailed, match="Matching comments: 3, not 2"):
        await prune(service, EVERYTHING, Pruning(spam=30, trash=30), expect=2)
    assert len(await left(service)) == 5


async def test_an_unknown_site_is_named(service):
    with pytest.raises(Invalid):
        await prune(service, EVERYTHING, Pruning(spam=30, site="other"), expect=None)


@pytest.mark.parametrize(
    "words", [(), ("--spam", "0d"), ("--spam", "30w"), ("--trash", ""), ("--spam", "99999d"), ("--site", "x")]
)
def test_values_that_mean_nothing_are_refused(tmp_path, words):
    assert run_main(tmp_path, "migrate").returncode == 0
    assert run_main(tmp_path, "prune", "--yes", *words).returncode in {1, 2}


async def old_spam(service):
    """Post spam that was decided 40 days ago."""
    ids = [await post(service, f"Spam {number} " * 700) for number in range(150)]
    for start in range(0, len(ids), 50):
        await act(service, ActionVerb.SPAM, *ids[start : start + 50])
    day = (service.clock() - timedelta(days=40)).isoformat()

    async def age(statements):
        for table in ("comment", "decision"):
            await statements.run(f"UPDATE {table} SET created_at = '{day[:19]}.000Z'")

    await service.db.write(age)


@pytest.mark.slow
def test_an_operator_is_told_the_number_and_gets_the_space_back(tmp_path):
    run_main(tmp_path, "migrate")
    with_service(tmp_path, old_spam)
    file = tmp_path / "data" / "commentsvc.db"
    before = file.stat().st_size
    done = run_main(tmp_path, "prune", "--spam", "30d")
    assert done.returncode == 1
    assert "Matching comments: 150" in done.stderr
    assert "--expect 150" in done.stderr
    assert "Would be erased: 150" in run_main(tmp_path, "prune", "--spam", "30d", "--dry-run").stdout
    with serving(tmp_path):
        done = run_main(tmp_path, "prune", "--spam", "30d", "--expect", "150")
        assert done.returncode == 0
        assert "stop the service and run this command again" in done.stdout
        assert file.stat().st_size >= before
    done = run_main(tmp_path, "prune", "--spam", "30d", "--yes", "--json")
    space = json.loads(done.stdout)["space"]
    assert space["after"] == file.stat().st_size < before / 2
    assert [*file.parent.glob("*.shrinking*"), *file.parent.glob("*-shm"), *file.parent.glob("*-wal")] == []
    assert with_service(tmp_path, lambda service: post(service, "The next comment"))
