"""The interpreter's OpenSSL, cryptography's and ours do not meet in one process."""

import itertools
import subprocess
import sys

import pytest

USES = {
    "ssl": "import ssl; ssl.create_default_context()",
    "hashlib": "import hashlib; assert hashlib.new('sha256', b'abc').hexdigest()[:8] == 'ba7816bf'",
    "cryptography": (
        "from cryptography.hazmat.primitives.ciphers.aead import AESGCM;"
        " box = AESGCM(bytes(32));"
        " assert box.decrypt(bytes(12), box.encrypt(bytes(12), b'film', None), None) == b'film'"
    ),
    "core": (
        "from strongroom._core.build import build_info; assert build_info().openssl;"
        " from strongroom import RootKey, open_bytes, seal_bytes;"
        " key = RootKey.generate();"
        " assert open_bytes(seal_bytes(b'film' * 10**6, key=key), key=key) == b'film' * 10**6"
    ),
}
SYMBOLS_FOR_ALL = "import os, sys; sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)"


def run(*lines: str) -> None:
    code = "\n".join(lines)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), code


@pytest.mark.parametrize("first", USES)
def test_each_works_whatever_was_loaded_before(first: str) -> None:
    for order in itertools.permutations(USES):
        if order[0] == first:
            uses = [USES[name] for name in order]
            run(*uses, *uses)


@pytest.mark.parametrize("first", USES)
def test_each_works_when_libraries_offer_their_symbols_to_all(first: str) -> None:
    uses = [USES[first], *USES.values()]
    run(SYMBOLS_FOR_ALL, *uses)
