"""Check how a release is made: version, changelog and tag agree, and its files are complete."""

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from commentsvc import __version__

ROOT = Path(__file__).parent.parent.parent
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
MANIFEST = "deploy/kubernetes/commentsvc.yaml"
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def run(folder, *command):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path):
    """Return a repository with what a release changes."""
    names = ("scripts/release", "scripts/check-release", "commentsvc/__init__.py", "CHANGELOG.md", MANIFEST)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for command in (
        ["init", "--quiet"], ["config", "user.name", "Ada"], ["config", "user.email", "ada@example.com"],
        ["add", "."], ["commit", "--quiet", "--message", "all"],
    ):  # fmt: skip
        assert run(tmp_path, "git", *command).returncode == 0
    return tmp_path


def test_a_release_dates_the_changelog_sets_the_version_and_makes_a_tag(project):
    done = run(project, "scripts/release", "7.8.9")

    assert (done.returncode, done.stderr) == (0, "")
    changelog = (project / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[Unreleased\]\n\n## \[7\.8\.9\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert '__version__ = "7.8.9"' in (project / "commentsvc" / "__init__.py").read_text(encoding="utf-8")
    assert "image: commentsvc:7.8.9\n" in (project / MANIFEST).read_text(encoding="utf-8")
    assert run(project, "git", "describe", "--exact-match").stdout == "v7.8.9\n"
    assert run(project, "git", "status", "--porcelain").stdout == ""
    checked = run(project, "scripts/check-release", "v7.8.9")
    assert checked.returncode == 0, checked.stderr
    assert "### Added" in checked.stdout
    assert not re.search(r"^## ", checked.stdout, re.MULTILINE)


def test_a_release_stops_before_it_does_something_wrong(project):
    assert "Name a version" in run(project, "scripts/release").stderr
    assert "Name a version" in run(project, "scripts/release", "v1.2").stderr
    assert "no dated section" in run(project, "scripts/check-release", f"v{__version__}").stderr
    assert "does not belong" in run(project, "scripts/check-release", "v99.0.0").stderr
    (project / "new").touch()
    assert "not committed" in run(project, "scripts/release", "7.8.9").stderr
    (project / "new").unlink()
    assert run(project, "scripts/release", "7.8.9").returncode == 0
    assert "exists already" in run(project, "scripts/release", "7.8.9").stderr
    assert "7.8.9 is released already" in run(project, "scripts/release", "7.8.8").stderr
    assert "says nothing under [Unreleased]" in run(project, "scripts/release", "7.8.10").stderr


@pytest.mark.parametrize("version", ["v1.2.3", "1.2", "1.02.3", "01.2.3", "1.2.3-rc1", "1.2.3\nx", "x\n1.2.3"])
def test_only_the_version_that_python_would_use_is_released(project, version):
    assert "Name a version" in run(project, "scripts/release", version).stderr
    assert run(project, "git", "tag").stdout == ""


def test_each_command_of_the_release_is_in_the_checkout():
    commands = [line.split() for step in STEPS for line in step.get("run", "").splitlines()]
    programs = {words[0] for words in commands}

    assert programs <= {"scripts/check-release", ".ci/run", "make", "gh", "mkdir"}
    assert all((ROOT / name).is_file() for name in programs if "/" in name)
    targets = {words[1] for words in commands if words[0] == "make"}
    assert all(
        re.search(rf"^{name}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE) for name in targets
    )
    image = next(step["with"] for step in STEPS if "build-push" in step.get("uses", ""))
    assert image["platforms"] == "linux/amd64,linux/arm64"
    assert image["sbom"] is True


@pytest.mark.slow
def test_the_source_archive_builds_the_same_wheel(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target"]
    assert run(ROOT, *build, "sdist", "--directory", tmp_path / "source").returncode == 0
    assert run(ROOT, *build, "wheel", "--directory", tmp_path / "ours").returncode == 0
    [archive] = (tmp_path / "source").glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    [unpacked] = tmp_path.glob("commentsvc-*")

    done = run(unpacked, *build, "wheel", "--directory", tmp_path / "theirs")

    assert done.returncode == 0, done.stderr
    [ours], [theirs] = ((tmp_path / name).glob("*.whl") for name in ("ours", "theirs"))
    assert theirs.read_bytes() == ours.read_bytes()
