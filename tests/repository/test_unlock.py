"""Making a repository, its slots, and getting in by key or password."""

from __future__ import annotations

import hashlib

import pytest

from repository.support import CONFIG, ROOT, MemoryStore, cheap
from strongroom import (
    DamagedError,
    LimitError,
    NoRepositoryError,
    ObjectExistsError,
    RootKey,
    SourceError,
    TargetError,
    TargetExistsError,
    UsageError,
    WrongKeyError,
)
from strongroom.keys.slot import make_slot
from strongroom.repository.create import check_vacant, create_repository
from strongroom.repository.diagnose import find_mistyping
from strongroom.repository.slots import (
    SLOTS_MAX,
    SlotList,
    add_slot,
    find_slot,
    read_slots,
    remove_slot,
    replace_slot,
)
from strongroom.repository.unlock import unlock

DOING = "testing"
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def slot() -> bytes:
    """For PASSWORD, as stored."""
    return make_slot(cheap(PASSWORD), CONFIG.repo_id, ROOT, created=1)


@pytest.fixture
def store(slot: bytes) -> MemoryStore:
    """A repository with that slot."""
    store = MemoryStore()
    put(store, slot)
    return store


def put(store: MemoryStore, slot: bytes) -> None:
    store.put(f"keys/{slot[16:32].hex()}", slot)


def fake_slot(slot: bytes, n: int) -> bytes:
    """Another id, and so a slot that nothing opens."""
    content = slot[:16] + n.to_bytes(16, "big") + slot[32:-32]
    return content + hashlib.sha256(content).digest()


def test_a_new_repository_is_opened_by_key_and_password() -> None:
    store = MemoryStore(None)
    config = create_repository(store, ROOT, password=cheap(PASSWORD), doing=DOING)
    by_key = unlock(store, ROOT, doing=DOING)
    by_password = unlock(store, cheap(PASSWORD), doing=DOING)
    assert (by_key.config, by_key.root, by_key.slot_id) == (config, ROOT, None)
    assert (by_password.config, by_password.root) == (config, ROOT)
    assert by_password.slot_id is not None
    assert vars(by_key.keys) == vars(by_password.keys)
    assert len(store.objects) == 2


def test_repositories_differ_though_the_key_is_the_same() -> None:
    ids = {create_repository(MemoryStore(None), ROOT, doing=DOING).repo_id for _ in range(3)}
    assert len(ids) == 3


def test_a_repository_is_made_once(store: MemoryStore) -> None:
    before = dict(store.objects)
    with pytest.raises(TargetExistsError):
        create_repository(store, ROOT, password=cheap(PASSWORD), doing=DOING)
    assert store.objects == before


def test_of_two_that_make_one_repository_one_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    monkeypatch.setattr(store, "exists", lambda _name: False)
    with pytest.raises(TargetExistsError, match="there is one already"):
        create_repository(store, RootKey.generate(), password=cheap(PASSWORD), doing=DOING)
    assert store.objects == {"config": CONFIG.stored}


@pytest.mark.parametrize("name", ["keys/" + "ab" * 16, "log/0000000000000001", "segments/ab/cd"])
def test_no_repository_is_made_on_ruins(name: str) -> None:
    store = MemoryStore(None)
    store.put(name, b"x")
    with pytest.raises(DamagedError, match="whose config is missing"):
        check_vacant(store, doing=DOING)


def test_a_wrong_key_or_password_is_refused(store: MemoryStore) -> None:
    with pytest.raises(WrongKeyError, match="another repository, or it is mistyped"):
        unlock(store, RootKey(bytes(32)), doing=DOING)
    with pytest.raises(WrongKeyError, match="wrong password"):
        unlock(store, cheap("incorrect horse"), doing=DOING)


def test_a_password_where_there_is_no_slot() -> None:
    with pytest.raises(WrongKeyError, match="has no password") as caught:
        unlock(MemoryStore(), cheap(PASSWORD), doing=DOING)
    assert "--key-file" in (caught.value.hint or "")


def test_nothing_is_no_repository() -> None:
    for credential in (ROOT, cheap(PASSWORD)):
        with pytest.raises(NoRepositoryError):
            unlock(MemoryStore(None), credential, doing=DOING)


def test_any_of_several_passwords_opens(store: MemoryStore) -> None:
    added = add_slot(store, CONFIG, ROOT, cheap("another"), created=0, doing=DOING)
    assert [s.created for s in read_slots(store, CONFIG, doing=DOING).good] == [0, 1]
    assert unlock(store, cheap("another"), doing=DOING).slot_id == added.slot_id
    assert unlock(store, cheap(PASSWORD), doing=DOING).slot_id != added.slot_id


def test_a_damaged_slot_does_not_keep_others_from_opening(store: MemoryStore) -> None:
    store.put("keys/" + "00" * 16, b"nonsense")
    assert unlock(store, cheap(PASSWORD), doing=DOING).root == ROOT
    with pytest.raises(DamagedError, match="key slot 0000"):
        unlock(store, cheap("incorrect horse"), doing=DOING)


def test_a_costly_slot_does_not_keep_others_from_opening(store: MemoryStore, slot: bytes) -> None:
    content = slot[:16] + bytes(16) + slot[32:72] + (2 << 20).to_bytes(4, "big") + slot[76:-32]
    put(store, content + hashlib.sha256(content).digest())
    assert unlock(store, cheap(PASSWORD), doing=DOING).root == ROOT
    with pytest.raises(LimitError, match="unusually costly"):
        unlock(store, cheap("incorrect horse"), doing=DOING)


def test_slots_of_other_repositories_or_under_other_names_are_damaged(slot: bytes) -> None:
    store = MemoryStore()
    store.put("keys/" + "00" * 16, slot)
    put(store, make_slot(cheap(PASSWORD), bytes(32), ROOT, created=1))
    slots = read_slots(store, CONFIG, doing=DOING)
    assert len(slots.bad) == 2
    assert all("it belongs elsewhere" in str(error) for _, error in slots.bad)


def test_a_slot_with_another_key_is_damage() -> None:
    store = MemoryStore()
    put(store, make_slot(cheap(PASSWORD), CONFIG.repo_id, RootKey(bytes(32)), created=1))
    with pytest.raises(DamagedError, match="holds the key of another repository"):
        unlock(store, cheap(PASSWORD), doing=DOING)


def test_what_is_no_slot_is_ignored(store: MemoryStore) -> None:
    for name in ("keys/readme", "keys/" + "AB" * 16, "keys/" + "ab" * 15, "keys/a/b"):
        store.objects[name] = b"x"
    assert read_slots(store, CONFIG, doing=DOING).total == 1


def test_a_store_cannot_make_us_try_slots_without_end(store: MemoryStore, slot: bytes) -> None:
    for n in range(SLOTS_MAX):
        put(store, fake_slot(slot, n))
    assert read_slots(store, CONFIG, doing=DOING).total == SLOTS_MAX + 1
    put(store, fake_slot(slot, 99))
    with pytest.raises(LimitError, match="10 key slots, where 8 can be"):
        unlock(store, cheap(PASSWORD), doing=DOING)
    assert unlock(store, ROOT, doing=DOING).root == ROOT


def test_eight_slots_are_all_there_can_be(store: MemoryStore, slot: bytes) -> None:
    for n in range(SLOTS_MAX - 1):
        put(store, fake_slot(slot, n))
    with pytest.raises(LimitError, match="8 key slots already"):
        add_slot(store, CONFIG, ROOT, cheap("x"), created=0, doing=DOING)
    replace_slot(store, CONFIG, ROOT, cheap("x"), old=bytes(16), created=0, doing=DOING)
    assert read_slots(store, CONFIG, doing=DOING).total == SLOTS_MAX


class FailingStore(MemoryStore):
    """Does not delete."""

    def delete(self, name: str) -> None:
        raise TargetError(f"deleting {name}: no")


def test_a_change_that_is_cut_short_leaves_both_passwords(slot: bytes) -> None:
    store = FailingStore()
    put(store, slot)
    with pytest.raises(TargetError):
        replace_slot(store, CONFIG, ROOT, cheap("new one"), old=slot[16:32], created=2, doing=DOING)
    for password in (PASSWORD, "new one"):
        assert unlock(store, cheap(password), doing=DOING).root == ROOT


def test_a_slot_that_someone_removes_meanwhile_is_not_damage(
    store: MemoryStore, slot: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*store.list("keys/"), "keys/" + "ab" * 16]
    monkeypatch.setattr(store, "list", lambda _prefix: iter(names))
    slots = read_slots(store, CONFIG, doing=DOING)
    assert (len(slots.good), slots.bad) == (1, ())
    remove_slot(store, slot[16:32])
    assert replace_slot(store, CONFIG, ROOT, cheap("x"), old=slot[16:32], created=0, doing=DOING)


def test_a_slot_is_found_by_the_beginning_of_its_id(slot: bytes) -> None:
    store = MemoryStore()
    for n in (0xAB << 120, 0xABCD << 112, 0xABCE << 112):
        put(store, fake_slot(slot, n))
    store.put("keys/" + "cd" * 16, b"damaged")
    slots: SlotList = read_slots(store, CONFIG, doing=DOING)
    assert find_slot(slots, "abcd", doing=DOING).hex() == "abcd" + "0" * 28
    assert find_slot(slots, "CDCD", doing=DOING).hex() == "cd" * 16
    assert find_slot(slots, "ab" + "0" * 30, doing=DOING).hex() == "ab" + "0" * 30
    for name in ("abc", "", "xyzw", "latest"):
        with pytest.raises(UsageError, match="names no slot"):
            find_slot(slots, name, doing=DOING)
    with pytest.raises(SourceError, match="no slot ffff"):
        find_slot(slots, "ffff", doing=DOING)


def test_no_slot_is_overwritten(store: MemoryStore, slot: bytes) -> None:
    with pytest.raises(ObjectExistsError):
        put(store, slot)


# --- A mistyped key ---


def test_every_single_mistyping_is_found() -> None:
    digits = ROOT.to_digits().replace(" ", "")
    for place in range(0, 64, 7):
        wrong = f"{15 - int(digits[place], 16):x}"
        typed = RootKey.from_digits(digits[:place] + wrong + digits[place + 1 :])
        found = find_mistyping(CONFIG, typed)
        assert found is not None
        assert found.groups == (place // 4 + 1,)
        assert found.right == (ROOT.to_digits().split()[place // 4],)


def test_a_key_that_is_wrong_in_more_places_is_not_guessed_at() -> None:
    assert find_mistyping(CONFIG, RootKey(bytes(32))) is None
    secret = bytearray(ROOT.to_bytes())
    secret[3] ^= 1
    secret[30] ^= 1
    assert find_mistyping(CONFIG, RootKey(bytes(secret))) is None
