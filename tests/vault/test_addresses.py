"""Where a vault is: addresses, certificates, and nothing without TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from program import Program
from strongroom import RootKey, SourceError, UsageError
from strongroom.vault.client.address import parse_address
from strongroom.vault.client.endpoint import _context
from vault.certificates import make_certificate
from vault.machines import make_home
from vault.service import Service, served

ADDRESSES = [
    "vault.example",
    "ftp://x",
    "http://vault.example:1",
    "https://u:p@x",
    "https://x/y",
    "https://x?y",
    "https://x:99999",
    "http://[::1",
    "https://x#1234",
    "https://é",
    "https://x,",
    "https://x,http://vault.example",
    "https://x#1234,https://y",
    "https://a,https://b,https://c,https://d",
    "",
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        parse_address(url)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://Vault.Example", "https://vault.example:443"),
        ("https://vault.example:8765/", "https://vault.example:8765"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://localhost:1#" + "ab" * 16, "http://localhost:1"),
        ("http://[::1]:1", "http://[::1]:1"),
        ("https://A,https://b:1,https://a:443", "https://a:443,https://b:1"),
    ],
)
def test_an_address_is_compared_in_one_form(url: str, normal: str) -> None:
    assert parse_address(url)[0].url == normal


def test_without_tls_nothing_is_asked(program: Program, key: RootKey, service: Service) -> None:
    home = make_home(program, key, service, "plain")
    words = ("key", "add-vault", "http://vault.example:1", *home.account, "--key-file", "my.key")
    run = home.machine(*words, "--vault-password-file", "pw", code=2)
    assert "without TLS others could listen in" in run.err


def test_a_certificate_can_be_pinned_and_others_are_refused(
    program: Program, key: RootKey, tmp_path: Path
) -> None:
    certificate, private = make_certificate(tmp_path, "mine")
    other, _ = make_certificate(tmp_path, "other")
    with served(tmp_path / "vault", tls=(certificate, private)) as service:
        assert service.url.startswith("https://")
        home = make_home(program, key, service, "anna")
        add = ("key", "add-vault", service.url, *home.ask, "--key-file", "my.key")
        assert "--vault-cert FILE" in home.machine(*add, code=17).err
        assert "certificate" in home.machine(*add, "--vault-cert", other, code=17).err
        home.machine(*add, "--vault-cert", certificate, "--sheet", "sheet")
        assert "vault.token --vault-cert vault.pem latest" in (home.folder / "sheet").read_text()
        home.machine("snapshots", *home.ask)
        home.machine("snapshots", *home.ask, "--vault-cert", other, code=17)
        plain = service.url.replace("https", "http")
        home.machine("snapshots", "--vault", plain, *home.ask, code=13)


def test_tls_is_1_2_or_later(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path, "mine")
    for pem in (None, certificate.read_text()):
        assert _context(pem).minimum_version == ssl.TLSVersion.TLSv1_2
    assert _context(pem).cert_store_stats()["x509"] == 1  # and none that the system trusts


@pytest.mark.parametrize("pem", ["", "h\ufffdi", "junk"])
def test_what_is_no_certificate_is_named(pem: str) -> None:
    with pytest.raises(SourceError, match="certificate"):
        _context(pem)
