"""The C core, as Python sees it. The only module that touches ffi."""

from strongroom._native import ffi, lib


def versions() -> dict[str, str]:
    """Versions of the libraries the core runs on."""
    return {
        "openssl": ffi.string(lib.srm_openssl_version()).decode("ascii"),
        "zstd": ffi.string(lib.srm_zstd_version()).decode("ascii"),
        "blake3": ffi.string(lib.srm_blake3_version()).decode("ascii"),
    }
