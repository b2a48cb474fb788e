"""Nobody can comment as the staff: names like Admin, and decorated names of moderators, wait for a moderator."""

import pytest

from commentsvc.access import moderators
from commentsvc.domain.models import Mode, Scope
from commentsvc.domain.staff_names import claims_staff, looks_of
from commentsvc.web.pages.i18n import LANGUAGES
from commentsvc.web.routes import application
from tests.conftest import a_key, a_service, fields_of

BY_LANGUAGE = {
    "en": ("Administrator", "Moderator"),
    "de": ("Seitenadministratorin", "Moderatorin"),
    "fr": ("Administrateur", "Modératrice"),
    "es": ("Administradora", "Moderador"),
    "pt": ("Administrador", "Moderadora"),
    "it": ("Amministratore", "Moderatrice"),
    "nl": ("Beheerder", "Moderator"),
    "pl": ("Administrator", "Moderatorka"),
    "uk": ("Адміністратор", "Модераторка"),
    "ar": ("مدير الموقع", "المشرف"),
    "he": ("מנהל האתר", "מודרטור"),
    "fa": ("مدیر سایت", "ناظر"),
    "zh": ("管理员", "版主小王"),
    "ja": ("管理人", "モデレーター"),
    "ko": ("관리자", "운영자"),
}
STAFF = [
    "Admin", "admin ✓", "A d m i n", "M.O.D.", "4dm1n", "@dmin", "m0d", "Аdmin", "Ⓐⓓⓜⓘⓝ", "𝕄𝕠𝕕", "Admіn", "Admin1",
    "moderator_42", "Site Admin", "BlogAdmin", "The Team", "Staff", "Bob (mod)", "[MOD] Bob", "Ada the Admin",
    "Blog-Redaktion", "Équipe du blog", "Admin\u200bistrator", "Forum-Moderator", "官方",
]  # fmt: skip
PEOPLE = [
    "Mia", "Adam", "Modesto", "Moda", "Madison", "Admiral", "Teamwork", "Ada Modig", "Mode", "Rodrigo", "Edit Piaf",
    "Modern Times", "Leo de la Cruz", "Maria da Silva", "李小龙", "Authoress", "Nazir", "Amir Modir", "Pervez مشرف",
    "пані Мода", "Домодедов", "관악산", "Blog reader", "Official Statement", "Teamo", "Owner of a cat",
    "Mo D.", "Tea M.", "Dean Root", "Host Müller", "Jimmy Page", "Narendra Modi", "Иван Админов", "김운영", "管理子",
]  # fmt: skip
DECORATED = [
    "Ada ✓", "★Ada★", "~ada~", "Ada™", "@Ada", "Ada 👑", "Ada (mod)", "[Moderator] Ada", "Ada|Team", "The real Ada",
    "Ada, die echte", "AdaOfficial", "ModAda", "Ada ᵐᵒᵈ", "Ada ⓜⓞⓓ", "4da", "Ada 2", "Ada модератор",
    "明日香（管理员）", "明日香管理员", "TheRealAda",
]  # fmt: skip
OTHERS = ["Adam", "Adaline", "Nada", "Canada", "Ada Smith", "Adan", "Grace", "Hopper", "明日"]


def test_a_name_of_the_staff_is_recognised_in_every_language():
    assert set(BY_LANGUAGE) == set(LANGUAGES)
    assert [name for names in BY_LANGUAGE.values() for name in names if not claims_staff(name)] == []
    assert [name for name in STAFF if not claims_staff(name)] == []


def test_a_person_with_a_name_of_their_own_does_not_wait():
    assert [name for name in [*PEOPLE, *OTHERS] if claims_staff(name)] == []


def test_a_decorated_name_of_a_moderator_is_recognised_and_another_name_is_not():
    names = frozenset().union(*map(looks_of, ("Ada", "Grace Hopper", "明日香")))
    assert [name for name in DECORATED if names.isdisjoint(looks_of(name))] == []
    assert [name for name in [*OTHERS, *PEOPLE] if not names.isdisjoint(looks_of(name))] == []


def test_a_longer_name_that_begins_or_ends_like_a_decoration_is_another_name():
    pairs = [
        ("Nico", "Nicolas"), ("Doug", "Douglas"), ("Rick", "Derrick"), ("Al", "Alder"), ("Lie", "Leslie"),
        ("Essa", "Vanessa"), ("Alexan", "Alexander"), ("Resa", "Theresa"),
    ]  # fmt: skip
    assert [pair for pair in pairs if not looks_of(pair[0]).isdisjoint(looks_of(pair[1]))] == []


@pytest.mark.parametrize("mode", [Mode.NONE, Mode.TRUSTED])
async def test_comments_in_the_name_of_the_staff_are_held_in_every_mode(database_url, clock, aiohttp_client, mode):
    async with a_service(database_url, clock, moderation=mode) as service:
        client = await aiohttp_client(application(service))
        await moderators.add_moderator(service, "Ada", None, [])
        token = None
        if mode is Mode.TRUSTED:
            token = await a_known_author(client, await a_key(service))
        held = {
            "Admin": "staff_name",
            "Bob (mod)": "staff_name",
            "Ada ✓": "moderator_name",
            "Ada (mod)": "moderator_name",
        }
        for number, name in enumerate([*held, "Mia"]):
            sent = fields_of(name=name, comment=f"Words of number {number}.", author_token=token)
            answer = await client.post("/v1/comments", json=sent)
            assert answer.status == (202 if name in held else 201), name
        queue = await (await client.get("/v1/moderation/comments", headers=await a_key(service, Scope.READ))).json()
        assert {card["name"]: card["reasons"][0]["code"] for card in queue["comments"]} == held


async def a_known_author(client, key):
    """Return the author token of somebody whose comment was approved."""
    receipt = await (await client.post("/v1/comments", json=fields_of(name="Noa"))).json()
    await client.post("/v1/moderation/actions", json={"action": "approve", "ids": [receipt["id"]]}, headers=key)
    return receipt["author_token"]
