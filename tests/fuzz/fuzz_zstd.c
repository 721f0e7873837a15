/* Any bytes as a stored chunk. The first three of the input say how long it claims to be. */
#include "base/bytes.h"
#include "codec/zstd.h"
#include "fuzz.h"

#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static decompressor *codec;
    if (codec == NULL)
        HOLDS(decompressor_new(&codec) == SRM_OK);
    if (len < 3)
        return 0;
    size_t raw_len = ((size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2]) % SRM_CHUNK_LEN + 1;
    data += 3;
    len -= 3;
    uint8_t *raw = malloc(raw_len); /* to the byte, for the sanitizers */
    HOLDS(raw != NULL);
    srm_status status = decompressor_run(codec, data, len, raw, raw_len);
    HOLDS(status == SRM_OK || status == SRM_EDAMAGED);
    if (status == SRM_OK) {
        /* One frame of that length, as zstd itself sees it. */
        HOLDS(ZSTD_getFrameContentSize(data, len) == raw_len);
        HOLDS(ZSTD_findFrameCompressedSize(data, len) == len);
        HOLDS(ZSTD_getDictID_fromFrame(data, len) == 0);
    }
    free(raw);
    return 0;
}
