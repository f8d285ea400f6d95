"""The user's keys and what they agreed to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from ediffi.core.errors import Notice, UserError
from ediffi.output import save_picture
from ediffi.trust.keys import (
    FILES,
    Settings,
    create_keys,
    import_keys,
    load_keys,
    load_settings,
    save_settings,
)
from ediffi.trust.reading import read_manifest

PIXELS = np.zeros((8, 8, 3), np.uint8)


def test_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert load_keys(folder) is None
    made = create_keys(folder, "Studio Fuchs")
    assert load_keys(folder) == made and sorted(os.listdir(folder)) == sorted(FILES)
    for name in FILES:
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    facts = made.described()
    assert facts["name"] == "Studio Fuchs" and facts["issuer"].startswith("Studio Fuchs (self-made")
    with pytest.raises(UserError, match="holds keys already"):
        create_keys(folder, "Another")
    assert load_keys(folder) == made


def test_the_first_picture_makes_a_key_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDIFFI_KEYS", str(tmp_path / "keys"))
    with pytest.warns(Notice, match="signed with a key that was made now"):
        save_picture(tmp_path / "a.png", PIXELS, {})
    keys = load_keys(tmp_path / "keys")
    assert keys is not None
    save_picture(tmp_path / "b.png", PIXELS, {})  # no word any more
    for name in ("a.png", "b.png"):
        assert read_manifest((tmp_path / name).read_bytes(), [keys.root]).status == "trusted"


def test_who_does_not_want_to_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDIFFI_KEYS", str(tmp_path / "keys"))
    save_settings(tmp_path / "keys", Settings(sign=False))
    assert load_settings(tmp_path / "keys") == Settings(sign=False)
    save_picture(tmp_path / "a.png", PIXELS, {})
    assert read_manifest((tmp_path / "a.png").read_bytes()).status == "absent"
    assert load_keys(tmp_path / "keys") is None


def test_keys_that_cannot_be_used_leave_the_picture_unsigned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "keys"
    monkeypatch.setenv("EDIFFI_KEYS", str(folder))
    create_keys(folder, "me")
    (folder / "key.pem").write_text("no key")
    with pytest.raises(UserError, match="cannot use the keys in"):
        load_keys(folder)
    with pytest.warns(Notice, match="not signed: cannot use the keys"):
        save_picture(tmp_path / "a.png", PIXELS, {})
    assert read_manifest((tmp_path / "a.png").read_bytes()).status == "absent"
    (folder / "settings.json").write_text('{"sign": "perhaps"}')
    with pytest.raises(UserError, match=r"settings\.json, sign"):
        load_settings(folder)


def test_certificates_from_elsewhere(tmp_path: Path) -> None:
    theirs = create_keys(tmp_path / "authority", "Brand")
    create_keys(tmp_path / "other", "Other")
    chain, key = tmp_path / "authority" / "chain.pem", tmp_path / "authority" / "key.pem"
    mine = import_keys(tmp_path / "mine", chain, key)
    assert (mine.chain, mine.key, mine.root) == (theirs.chain, theirs.key, theirs.root)
    with pytest.raises(UserError, match="is not the key of"):
        import_keys(tmp_path / "wrong", chain, tmp_path / "other" / "key.pem")
    assert load_keys(tmp_path / "wrong") is None
    with pytest.raises(UserError, match="cannot read"):
        import_keys(tmp_path / "wrong", chain, tmp_path / "none.pem")
