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
    "core": "from strongroom._core import versions; assert versions()['openssl']",
}
ORDERS = list(itertools.permutations(USES))


@pytest.mark.parametrize("first", USES)
def test_each_works_whatever_was_loaded_before(first: str) -> None:
    for order in (each for each in ORDERS if each[0] == first):
        code = "\n".join([*(USES[name] for name in order), *(USES[name] for name in order)])
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), order
