"""seal|open SOURCE TARGET: Tink's AES256_GCM_HKDF_1MB.

seal leaves its key beside the target, where open takes it from.
"""

import sys

from tink import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    json_proto_keyset_format,
    new_keyset_handle,
    secret_key_access,
    streaming_aead,
)

STEP_LEN = 1 << 20


def main(verb: str, source: str, target: str) -> None:
    """Run it."""
    streaming_aead.register()
    kept = f"{source if verb == 'open' else target}.keyset"
    if verb == "seal":
        template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
        keys = new_keyset_handle(template)
        with open(kept, "w") as file:  # noqa: PTH123
            file.write(json_proto_keyset_format.serialize(keys, secret_key_access.TOKEN))
    else:
        with open(kept) as file:  # noqa: PTH123
            keys = json_proto_keyset_format.parse(file.read(), secret_key_access.TOKEN)
    engine = keys.primitive(streaming_aead.StreamingAead)
    with open(source, "rb") as plain, open(target, "wb") as out:  # noqa: PTH123
        if verb == "seal":
            with engine.new_encrypting_stream(out, b"bench") as stream:
                while data := plain.read(STEP_LEN):
                    stream.write(data)
        else:
            with engine.new_decrypting_stream(plain, b"bench") as stream:
                while data := stream.read(STEP_LEN):
                    out.write(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
