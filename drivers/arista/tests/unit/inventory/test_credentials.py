"""Secrets come from where the inventory says, at every connect, and are shown nowhere."""

import traceback

import pytest
from jackfield_arista.inventory.credentials import Credential, Credentials, CredentialUnreadable
from pydantic import ValidationError

SECRET = "correct horse battery"


def a_credential(**fields):
    return Credential.model_validate({"name": "leafs", "username": "jackfield"} | fields)


def test_a_secret_is_read_anew_at_every_connect(tmp_path, monkeypatch):
    """A file that was replaced and a variable that was set again count from the next connect on."""
    file = tmp_path / "password"
    file.write_text("old\n")
    by_file = a_credential(password=f"file:{file}")
    by_variable = a_credential(password="env:LEAF_PASSWORD")
    monkeypatch.setenv("LEAF_PASSWORD", "first")

    assert (by_file.read().password, by_variable.read().password) == ("old", "first")
    file.write_text("new\r\n")
    monkeypatch.setenv("LEAF_PASSWORD", "second")
    assert (by_file.read().password, by_variable.read().password) == ("new", "second")


def test_a_key_is_used_by_its_path(tmp_path):
    """The key file is given on, and what opens it is read from its own reference."""
    key, opener = tmp_path / "key", tmp_path / "opener"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
    opener.write_text("sesame")

    assert a_credential(key_file=str(key), passphrase=f"file:{opener}").read() == Credentials(
        "jackfield", None, key, "sesame"
    )


def test_a_secret_is_in_no_text(tmp_path):
    """Neither the credential nor what was read shows it, in repr, str or the model's dump."""
    file = tmp_path / "password"
    file.write_text(SECRET)
    credential = a_credential(password=f"file:{file}")

    for shown in (credential, credential.read(), credential.model_dump(), credential.model_dump_json()):
        assert SECRET not in repr(shown)
        assert SECRET not in str(shown)


@pytest.mark.parametrize("reference", [SECRET, f"file:{SECRET}", "file:relative/path", "env:", "env:A B", "vault:x"])
def test_a_secret_in_the_place_of_a_reference_is_refused_and_not_quoted(reference):
    """Whoever writes the password itself is told so, without it."""
    with pytest.raises(ValidationError) as caught:
        a_credential(password=reference)

    text = "".join(traceback.format_exception(caught.value))
    assert "must name where the secret is" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        ({}, "needs password (file:… or env:…) or key_file"),
        ({"password": "env:A", "passphrase": "env:B"}, "passphrase opens a key_file, and there is none"),
        ({"key_file": "key"}, "key_file must be an absolute path"),
    ],
)
def test_a_credential_proves_something(fields, fact):
    """A credential without any proof, or with half of one, is a mistake."""
    with pytest.raises(ValidationError) as caught:
        a_credential(**fields)
    assert fact in str(caught.value)


def test_a_reference_that_leads_nowhere_is_named(tmp_path, monkeypatch):
    """The error says which credential and which place, for a file, a variable and a key."""
    monkeypatch.delenv("LEAF_PASSWORD", raising=False)
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    missing = tmp_path / "missing"

    for fields, reason in (
        ({"password": "env:LEAF_PASSWORD"}, "password: env:LEAF_PASSWORD is empty or not set"),
        ({"password": f"file:{empty}"}, f"password: file:{empty} is empty or not set"),
        ({"password": f"file:{binary}"}, f"password: {binary} is not text"),
        ({"password": f"file:{missing}"}, f"password: {missing}: No such file or directory"),
        ({"key_file": str(missing)}, f"key_file: {missing}: No such file or directory"),
    ):
        with pytest.raises(CredentialUnreadable) as caught:
            a_credential(**fields).read()
        assert caught.value.reason == f"credential leafs: {reason}"
