"""Keys in a file and keys in a token do the same, and give nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from strongroom.errors import DamagedError, SourceError, UsageError
from strongroom.vault.server.hsm import PIN_VARIABLE, read_hsm
from strongroom.vault.server.keys.file import FileKeys
from strongroom.vault.server.keys.keeper import SEALED_MORE, TAG_LEN, Keeper, generation_of
from strongroom.vault.server.keys.source import Source
from strongroom.vault.server.keys.token import TokenKeys
from strongroom.vault.wire import NO_ID
from vault.tokens import PIN, SoftToken

RECORD = bytes(range(16))


@pytest.fixture(params=["file", "token", "key of its own"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Source, Callable[[], Source]]:
    """With a first generation; and how another process opens the same keys."""
    if request.param == "file":
        return FileKeys.make(tmp_path / "key"), lambda: FileKeys(tmp_path / "key")
    token: SoftToken = request.getfixturevalue("token")
    hsm = token.hsm(key_per_record=request.param != "token")
    made = TokenKeys(hsm)
    made.create(1)
    return made, lambda: TokenKeys(hsm)


@pytest.fixture
def source(opened: tuple[Source, Callable[[], Source]]) -> Source:
    return opened[0]


def keeper_of(*sources: Source) -> Keeper:
    keeper = Keeper(sources)
    keeper.use(max(keeper.generations()))
    return keeper


def test_what_is_sealed_opens_for_its_context_alone(source: Source) -> None:
    keeper = keeper_of(source)
    sealed = keeper.seal(b"a setup", b"mine", RECORD)
    assert len(sealed) == len(b"a setup") + SEALED_MORE
    assert b"a setup" not in sealed
    assert sealed != keeper.seal(b"a setup", b"mine", RECORD)
    assert keeper.unseal(sealed, b"mine") == b"a setup"
    with pytest.raises(DamagedError):
        keeper.unseal(sealed, b"his")
    for at in range(4 + 16, len(sealed)):
        with pytest.raises(DamagedError):
            keeper.unseal(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], b"mine")
    with pytest.raises(DamagedError):
        keeper.unseal(sealed[:-1], b"mine")


def test_a_tag_fits_its_name_and_data_alone(source: Source) -> None:
    keeper = keeper_of(source)
    tag = keeper.tag(b"row", b"data", keeper.generation)
    assert (len(tag), generation_of(tag)) == (TAG_LEN, 1)
    assert keeper.fits(b"row", b"data", tag)
    assert not keeper.fits(b"witness", b"data", tag)
    assert not keeper.fits(b"row", b"date", tag)
    assert not keeper.fits(b"row", b"data", tag[:-1])
    assert not keeper.fits(b"row", b"data", tag[:-1] + bytes([tag[-1] ^ 1]))
    assert keeper.mac(b"row", b"data") == tag[4:]


def test_another_process_has_the_same_keys(
    opened: tuple[Source, Callable[[], Source]],
) -> None:
    source, open_again = opened
    mine, his = keeper_of(source), keeper_of(open_again())
    assert mine.vault_id == his.vault_id
    assert his.unseal(mine.seal(b"a setup", b"c", RECORD), b"c") == b"a setup"
    assert his.mac(b"row", b"data") == mine.mac(b"row", b"data")


def test_generations_come_and_go_for_all_processes(
    opened: tuple[Source, Callable[[], Source]],
) -> None:
    source, open_again = opened
    mine, his = keeper_of(source), keeper_of(open_again())
    old = mine.seal(b"old", b"c", RECORD), mine.tag(b"row", b"data", 1)
    mine.create(2)
    mine.create(2)
    mine.use(2)
    new = mine.seal(b"new", b"c", RECORD), mine.tag(b"row", b"data", 2)
    assert new[1][4:] != old[1][4:]
    assert his.unseal(new[0], b"c") == b"new"  # hears of it when it meets it
    assert his.unseal(old[0], b"c") == b"old"
    mine.destroy_before(2)
    assert mine.generations() == keeper_of(open_again()).generations() == {2}
    later = keeper_of(open_again())
    assert later.unseal(new[0], b"c") == b"new"
    with pytest.raises(SourceError, match="generation 1 are missing"):
        later.unseal(old[0], b"c")
    with pytest.raises(SourceError, match="generation 1 are missing"):
        later.fits(b"row", b"data", old[1])


def test_a_file_moves_into_a_token(tmp_path: Path, token: SoftToken) -> None:
    soft = FileKeys.make(tmp_path / "key")
    before = keeper_of(soft).seal(b"a setup", b"c", RECORD)
    hard = TokenKeys(token.hsm(vault=soft.vault_id.hex()))
    keeper = keeper_of(hard, soft)
    assert keeper.unseal(before, b"c") == b"a setup"
    assert keeper.copyable() == [soft.describe()]
    keeper.create(2)
    assert (hard.generations(), soft.generations()) == ({2}, {1})
    keeper.destroy_before(2)
    assert keeper.generations() == {2}
    assert keeper.copyable() == []


def in_token(token: SoftToken) -> list[Any]:
    return [key for key in token.everything() if key[Attribute.CLASS] == ObjectClass.SECRET_KEY]


def test_no_key_can_be_got_out_of_the_token(token: SoftToken) -> None:
    source = TokenKeys(token.hsm(key_per_record=True))
    source.create(1)
    source.seal(1, RECORD, b"a setup", b"c")
    keys = in_token(token)
    assert len(keys) == 3
    session = token.session()
    wrapping = session.generate_key(
        KeyType.AES, 256, label="mine", capabilities=MechanismFlag.WRAP | MechanismFlag.UNWRAP
    )
    for key in keys:
        for wanted in ("SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "LOCAL", "PRIVATE"):
            assert key[Attribute[wanted]], wanted
        for unwanted in ("EXTRACTABLE", "MODIFIABLE", "COPYABLE", "WRAP", "UNWRAP", "DERIVE"):
            assert not key[Attribute[unwanted]], unwanted
        assert key[Attribute.ENCRYPT] != key[Attribute.SIGN]  # each has one use
        with pytest.raises(pkcs11.AttributeSensitive):
            key[Attribute.VALUE]
        with pytest.raises(pkcs11.PKCS11Error):
            key[Attribute.EXTRACTABLE] = True
        with pytest.raises(pkcs11.PKCS11Error):
            key.copy({Attribute.EXTRACTABLE: True})
        with pytest.raises(pkcs11.PKCS11Error):
            wrapping.wrap_key(key, mechanism=Mechanism.AES_KEY_WRAP)
    stored = [path.read_bytes() for path in token.folder.rglob("*.object")]
    assert len(stored) >= 3


def test_without_the_pin_the_token_shows_nothing(token: SoftToken) -> None:
    TokenKeys(token.hsm()).create(1)
    loaded = pkcs11.lib(str(token.module))
    loaded.reinitialize()
    stranger = loaded.get_token(token_label=token.label).open()
    assert list(stranger.get_objects()) == []


def test_a_key_of_its_own_goes_with_its_record(token: SoftToken) -> None:
    source = TokenKeys(token.hsm(key_per_record=True))
    source.create(1)
    other = bytes(16 * [9])
    mine, his = (source.seal(1, who, b"a setup", b"c") for who in (RECORD, other))
    names = source.seal(1, NO_ID, b"names", b"c")
    assert set(source.records()) == {RECORD, other}
    source.forget(NO_ID)
    source.forget(RECORD)
    assert set(source.records()) == {other}
    with pytest.raises(DamagedError):
        source.unseal(1, mine, b"c")
    assert source.unseal(1, his, b"c") == b"a setup"
    assert source.unseal(1, names, b"c") == b"names"
    # Also where new records get none any more.
    later = TokenKeys(token.hsm())
    assert later.unseal(1, his, b"c") == b"a setup"
    later.forget(other)
    assert set(later.records()) == set()


def test_a_token_that_was_away_is_used_again(
    token: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.vault.server.keys.token._REST_S", 0)
    source = TokenKeys(token.hsm())
    source.create(1)
    sealed = source.seal(1, RECORD, b"a setup", b"c")
    known = source.mac(1, b"data")
    token.take_away()
    for use in (
        lambda: source.seal(1, RECORD, b"a setup", b"c"),
        lambda: source.unseal(1, sealed, b"c"),
        lambda: source.mac(1, b"other data"),
        lambda: source.check(1),
        source.generations,
    ):
        with pytest.raises(SourceError, match=f"the token {token.label} of .* does not answer"):
            use()
    with pytest.raises(SourceError, match="does not answer"):
        TokenKeys(token.hsm())
    token.bring_back()
    assert source.unseal(1, sealed, b"c") == b"a setup"
    assert source.mac(1, b"data") == known
    # The module ended by others, and the session alone.
    pkcs11.lib(str(token.module)).reinitialize()
    assert source.mac(1, b"more data") == TokenKeys(token.hsm()).mac(1, b"more data")
    token.session().close()
    source.check(1)


def test_a_token_that_does_not_answer_is_left_alone_for_a_moment(
    token: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = TokenKeys(token.hsm())
    source.create(1)
    token.take_away()
    monkeypatch.setattr("strongroom.vault.server.keys.token._REST_S", 3600)
    with pytest.raises(SourceError, match="does not answer"):
        source.check(1)
    token.bring_back()
    with pytest.raises(SourceError, match="a moment ago"):
        source.check(1)


def test_a_refused_pin_is_not_tried_again(token: SoftToken) -> None:
    """Or the token would lock itself."""
    source = TokenKeys(token.hsm())
    source.create(1)
    session = token.session()
    session.set_pin(PIN, "another pin")
    pkcs11.lib(str(token.module)).reinitialize()
    with pytest.raises(UsageError, match="refuses the PIN"):
        source.check(1)
    loaded = pkcs11.lib(str(token.module))
    right = loaded.get_token(token_label=token.label).open(rw=True, user_pin="another pin")
    right.set_pin("another pin", PIN)
    loaded.reinitialize()
    with pytest.raises(UsageError, match="refuses the PIN"):
        source.check(1)  # though it would be right
    TokenKeys(token.hsm()).check(1)


def test_the_pin_comes_from_a_private_file_or_the_environment(
    token: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    token.pin_file.chmod(0o640)
    with pytest.raises(UsageError, match="can be read by others"):
        token.hsm().pin()
    token.pin_file.unlink()
    with pytest.raises(SourceError, match="No such file"):
        token.hsm().pin()
    with pytest.raises(UsageError, match="there is no PIN"):
        token.hsm(pin_file=None).pin()
    monkeypatch.setenv(PIN_VARIABLE, PIN)
    assert token.hsm(pin_file=None).pin() == PIN
    with pytest.raises(UsageError, match="there is no PIN"):
        token.hsm(pin_file=None).pin()  # nothing that is started later has it


@pytest.mark.parametrize(
    "table",
    [
        {"module": "m.so", "token": "t"},
        {"module": "m.so", "token": "t", "vault": "00" * 15},
        {"module": "m.so", "token": "t", "vault": "zz" * 16},
        {"module": "m.so", "token": "", "vault": "00" * 16},
        {"module": "m.so", "token": "t", "vault": "00" * 16, "pin": "1234"},
        {"module": "m.so", "token": "t", "vault": "00" * 16, "key_per_record": "yes"},
        ["m.so"],
    ],
)
def test_another_table_is_refused(tmp_path: Path, table: Any) -> None:
    with pytest.raises(UsageError, match=r"\[hsm\]"):
        read_hsm(table, tmp_path)


def test_a_module_that_is_none_and_a_token_that_is_not_there_are_named(token: SoftToken) -> None:
    for hsm in (token.hsm(module=token.folder / "none.so"), token.hsm(token="another")):
        with pytest.raises(SourceError, match=f"the token {hsm.token} of {hsm.module}"):
            TokenKeys(hsm)


def test_two_vaults_share_a_token(token: SoftToken) -> None:
    sources = [TokenKeys(token.hsm(vault=secrets.token_hex(16))) for _ in range(2)]
    for source in sources:
        source.create(1)
    sealed = sources[0].seal(1, RECORD, b"a setup", b"c")
    with pytest.raises(DamagedError):
        sources[1].unseal(1, sealed, b"c")
    sources[1].destroy_before(2)
    assert sources[1].generations() == frozenset()
    assert sources[0].unseal(1, sealed, b"c") == b"a setup"
