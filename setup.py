"""Build the C core; everything else is declared in pyproject.toml."""

import sysconfig

from setuptools import setup

# The stable ABI does not exist on free-threaded builds of CPython 3.13+.
STABLE_ABI = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    cffi_modules=["csrc/build_ffi.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE_ABI else {},
)
