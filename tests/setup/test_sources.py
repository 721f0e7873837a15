"""Sources are taken only with the hash or the signature they must have."""

import tarfile
from pathlib import Path

import pytest

from csrc.deps import blake3, openssl
from csrc.deps.apt import DISTRIBUTIONS, Mirror, sources_text
from csrc.deps.errors import DepsError
from csrc.deps.sources import Release, file_sha256, first_of, tarball, upstream
from csrc.deps.toolchain import Package

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    tree = tmp_path / "lib-1.0"
    tree.mkdir()
    (tree / "lib.c").write_text("int lib;\n")
    path = tmp_path / "lib-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tree, arcname="lib-1.0")
    return path


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def test_a_release_of_the_pinned_hash_is_unpacked(archive: Path, into: Path) -> None:
    source = upstream(Release(archive.as_uri(), file_sha256(archive)))
    assert (source(into).folder / "lib.c").read_text() == "int lib;\n"


def test_a_release_of_another_hash_is_refused(archive: Path, into: Path) -> None:
    source = upstream(Release(archive.as_uri(), "0" * 64))
    with pytest.raises(DepsError, match="refused, SHA-256 is"):
        source(into)
    assert [each for each in into.iterdir() if each.is_dir()] == []


def test_the_next_source_is_tried_when_one_fails(archive: Path, into: Path) -> None:
    refused = upstream(Release(archive.as_uri(), "0" * 64))
    assert first_of([refused, tarball(archive)], into).origin.startswith("tarball lib-1.0.tar.gz")


def test_without_a_source_all_reasons_are_given(archive: Path, into: Path) -> None:
    absent = archive.with_name("absent.tar.gz")
    with pytest.raises(DepsError, match=r"refused[^\n]*\n.*absent.tar.gz: no such file"):
        first_of([upstream(Release(archive.as_uri(), "0" * 64)), tarball(absent)], into)


def test_a_wrong_blake3_tarball_names_the_variable(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(blake3.TARBALL, str(archive))
    with pytest.raises(DepsError, match=r"hint: .* STRONGROOM_BLAKE3_TARBALL"):
        blake3.ensure()


def test_a_missing_openssl_falls_back_on_the_system_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(openssl.TARBALL, str(tmp_path / "absent.tar.gz"))
    monkeypatch.setenv(openssl.CHOICE, "fastest")
    monkeypatch.setattr(openssl, "system_package", lambda _: Package("3.0.2", (), ("-lcrypto",)))
    library = openssl.ensure()
    assert library.link_args == ("-lcrypto",)
    assert library.note.startswith("openssl: linked the system's 3.0.2;")


def test_a_recent_system_openssl_is_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(openssl.TARBALL, raising=False)
    monkeypatch.setattr(openssl, "system_package", lambda _: Package("3.5.1", (), ("-lcrypto",)))
    library = openssl.ensure()
    assert (library.archives, library.note) == ((), "")


@pytest.mark.parametrize("origin", sorted(DISTRIBUTIONS))
def test_apt_sources_leave_the_check_of_signatures_alone(origin: str) -> None:
    for suite in DISTRIBUTIONS[origin].suites:
        text = sources_text(Mirror("https://mirror.example/", origin), suite)
        kinds = [line.split()[0] for line in text.splitlines()]
        assert kinds == ["deb", "deb-src"]
        assert "trusted" not in text
        assert "insecure" not in text
        assert "weak" not in text


def test_no_option_of_apt_turns_a_check_off() -> None:
    files = [*(REPOSITORY / "csrc/deps").glob("*.py"), *(REPOSITORY / "dev").glob("*.py")]
    for file in files:
        text = file.read_text().lower()
        for option in ("unauthenticated", "insecure", "allow-weak", "allowweak", "trusted=yes"):
            assert option not in text, f"{file.name} has {option}"
