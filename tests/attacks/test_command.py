"""The command of an attack fails if a promise was broken, and only then."""

import sys

import pytest

from tests.attacks import (
    authz,
    command,
    cost,
    erase,
    fuzz,
    ledger,
    outage,
    powercut,
    privacy,
    rolling,
    slow,
    timing,
    xss,
)

# Figures without a fault, and figures that each break a promise.
CASES = {
    authz: ({"wrong": 0}, {"wrong": 1}),
    cost: (
        {"worst p99": f"{cost.MOST_MS} ms", "broken": [], "errors in the log": 0},
        {"worst p99": f"{cost.MOST_MS + 1} ms", "broken": ["lists: readers got {503: 1}"], "errors in the log": 1},
    ),
    erase: (
        {"canaries before": 500, "canaries in files": 0, "canaries in answers after a restore": 0},
        {"canaries before": 0, "canaries in files": 1, "canaries in answers after a restore": 1},
    ),
    fuzz: (
        {"requests with a key": 9, "runs with failures": 0, "errors in the log": 0},
        {"requests with a key": 0, "runs with failures": 1, "errors in the log": 1},
    ),
    ledger: (dict.fromkeys(ledger.PROMISES, 0), dict.fromkeys(ledger.PROMISES, 1)),
    outage: ({"outages": 11, "wrong answers": {}}, {"outages": 0, "wrong answers": {"clock: lost 1": 1}}),
    powercut: (dict.fromkeys(powercut.PROMISES, 0), dict.fromkeys(powercut.PROMISES, 1)),
    privacy: (
        {"differing or with a canary": 0, "leaks missed": []},
        {"differing or with a canary": 1, "leaks missed": ["the log has an address"]},
    ),
    rolling: (
        {"reload: requests failed": 0, "restart: of these lost": 0, "replacement: of these lost": 0},
        {"reload: requests failed": 1, "restart: of these lost": 1, "replacement: of these lost": 1},
    ),
    slow: (
        dict.fromkeys(slow.LIMITS, 0),
        {name: most + 1 for name, most in slow.LIMITS.items()},
    ),
    timing: (
        {"same statements": True, "|t| of clock, known": timing.LIMIT - 0.01},
        {"same statements": False, "|t| of clock, known": timing.LIMIT},
    ),
    xss: (
        {"comments": 9, "found by parsers": 0, "found by Chromium": 0},
        {"comments": 0, "found by parsers": 1, "found by Chromium": 1},
    ),
}
BROKEN = [
    pytest.param(module, kept, name, value, id=f"{module.__name__.rpartition('.')[2]}: {name}")
    for module, (kept, broken) in CASES.items()
    for name, value in broken.items()
]


@pytest.mark.parametrize(("module", "kept", "name", "value"), BROKEN)
def test_an_operator_gets_an_exit_code_if_a_promise_was_broken(monkeypatch, module, kept, name, value):
    monkeypatch.setattr(sys, "argv", ["attack"])

    def run(figures):
        async def attack(_number):
            return figures

        command.run(attack, number=1, is_broken=module.is_broken)

    run(kept)
    with pytest.raises(SystemExit, match="promise was broken"):
        run(kept | {name: value})
