"""A laptop's signing keys: made once, rotated, and never anybody's guess."""

from pathlib import Path

import pytest

from followups.adapters.local import rotate_secret, secret_keys
from followups.domain.errors import StoreError
from followups.domain.lineage import RunToken, read_run_token, sign_run
from tests.support.laptop import Laptop
from tests.support.things import DEADLINE

RUN = RunToken("me", "a" * 26, 1, DEADLINE)


def test_a_key_is_made_once_for_its_user_only(tmp_path: Path) -> None:
    [key] = secret_keys(tmp_path / "home/secret")
    assert len(key) == 32 and secret_keys(tmp_path / "home/secret") == (key,)
    assert (tmp_path / "home/secret").stat().st_mode & 0o777 == 0o600


def test_what_was_signed_before_a_rotation_is_good_until_the_next(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    token = sign_run(RUN, secret_keys(path)[0])
    rotate_secret(path)
    assert read_run_token(token, secret_keys(path)) == RUN
    assert sign_run(RUN, secret_keys(path)[0]) != token, "a new key signs"
    rotate_secret(path)
    with pytest.raises(Exception, match="invalid_run_token"):
        read_run_token(token, secret_keys(path))


@pytest.mark.parametrize("name", ["secret", "secret.previous"])
def test_what_is_no_key_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("changeme")
    with pytest.raises(StoreError, match=rf"/{name} is no signing key \(8 bytes, not 32\)"):
        secret_keys(tmp_path / "secret")


def test_the_command_rotates(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path / "home")
    laptop.here("list")
    [before] = secret_keys(laptop.home / "secret")
    done = laptop.here("config", "--rotate-secret")
    assert (done.returncode, done.stdout.splitlines()[0][:23]) == (0, "Signing with a new key.")
    assert secret_keys(laptop.home / "secret")[1] == before
    assert laptop.here("config", "cap", "--rotate-secret").returncode == 2
