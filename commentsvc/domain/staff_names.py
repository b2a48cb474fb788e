"""Names of commenters that say, or seem to say, that the site's staff wrote a comment.

``Admin`` and ``Moderator`` are held in every language of the interface, and so is a moderator's name with decorations:
``★Ada★``, ``Ada (mod)``, ``The real Ada``. Names are compared at a glance (``domain/confusables.py``), so that other
alphabets, styled letters and ``4dm1n`` make no difference.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from commentsvc.domain.confusables import impression, skeleton

# Digits and signs that people read as letters, besides 1 and 0.
_DRAWN_LETTERS: Final = str.maketrans("@4€35$7", "aaeesst")


def _looks(words: str) -> frozenset[str]:
    return frozenset(map(impression, words.split()))


# Part of any word: they occur in no name of a person.
_STEMS: Final = _looks(
    "moderator moderateur moderatric moderador administrat administrad amministrat webmaster sysadmin superuser "
    "beheerder модератор адміністратор администратор مودراتور מודרטור אדמיניסטרטור "
    "管理员 管理員 管理人 管理者 版主 站长 站長 モデレーター モデレータ アドミン 運営者 運営チーム "
    "관리자 관리인 운영자 운영진 모더레이터 어드민"
)
# A whole word, beside others too: Ada Admin, (mod).
_TITLES: Final = _looks("admin admins mod mods modo adm адмін админ أدمن ادمن الأدمن ادمین אדמין")
# The whole name, or together with the words below only: The Team, Blog-Redaktion. A few are also names of persons.
_ROLES: Final = _looks(
    "staff team support owner operator system root official editor editors author host "
    "moderation administration redaktion redakteur verwalter verwaltung betreiber inhaber "
    "modération rédaction rédacteur équipe propriétaire moderación redacción editor equipo propietario "
    "moderação redação redator proprietário moderazione redazione redattore proprietario "
    "moderatie redactie redacteur eigenaar moderacja redakcja redaktor właściciel "
    "модерація редакція редактор власник модерация редакция "
    "مشرف المشرف مدير المدير إدارة الإدارة مسؤول المسؤول مراقب المراقب "
    "מנהל המנהל מנהלת מנחה הנהלה עורך מערכת מדיר مدیر مدیریت ناظر سردبیر "
    "管理 官方 客服 小编 編輯 编辑 公式 運営 編集者 編集部 운영 공식 편집자"
)
# Decorations: they say nothing alone.
_FILLERS: Final = _looks(
    "the your our this of a an real true verified original site blog website forum page head chief super senior main "
    "der die das dein unser echt echte offiziell offizielle verifiziert seite seiten le la les du de des votre vrai "
    "vraie officiel officielle vérifié el los las del tu verdadero oficial verificado sitio o os do da dos seu "
    "verdadeiro il lo della di vero ufficiale sito van het echte officieel van prawdziwy oficjalny strona strony "
    "справжній офіційний сайт сайту блог блогу الموقع موقع رسمي الرسمي سایت وبلاگ رسمی واقعی האתר הבלוג אתר רשמי "
    "本站 网站 網站 博客 サイト ブログ 사이트 블로그 진짜"
)
_VOCABULARY: Final = _TITLES | _ROLES | _FILLERS


def _either(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def _long(words: Iterable[str]) -> str:
    return _either(word for word in words if len(word) > 2)  # noqa: PLR2004 -- "de" and "a" are also ends of names


_STEM: Final = re.compile(_either(_STEMS))
# Words without spaces between them: BlogAdmin, AdaOfficial, TheRealAda. At the ends of names, short fillers are
# decorations only beside another: else Nicolas would look like Nico, and Theodor like Odor.
_JOINED: Final = re.compile(rf"(?:{_long(_FILLERS)})*(?:{_either(_TITLES | _ROLES)})(?:{_long(_VOCABULARY)})*")
_DECORATION: Final = _long(_VOCABULARY | _STEMS)
_CLEAR: Final = _long(_TITLES | _ROLES | _STEMS | {word for word in _FILLERS if len(word) > 3})  # noqa: PLR2004
_DECORATED: Final = re.compile(rf"^(?:{_DECORATION})*(?:{_CLEAR})|(?:{_CLEAR})(?:{_DECORATION})*$")
_NUMBERS: Final = re.compile(r"(?<!\d)\d+\b|\b\d+(?!\d)")


def claims_staff(name: str) -> bool:
    """Return whether a name says that the staff wrote a comment, with or without the name of a person."""
    return any(map(_is_claim, _readings(name)))


def _is_claim(words: tuple[str, ...]) -> bool:
    joined = "".join(words)
    only_staff = _VOCABULARY.issuperset(words) and not _ROLES.isdisjoint(words)
    if only_staff or not _TITLES.isdisjoint(words) or _STEM.search(joined):
        return True
    return bool(_JOINED.fullmatch(joined)) and not _has_initial(words)


def _has_initial(words: tuple[str, ...]) -> bool:
    """Return whether a name is a first name with an initial, such as Mo D. or Tea M."""
    return len(words) == 2 and len(words[0]) > 1 and len(words[1]) == 1  # noqa: PLR2004


@lru_cache(maxsize=256)  # a name takes 60 µs
def looks_of(name: str) -> frozenset[str]:
    """Return the looks of a name, and those without its decorations. Two names that share one can be confused."""
    found = {impression(name)}
    for words in _readings(name):
        plain = "".join(word for word in words if word not in _VOCABULARY and not _STEM.search(word))
        found |= {plain, _DECORATED.sub("", "".join(words))}
    return frozenset(found - {""})


@lru_cache(maxsize=256)
def _readings(name: str) -> set[tuple[str, ...]]:
    """Return the words of a name, as they look: with its digits as letters, and without numbers at their ends."""
    drawn = skeleton(name)
    texts = {drawn, drawn.translate(_DRAWN_LETTERS), _NUMBERS.sub(" ", drawn)}  # mostly one: few names have digits
    return {tuple(map(impression, re.findall(r"[^\W_]+", text))) for text in texts}
