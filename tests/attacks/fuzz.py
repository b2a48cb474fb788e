"""Send requests that Schemathesis makes of the OpenAPI document, with and without a key: all answers are as described.

All checks of Schemathesis are on. Forms are sent with valid fields only: a form has no types that could be wrong.
"""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from tests.attacks.command import Figures, run
from tests.operations.test_operating import port_of, serving

KEY = "cs_h4Qz1mPv8LxT2nRb7WcY5dGk9JsF3uEaKqZ0oXiV6Mt"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
PHASES = ("examples", "coverage", "fuzzing", "stateful")
# Schemathesis knows the schema only. A request that fits it can still have a wrong site, cursor or version, or an
# address that is too long.
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 410, 412, 422, 428, 431]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 431]
"""


def is_installed() -> bool:
    return importlib.util.find_spec("schemathesis") is not None


def only_forms(document: dict) -> dict:
    """Return the document with the operations that take a form, and a form in place of their JSON."""
    copy = json.loads(json.dumps(document))
    for item in copy["paths"].values():
        for method in [*item]:
            form = item[method].get("requestBody", {}).get("x-form")
            if form is None:
                del item[method]
            else:
                item[method]["requestBody"]["content"] = dict.fromkeys(FORMS, form)
    return copy


def run_schemathesis(folder: Path, url: str, document: dict, *options: str) -> tuple[int, str]:
    """Return the number of requests, and the failures as text."""
    (folder / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"]
    done = subprocess.run(
        [*command, "openapi.json", "--url", url, "--checks", "all", "--warnings", "off", "--no-color", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    generated = re.search(r"(\d+) generated", done.stdout)
    return int(generated[1]) if generated else 0, "" if done.returncode == 0 else done.stdout + done.stderr


async def attack(number: int, phases=PHASES) -> Figures:
    """Send up to ``number`` requests of each kind for each operation, in each of Schemathesis' phases."""
    figures: dict[str, object] = {}
    options = ("--max-examples", str(number), "--phases", ",".join(phases), "--continue-on-failure", "--no-shrink")
    failures = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with serving(folder, RATE_LIMIT="off", ADMIN_KEY=KEY) as (process, printed):
            url = f"http://127.0.0.1:{port_of(printed)}"
            with urllib.request.urlopen(f"{url}/openapi.json") as answer:  # noqa: ASYNC210, S310 -- our own address
                document = json.load(answer)
            as_admin = ("--header", f"Authorization: Bearer {KEY}")
            for name, sent, more in (
                ("without a key", document, ()),
                ("with a key", document, as_admin),
                ("forms", only_forms(document), ("--mode", "positive")),
            ):
                figures[f"requests {name}"], failed = run_schemathesis(folder, url, sent, *options, *more)
                failures += [failed] if failed else []
            errors = [line for line in process.stderr.read().splitlines() if " error " in line or "Traceback" in line]
    return figures | {
        "runs with failures": len(failures),
        "errors in the log": len(errors),
        "first": failures[:1] + errors[:1],
    }


def is_broken(figures: Figures) -> bool:
    """Return whether a promise was broken."""
    sent = [value for name, value in figures.items() if name.startswith("requests")]
    return bool(figures["runs with failures"] or figures["errors in the log"]) or 0 in sent


if __name__ == "__main__":
    run(attack, number=50, is_broken=is_broken)
