"""What a form can show for itself, and that ALTCHA's own library agrees."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta

import altcha
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commentsvc.domain.crypto import PREFIX, Keyring
from commentsvc.domain.ids import Ids
from commentsvc.rules import form_token, proof_of_work
from commentsvc.rules.form_token import FormTokenState
from commentsvc.rules.proof_of_work import ProofState
from tests.conftest import OLD_SECRET, SECRET
from tests.moderation.test_properties import often

KEYRING = Keyring([SECRET])
DAY = timedelta(days=1)
AGES = (3, 86_400)
FEW = 20  # tries; what they cost is measured elsewhere


def form_of(moment):
    return Ids(lambda: int(moment.timestamp() * 1000))()


def started(moment, keyring=KEYRING):
    return keyring.token("form", form_of(moment))


def now():
    """The machine's time: ALTCHA's library goes by no other."""
    return datetime.now(UTC)


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (0, FormTokenState.QUICK),
        (2.9, FormTokenState.QUICK),
        (3, FormTokenState.WELL),
        (60, FormTokenState.WELL),
        (86_400, FormTokenState.WELL),
        (86_401, FormTokenState.OLD),
        (31_536_000, FormTokenState.OLD),
        (-60, FormTokenState.QUICK),  # opened by another server, whose clock is ahead
    ],
)
def test_a_form_tells_when_it_was_opened(clock, age, shown):
    token = started(clock() - timedelta(seconds=age))
    assert form_token.read_form_token(KEYRING, token, clock(), AGES)[0] == shown


def test_whoever_must_not_be_quick_may_be_at_once(clock):
    assert form_token.read_form_token(KEYRING, started(clock()), clock(), (0, 60))[0] == FormTokenState.WELL


@pytest.mark.parametrize("token", [None, ""])
def test_a_form_may_have_nothing_to_show(clock, token):
    assert form_token.read_form_token(KEYRING, token, clock(), AGES) == (FormTokenState.ABSENT, None)


def test_where_nothing_is_asked_every_form_is_well(clock):
    for token in (None, "", "cf_nonsense", started(clock()), started(clock() - 365 * DAY)):
        assert form_token.read_form_token(KEYRING, token, clock(), None) == (FormTokenState.WELL, None)


def test_a_form_that_may_still_be_sent_has_a_name_to_be_used_up(clock):
    token = started(clock())
    _, quick = form_token.read_form_token(KEYRING, token, clock(), AGES)
    clock.move(minutes=1)
    _, well = form_token.read_form_token(KEYRING, token, clock(), AGES)
    clock.move(days=2)
    _, old = form_token.read_form_token(KEYRING, token, clock(), AGES)

    assert quick == well == f"form:{KEYRING.subject('form', token, clock())}"
    assert old is None, "it is refused by its age"


def test_a_form_stays_good_when_the_secret_key_is_turned(clock):
    token = started(clock(), Keyring([OLD_SECRET]))
    clock.move(minutes=1)
    assert form_token.read_form_token(Keyring([SECRET, OLD_SECRET]), token, clock(), AGES)[0] == FormTokenState.WELL
    assert form_token.read_form_token(Keyring([SECRET]), token, clock(), AGES) == (FormTokenState.FORGED, None)


@pytest.mark.parametrize("purpose", sorted(set(PREFIX) - {"form"}))
def test_no_other_token_opens_a_form(clock, purpose):
    token = KEYRING.token(purpose, form_of(clock() - timedelta(minutes=1)))
    for disguised in (token, PREFIX["form"] + token.removeprefix(PREFIX[purpose])):
        assert form_token.read_form_token(KEYRING, disguised, clock(), AGES) == (FormTokenState.FORGED, None)


@given(text=st.text(min_size=1), at=st.integers(0, 60), put=st.characters())
@example(text="cf_", at=0, put="c")
@often(300)
def test_a_forged_time_is_known_as_one(text, at, put):
    moment = datetime(2026, 11, 22, 16, tzinfo=UTC)
    token = started(moment - timedelta(minutes=1))
    altered = token[:at] + put + token[at + 1 :]
    for forged in (text, f"cf_{text}", *([altered] if altered != token else [])):
        assert form_token.read_form_token(KEYRING, forged, moment, AGES) == (FormTokenState.FORGED, None)


def asked(keyring=KEYRING, tries=FEW, until=None):
    """A challenge as ALTCHA's library reads it from our JSON."""
    made = proof_of_work.create_challenge(keyring, form_of(now()), tries, until or now() + DAY)
    return altcha.Challenge.from_dict(json.loads(msgspec.json.encode(made)))


def answered(challenge):
    return altcha.Payload(challenge, altcha.solve_challenge(challenge)).to_base64()


def packed(payload):
    return base64.b64encode(json.dumps(payload).encode()).decode()


def unpacked(answer):
    return json.loads(base64.b64decode(answer))


ANSWER = answered(asked())


def test_their_library_solves_what_we_ask():
    challenge = asked()
    assert proof_of_work.check_solution(KEYRING, answered(challenge), now()) == (
        ProofState.DONE,
        f"work:{challenge.parameters.nonce}",
    )


@pytest.mark.parametrize("by_signature", [True, False], ids=["by signature", "by working it out again"])
def test_their_library_accepts_what_we_asked(by_signature):
    signing, solving = KEYRING.work_keys[0]
    result = altcha.verify_solution(ANSWER, signing, hmac_key_secret=solving if by_signature else None)
    assert result.verified


def test_we_accept_what_their_library_asked():
    signing, solving = KEYRING.work_keys[0]
    theirs = altcha.create_challenge(
        "PBKDF2/SHA-256", 1000, counter=7, expires_at=now() + DAY, hmac_secret=signing, hmac_key_secret=solving
    )
    assert proof_of_work.check_solution(KEYRING, answered(theirs), now()) == (
        ProofState.DONE,
        f"work:{theirs.parameters.nonce}",
    )


def test_the_work_has_an_end():
    for _ in range(20):
        assert altcha.solve_challenge(asked(tries=5)).counter < 5


def test_a_form_asks_for_the_same_work_however_often_it_is_asked():
    form_id, until = form_of(now()), now() + DAY
    first, again = (proof_of_work.create_challenge(KEYRING, form_id, FEW, until) for _ in range(2))
    assert first == again
    assert uuid.UUID(first.parameters.nonce) == uuid.UUID(form_id)
    assert proof_of_work.create_challenge(KEYRING, form_of(now()), FEW, until) != first
    assert (
        proof_of_work.create_challenge(Keyring([OLD_SECRET]), form_id, FEW, until).parameters.salt
        != first.parameters.salt
    )


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_form_may_come_without_work(nothing):
    assert proof_of_work.check_solution(KEYRING, nothing, now()) == (ProofState.ABSENT, None)


def test_work_is_done_in_time_or_not_at_all():
    answer = answered(asked(until=now() + timedelta(minutes=10)))
    assert proof_of_work.check_solution(KEYRING, answer, now() + timedelta(minutes=9))[0] == ProofState.DONE
    assert proof_of_work.check_solution(KEYRING, answer, now() + timedelta(minutes=11)) == (ProofState.WRONG, None)


def test_work_stays_done_when_the_secret_key_is_turned():
    answer = answered(asked(Keyring([OLD_SECRET])))
    assert proof_of_work.check_solution(Keyring([SECRET, OLD_SECRET]), answer, now())[0] == ProofState.DONE
    assert proof_of_work.check_solution(Keyring([SECRET]), answer, now()) == (ProofState.WRONG, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("algorithm", "SHA-256"),
        ("cost", 1),
        ("expiresAt", 4_000_000_000),
        ("expiresAt", None),
        ("keyLength", 1),
        ("keyPrefix", ""),
        ("keySignature", ""),
        ("nonce", "00" * 16),
        ("nonce", "A" * 32),
        ("salt", ""),
        ("memoryCost", None),
        ("data", {"more": 1}),
    ],
)
def test_what_was_asked_cannot_be_made_easier(name, value):
    easier = packed(_with(unpacked(ANSWER), name, value))
    assert proof_of_work.check_solution(KEYRING, easier, now()) == (ProofState.WRONG, None)


def test_an_easy_challenge_of_ones_own_is_none_of_ours():
    theirs = altcha.create_challenge(
        "PBKDF2/SHA-256", 1, counter=0, expires_at=now() + DAY, hmac_secret=SECRET, hmac_key_secret=SECRET
    )
    assert proof_of_work.check_solution(KEYRING, answered(theirs), now()) == (ProofState.WRONG, None)


def test_the_half_of_the_key_that_is_told_is_no_solution():
    payload = unpacked(ANSWER)
    told = _parameters(payload)["keyPrefix"]
    for guess in (told, told + "00" * 16, told * 2, "", "nonsense", payload["challenge"]["signature"]):
        payload["solution"]["derivedKey"] = guess
        assert proof_of_work.check_solution(KEYRING, packed(payload), now()) == (ProofState.WRONG, None)


def test_the_solution_of_one_challenge_is_none_of_another():
    one, another = unpacked(ANSWER), unpacked(answered(asked()))
    assert proof_of_work.check_solution(KEYRING, packed(one | {"solution": another["solution"]}), now()) == (
        ProofState.WRONG,
        None,
    )


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(), PLAIN, max_size=3)


@given(text=st.text(), raw=st.binary(), value=JSON)
@example(text="[" * 4000, raw=b"[" * 4000, value=None)
@example(text="{", raw=b'{"challenge":' * 3000, value={"challenge": {"parameters": {}}, "solution": {}})
@often(150)
def test_whatever_else_is_sent_is_no_work(text, raw, value):
    answer = unpacked(ANSWER)
    strange = [
        text,
        base64.b64encode(raw).decode(),
        packed(value),
        packed(answer | {"challenge": value}),
        packed(answer | {"solution": value}),
        *(packed(_with(answer, name, value)) for name, ours in _parameters(answer).items() if value != ours),
    ]
    for sent in strange:
        shown, name = proof_of_work.check_solution(KEYRING, sent, now())
        assert (shown, name) in {(ProofState.WRONG, None), (ProofState.ABSENT, None)}


def _parameters(answer):
    return answer["challenge"]["parameters"]


def _with(answer, name, value):
    return answer | {"challenge": answer["challenge"] | {"parameters": _parameters(answer) | {name: value}}}


@given(at=st.integers(0, len(ANSWER) - 1), put=st.characters())
@often(300)
def test_an_altered_answer_earns_nothing_new(at, put):
    """A character of the time it took, or of the number's spelling, changes nothing that is signed."""
    altered = ANSWER[:at] + put + ANSWER[at + 1 :]
    assert proof_of_work.check_solution(KEYRING, altered, now()) in {
        (ProofState.WRONG, None),
        proof_of_work.check_solution(KEYRING, ANSWER, now()),
    }
