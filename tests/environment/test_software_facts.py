"""Facts of the software: packages against the lock, the commit, variables; nothing secret."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess

import pytest

from benchmark_runner.environment.software import (
    git_facts,
    lock_facts,
    package_facts,
    public_address,
    variable_facts,
)


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "workflow.txt"
    installed = importlib.metadata.version("numpy")
    path.write_text(
        f"numpy=={installed} \\\n    --hash=sha256:00\nyaml-that-is-not-there==1.0 \\\n    --hash=sha256:11\n"
        'jinja2==0.0.1 ; python_version >= "3"\n'
    )
    return path


def test_a_lock_has_a_hash_and_a_number_of_pins(lock):
    expected = hashlib.sha256(lock.read_bytes()).hexdigest()
    assert lock_facts(lock) == {"file": "workflow.txt", "sha256": expected, "pins": 3}


def test_packages_are_compared_with_the_lock(lock):
    found = {package["name"]: package for package in package_facts(lock)}
    assert found["numpy"]["as_locked"]
    assert found["yaml-that-is-not-there"]["installed"] is None
    assert (found["jinja2"]["locked"], found["jinja2"]["as_locked"]) == ("0.0.1", False)


def test_only_variables_of_the_list_are_told():
    environ = {"OPENBLAS_CORETYPE": "Zen", "AWS_SECRET_ACCESS_KEY": "secret", "HOME": "/home/me"}
    assert variable_facts(environ) == {"OPENBLAS_CORETYPE": "Zen"}


@pytest.mark.parametrize(
    ("remote", "shown"),
    [
        ("https://user:token@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("git@example.org:a/b.git", "ssh://example.org/a/b.git"),
        ("ssh://git@example.org:22/a/b.git", "ssh://example.org:22/a/b.git"),
        ("/home/me/repository.git", None),
        ("file:///home/me/repository.git", None),
        (None, None),
    ],
)
def test_an_address_is_shown_without_credentials_and_a_path_not_at_all(remote, shown):
    assert public_address(remote) == shown


def git(folder, *arguments):
    identity = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "one file").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_clean_clone_has_a_commit_and_no_changes(clone):
    facts, reason = git_facts(clone)
    assert reason is None
    assert len(facts["commit"]) == 40
    assert (facts["dirty"], facts["changed_files"], facts["remote"]) == (False, [], None)


def test_changed_and_new_files_are_named(clone):
    (clone / "one file").write_text("2")
    (clone / "new").write_text("")
    facts, _ = git_facts(clone)
    assert facts["dirty"]
    assert facts["changed_files"] == ["new", "one file"]


def test_a_renamed_file_is_named_once_and_newly(clone):
    git(clone, "mv", "one file", "renamed")
    assert git_facts(clone)[0]["changed_files"] == ["renamed"]


def test_a_folder_that_is_no_clone_has_a_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    facts, reason = git_facts(tmp_path)
    assert facts is None
    assert "not a git repository" in reason
