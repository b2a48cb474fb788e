"""An email address that no key opens is shown as unreadable. Everything else goes on."""

import json

import pytest

from commentsvc.access import moderators
from commentsvc.comments import edit
from commentsvc.comments.post import post_comment
from commentsvc.comments.schemas import CommentEdit
from commentsvc.domain.email_address import Email
from commentsvc.domain.models import ActionVerb, Effect, RuleKind, Scope
from commentsvc.moderation import actions
from commentsvc.moderation.schemas import Action
from commentsvc.operations import secrets
from commentsvc.rules import manage
from commentsvc.rules.backtest import backtest_rule
from commentsvc.rules.schemas import BacktestRequest, NewRule
from commentsvc.service import write
from commentsvc.web.routes import application
from tests.access.test_sessions import SAME_ORIGIN, sign_in_moderator
from tests.comments.test_post import everything_in
from tests.conftest import EVERYTHING, OLD_SECRET, SECRET, a_key, a_service, draft, visit

DAMAGED = ("x", "", "gAAAA", "ü", "A" * 200)


async def damage(service, table, sealed, column="id", row_id=None):
    async def change(tx):
        where = f"WHERE {column} = :id" if row_id else "WHERE CAST(:id AS TEXT) IS NULL"
        await tx.run(f"UPDATE {table} SET email_sealed = :sealed {where}", sealed=sealed, id=row_id)

    await write(change)(service)


@pytest.mark.parametrize("sealed", DAMAGED)
async def test_a_moderator_sees_the_queue_with_a_damaged_address(service, aiohttp_client, sealed):
    damaged = await post_comment(service, draft(), visit())
    await post_comment(service, draft(comment="fine", email="noa@example.com"), visit())
    await damage(service, "contact", sealed, "comment_id", damaged.id)
    client = await aiohttp_client(application(service))

    for scope, other in ((Scope.MODERATE, "noa@example.com"), (Scope.READ, "n…@example.com")):
        key = await a_key(service, scope)
        listed = (await (await client.get("/v1/moderation/comments", headers=key)).json())["comments"]
        assert [card["email"] for card in listed] == ["unreadable", other]
        detail = await client.get(f"/v1/moderation/comments/{damaged.id}", headers=key)
        assert (detail.status, (await detail.json())["email"]) == (200, "unreadable")
    await sign_in_moderator(client, service)
    for path in ("", f"/comments/{damaged.id}", f"/comments/{damaged.id}/ban"):
        page = await client.get(f"/moderate{path}", headers=SAME_ORIGIN)
        text = await page.text()
        assert page.status == 200, path
        assert "email address unreadable" not in text


async def test_a_moderator_sees_bans_and_moderators_with_damaged_addresses(service, client):
    await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.EMAIL, match="eve@example.com"))
    await moderators.add_moderator(service, "Noa", Email("noa@example.com"), [])
    for table in ("rule", "moderator"):
        await damage(service, table, "x")

    for scope in (Scope.MODERATE, Scope.READ):
        listed = await (await client.get("/v1/rules", headers=await a_key(service, scope))).json()
        assert [rule["match"] for rule in listed["rules"]] == ["unreadable"]
        one = await client.get(f"/v1/rules/{listed['rules'][0]['id']}", headers=await a_key(service, scope))
        assert (one.status, (await one.json())["match"]) == (200, "unreadable")
    assert [one.email for one in await moderators.list_moderators(service)] == ["unreadable"]
    banned = await post_comment(service, draft(email="eve@example.com"), visit())
    assert banned.status == "pending"
    await sign_in_moderator(client, service)
    assert (await client.get("/moderate/rules", headers=SAME_ORIGIN)).status == 200


async def test_a_commenter_edits_and_a_moderator_decides_and_tests_rules_without_the_address(service):
    receipt = await post_comment(service, draft(), visit())
    await damage(service, "contact", "x")
    await edit.edit_comment(service, receipt.id, receipt.edit_token, CommentEdit(comment="An edited text."), visit())
    done = await actions.apply_action(service, EVERYTHING, Action(action=ActionVerb.APPROVE, ids=[receipt.id]))
    assert done.changed == 1
    for kind, match in ((RuleKind.EMAIL, "mia@example.com"), (RuleKind.EMAIL_DOMAIN, "example.com")):
        trial = BacktestRequest(kind=kind, match=match, effect=Effect.HOLD)
        result = await backtest_rule(service, EVERYTHING, trial)
        assert (result.tried, result.hit) == (1, 0)


async def test_an_operator_reencrypts_what_opens_and_reads_how_many_do_not(database_url, clock):
    async with a_service(database_url, clock, secrets=[OLD_SECRET]) as service:
        damaged = await post_comment(service, draft(comment="damaged"), visit())
        await post_comment(service, draft(), visit())
        await manage.add_rule(service, EVERYTHING, NewRule(kind=RuleKind.EMAIL, match="eve@example.com"))
        await moderators.add_moderator(service, "Noa", Email("noa@example.com"), [])
        await damage(service, "contact", "x", "comment_id", damaged.id)
        await damage(service, "rule", "y")
    async with a_service(database_url, clock, secrets=[SECRET, OLD_SECRET]) as service:
        newest = service.keyring.fingerprints[0]
        assert await secrets.reseal_emails(service) == secrets.Resealed(resealed=2, unreadable=2)
        kept = {row["comment_id"]: row for row in await everything_in(service, "contact")}
        assert kept.pop(damaged.id)["email_sealed"] == "x", "it may be repaired from a backup"
        assert [row["email_digest"].startswith(newest) for row in kept.values()] == [True]
        (entry,) = [row for row in await everything_in(service, "audit") if row["verb"] == "reseal"]
        assert json.loads(entry["body"])["fingerprint"] == newest
