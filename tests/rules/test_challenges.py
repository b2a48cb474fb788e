"""Form tokens and proofs of work; ALTCHA's own library accepts ours, and we accept its."""

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
MAX_ATTEMPTS = 20  # few, so that tests are fast


def form_of(moment):
    return Ids(lambda: int(moment.timestamp() * 1000))()


def started(moment, keyring=KEYRING):
    return keyring.token("form", form_of(moment))


def now():
    """The machine's time, which ALTCHA's library uses."""
    return datetime.now(UTC)


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (0, FormTokenState.TOO_QUICK),
        (2.9, FormTokenState.TOO_QUICK),
        (3, FormTokenState.VALID),
        (60, FormTokenState.VALID),
        (86_400, FormTokenState.VALID),
        (86_401, FormTokenState.EXPIRED),
        (31_536_000, FormTokenState.EXPIRED),
        (-60, FormTokenState.TOO_QUICK),  # opened by another server, whose clock is ahead
    ],
)
def test_a_form_token_is_valid_only_at_the_right_age(clock, age, state):
    token = started(clock() - timedelta(seconds=age))
    assert form_token.read_form_token(KEYRING, token, clock(), AGES)[0] == state


def test_a_form_can_be_sent_at_once_if_there_is_no_minimum_age(clock):
    assert form_token.read_form_token(KEYRING, started(clock()), clock(), (0, 60))[0] == FormTokenState.VALID


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_form_token_is_reported_as_absent(clock, token):
    assert form_token.read_form_token(KEYRING, token, clock(), AGES) == (FormTokenState.ABSENT, None)


def test_every_form_token_is_valid_if_ages_are_not_checked(clock):
    for token in (None, "", "cf_nonsense", started(clock()), started(clock() - 365 * DAY)):
        assert form_token.read_form_token(KEYRING, token, clock(), None) == (FormTokenState.VALID, None)


def test_a_form_token_has_a_name_for_recording_its_use_until_it_expires(clock):
    token = started(clock())
    _, quick = form_token.read_form_token(KEYRING, token, clock(), AGES)
    clock.move(minutes=1)
    _, well = form_token.read_form_token(KEYRING, token, clock(), AGES)
    clock.move(days=2)
    _, old = form_token.read_form_token(KEYRING, token, clock(), AGES)

    assert quick == well == f"form:{KEYRING.subject('form', token, clock())}"
    assert old is None, "an expired token is invalid by its age"


def test_a_form_token_stays_valid_after_the_secret_key_is_rotated(clock):
    token = started(clock(), Keyring([OLD_SECRET]))
    clock.move(minutes=1)
    assert form_token.read_form_token(Keyring([SECRET, OLD_SECRET]), token, clock(), AGES)[0] == FormTokenState.VALID
    assert form_token.read_form_token(Keyring([SECRET]), token, clock(), AGES) == (FormTokenState.INVALID, None)


@pytest.mark.parametrize("purpose", sorted(set(PREFIX) - {"form"}))
def test_a_token_with_another_purpose_is_not_a_form_token(clock, purpose):
    token = KEYRING.token(purpose, form_of(clock() - timedelta(minutes=1)))
    for disguised in (token, PREFIX["form"] + token.removeprefix(PREFIX[purpose])):
        assert form_token.read_form_token(KEYRING, disguised, clock(), AGES) == (FormTokenState.INVALID, None)


@given(text=st.text(min_size=1), at=st.integers(0, 60), put=st.characters())
@example(text="cf_", at=0, put="c")
@often(150)
def test_a_forged_form_token_is_invalid(text, at, put):
    moment = datetime(2026, 11, 22, 16, tzinfo=UTC)
    token = started(moment - timedelta(minutes=1))
    altered = token[:at] + put + token[at + 1 :]
    for forged in (text, f"cf_{text}", *([altered] if altered != token else [])):
        assert form_token.read_form_token(KEYRING, forged, moment, AGES) == (FormTokenState.INVALID, None)


def asked(keyring=KEYRING, max_attempts=MAX_ATTEMPTS, until=None):
    """Our challenge, as ALTCHA's library reads it from JSON."""
    made = proof_of_work.create_challenge(keyring, form_of(now()), max_attempts, until or now() + DAY)
    return altcha.Challenge.from_dict(json.loads(msgspec.json.encode(made)))


def answered(challenge):
    return altcha.Payload(challenge, altcha.solve_challenge(challenge)).to_base64()


def packed(payload):
    return base64.b64encode(json.dumps(payload).encode()).decode()


def unpacked(answer):
    return json.loads(base64.b64decode(answer))


ANSWER = answered(asked())


def test_altchas_library_solves_our_challenge():
    challenge = asked()
    assert proof_of_work.check_solution(KEYRING, answered(challenge), now()) == (
        ProofState.VALID,
        f"work:{challenge.parameters.nonce}",
    )


@pytest.mark.parametrize("by_signature", [True, False], ids=["by signature", "by solving it again"])
def test_altchas_library_verifies_a_solution_of_our_challenge(by_signature):
    signing, solving = KEYRING.work_keys[0]
    result = altcha.verify_solution(ANSWER, signing, hmac_key_secret=solving if by_signature else None)
    assert result.verified


def test_we_accept_a_solution_of_a_challenge_from_altchas_library():
    signing, solving = KEYRING.work_keys[0]
    theirs = altcha.create_challenge(
        "PBKDF2/SHA-256", 1000, counter=7, expires_at=now() + DAY, hmac_secret=signing, hmac_key_secret=solving
    )
    assert proof_of_work.check_solution(KEYRING, answered(theirs), now()) == (
        ProofState.VALID,
        f"work:{theirs.parameters.nonce}",
    )


def test_a_solution_is_found_within_the_maximum_attempts():
    for _ in range(20):
        assert altcha.solve_challenge(asked(max_attempts=5)).counter < 5


def test_a_form_always_gets_the_same_challenge():
    form_id, until = form_of(now()), now() + DAY
    first, again = (proof_of_work.create_challenge(KEYRING, form_id, MAX_ATTEMPTS, until) for _ in range(2))
    assert first == again
    assert uuid.UUID(first.parameters.nonce) == uuid.UUID(form_id)
    assert proof_of_work.create_challenge(KEYRING, form_of(now()), MAX_ATTEMPTS, until) != first
    assert (
        proof_of_work.create_challenge(Keyring([OLD_SECRET]), form_id, MAX_ATTEMPTS, until).parameters.salt
        != first.parameters.salt
    )


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_missing_proof_of_work_is_reported_as_absent(nothing):
    assert proof_of_work.check_solution(KEYRING, nothing, now()) == (ProofState.ABSENT, None)


def test_a_proof_of_work_expires():
    answer = answered(asked(until=now() + timedelta(minutes=10)))
    assert proof_of_work.check_solution(KEYRING, answer, now() + timedelta(minutes=9))[0] == ProofState.VALID
    assert proof_of_work.check_solution(KEYRING, answer, now() + timedelta(minutes=11)) == (ProofState.INVALID, None)


def test_a_proof_of_work_stays_valid_after_the_secret_key_is_rotated():
    answer = answered(asked(Keyring([OLD_SECRET])))
    assert proof_of_work.check_solution(Keyring([SECRET, OLD_SECRET]), answer, now())[0] == ProofState.VALID
    assert proof_of_work.check_solution(Keyring([SECRET]), answer, now()) == (ProofState.INVALID, None)


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
def test_a_client_cannot_make_a_challenge_easier(name, value):
    easier = packed(_with(unpacked(ANSWER), name, value))
    assert proof_of_work.check_solution(KEYRING, easier, now()) == (ProofState.INVALID, None)


def test_a_client_cannot_create_its_own_easy_challenge():
    theirs = altcha.create_challenge(
        "PBKDF2/SHA-256", 1, counter=0, expires_at=now() + DAY, hmac_secret=SECRET, hmac_key_secret=SECRET
    )
    assert proof_of_work.check_solution(KEYRING, answered(theirs), now()) == (ProofState.INVALID, None)


def test_the_published_half_of_the_key_is_not_a_solution():
    payload = unpacked(ANSWER)
    told = _parameters(payload)["keyPrefix"]
    for guess in (told, told + "00" * 16, told * 2, "", "nonsense", payload["challenge"]["signature"]):
        payload["solution"]["derivedKey"] = guess
        assert proof_of_work.check_solution(KEYRING, packed(payload), now()) == (ProofState.INVALID, None)


def test_the_solution_of_one_challenge_does_not_solve_another():
    one, another = unpacked(ANSWER), unpacked(answered(asked()))
    assert proof_of_work.check_solution(KEYRING, packed(one | {"solution": another["solution"]}), now()) == (
        ProofState.INVALID,
        None,
    )


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(), PLAIN, max_size=3)


@given(text=st.text(), raw=st.binary(), value=JSON)
@example(text="[" * 4000, raw=b"[" * 4000, value=None)
@example(text="{", raw=b'{"challenge":' * 3000, value={"challenge": {"parameters": {}}, "solution": {}})
@often(75)
def test_malformed_input_is_not_a_proof_of_work(text, raw, value):
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
        state, name = proof_of_work.check_solution(KEYRING, sent, now())
        assert (state, name) in {(ProofState.INVALID, None), (ProofState.ABSENT, None)}


def _parameters(answer):
    return answer["challenge"]["parameters"]


def _with(answer, name, value):
    return answer | {"challenge": answer["challenge"] | {"parameters": _parameters(answer) | {name: value}}}


@given(at=st.integers(0, len(ANSWER) - 1), put=st.characters())
@often(150)
def test_an_altered_solution_gains_nothing(at, put):
    """The payload also has unsigned parts, such as the time taken; changing those changes nothing."""
    altered = ANSWER[:at] + put + ANSWER[at + 1 :]
    assert proof_of_work.check_solution(KEYRING, altered, now()) in {
        (ProofState.INVALID, None),
        proof_of_work.check_solution(KEYRING, ANSWER, now()),
    }
