/* The core's primitives against published vectors. The argument is the folder of the vectors. */
#include "base/bytes.h"
#include "check.h"
#include "crypto/aead.h"
#include "crypto/hash.h"

#include <inttypes.h>

#define FIELD_MAX 8
#define BYTES_MAX 16384

static const char *folder;

typedef struct bytes {
    size_t len;
    uint8_t data[BYTES_MAX];
} bytes;

static uint8_t nibble(char digit) {
    static const char digits[] = "0123456789abcdef";
    const char *at = strchr(digits, digit);
    CHECK(digit != '\0' && at != NULL);
    return (uint8_t)(at - digits);
}

static void parse_hex(const char *text, bytes *out) {
    size_t digits = strlen(text);
    out->len = 0;
    if (strcmp(text, "-") == 0)
        return;
    CHECK(digits % 2 == 0 && digits / 2 <= BYTES_MAX);
    for (size_t i = 0; i < digits; i += 2)
        out->data[out->len++] = (uint8_t)(nibble(text[i]) << 4 | nibble(text[i + 1]));
}

static size_t parse_number(const char *text) {
    char *end = NULL;
    uintmax_t value = strtoumax(text, &end, 10);
    CHECK(end != text && *end == '\0' && value <= SIZE_MAX);
    return (size_t)value;
}

static bool parse_verdict(const char *text) {
    bool valid = strcmp(text, "valid") == 0;
    CHECK(valid || strcmp(text, "invalid") == 0);
    return valid;
}

/* Run `check` on the fields of every line that is not a comment; there must be case_count. */
static void each_case(
    const char *name, size_t field_count, size_t case_count, void (*check)(char *const *)) {
    char path[4096];
    char *line = NULL;
    size_t line_cap = 0;
    size_t seen = 0;
    CHECK((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) < sizeof path);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (getline(&line, &line_cap, file) > 0) {
        char *fields[FIELD_MAX];
        char *rest = NULL;
        size_t count = 0;
        if (line[0] == '#')
            continue;
        for (char *f = strtok_r(line, " \n", &rest); f != NULL; f = strtok_r(NULL, " \n", &rest)) {
            CHECK(count < field_count);
            fields[count++] = f;
        }
        CHECK(count == field_count);
        check(fields);
        seen++;
    }
    CHECK(seen == case_count);
    free(line);
    CHECK(fclose(file) == 0);
}

/* tcId result key iv aad plaintext ciphertext tag */
static void check_aes_gcm(char *const *fields) {
    static bytes key, nonce, aad, plain, stored, tag;
    static uint8_t out[BYTES_MAX];
    uint8_t wanted[SRM_DIGEST_LEN];
    uint8_t digest[SRM_DIGEST_LEN];
    aead *a = NULL;
    aead *copy = NULL;
    bool valid = parse_verdict(fields[1]);
    parse_hex(fields[2], &key);
    parse_hex(fields[3], &nonce);
    parse_hex(fields[4], &aad);
    parse_hex(fields[5], &plain);
    parse_hex(fields[6], &stored);
    parse_hex(fields[7], &tag);
    CHECK(key.len == SRM_KEY_LEN && nonce.len == AEAD_NONCE_LEN && tag.len == SRM_TAG_LEN);
    memcpy(stored.data + stored.len, tag.data, tag.len);
    stored.len += tag.len;

    CHECK_STATUS(SRM_OK, aead_new(key.data, &a));
    CHECK_STATUS(SRM_OK, aead_copy(a, &copy));
    memset(out, 0xee, sizeof out);
    CHECK_STATUS(valid ? SRM_OK : SRM_EAUTH,
        aead_open(a, nonce.data, aad.data, aad.len, stored.data, stored.len, out, digest));
    blake3_digest(stored.data, stored.len, wanted);
    CHECK(memcmp(digest, wanted, sizeof digest) == 0);
    if (valid)
        CHECK(memcmp(out, plain.data, plain.len) == 0);
    else
        CHECK(zero_run(out, plain.len) == plain.len);
    CHECK(out[plain.len] == 0xee);

    /* Whole, and in pieces of which one is empty. */
    size_t cut = plain.len / 3;
    aead_piece whole[] = {{plain.data, plain.len}};
    aead_piece cuts[] = {{plain.data, cut}, {NULL, 0}, {plain.data + cut, plain.len - cut}};
    for (int round = 0; round < 2; round++) {
        memset(out, 0xee, sizeof out);
        CHECK_STATUS(SRM_OK, aead_seal(round == 0 ? a : copy, nonce.data, aad.data, aad.len,
                                 round == 0 ? whole : cuts, round == 0 ? 1 : 3, out, digest));
        CHECK((memcmp(out, stored.data, stored.len) == 0) == valid);
        CHECK((memcmp(digest, wanted, sizeof digest) == 0) == valid);
        CHECK(out[stored.len] == 0xee);
    }
    aead_free(a);
    aead_free(copy);
    aead_free(NULL);
}

static void aes_256_gcm_gives_what_wycheproof_says(void) {
    each_case("aes_256_gcm.txt", 8, 66, check_aes_gcm);
}

/* tcId result ikm salt info length okm */
static void check_hkdf(char *const *fields) {
    static bytes ikm, salt, info, okm;
    static uint8_t out[BYTES_MAX];
    uint8_t prk[SRM_KEY_LEN];
    bool valid = parse_verdict(fields[1]);
    size_t len = parse_number(fields[5]);
    parse_hex(fields[2], &ikm);
    parse_hex(fields[3], &salt);
    parse_hex(fields[4], &info);
    parse_hex(fields[6], &okm);
    CHECK(len <= sizeof out && (!valid || okm.len == len));
    CHECK_STATUS(SRM_OK, hkdf_extract(salt.data, salt.len, ikm.data, ikm.len, prk));
    CHECK_STATUS(valid ? SRM_OK : SRM_ECRYPTO, hkdf_expand(prk, info.data, info.len, out, len));
    if (valid)
        CHECK(memcmp(out, okm.data, len) == 0);
}

static void hkdf_gives_what_wycheproof_says(void) {
    each_case("hkdf_sha256.txt", 7, 86, check_hkdf);
}

/* tcId result key message tag */
static void check_hmac(char *const *fields) {
    static bytes key, message, tag;
    uint8_t mac[SRM_DIGEST_LEN];
    bool valid = parse_verdict(fields[1]);
    parse_hex(fields[2], &key);
    parse_hex(fields[3], &message);
    parse_hex(fields[4], &tag);
    CHECK(tag.len == 16 || tag.len == sizeof mac);
    CHECK_STATUS(SRM_OK, hmac_sha256(key.data, key.len, message.data, message.len, mac));
    CHECK_STATUS(valid ? SRM_OK : SRM_EAUTH, srm_equal(mac, tag.data, tag.len));
    CHECK_STATUS(SRM_EINVAL, srm_equal(mac, NULL, tag.len));
    CHECK_STATUS(SRM_EINVAL, srm_equal(NULL, mac, tag.len));
}

static void nothing_is_made_of_nothing(void) {
    const uint8_t key[SRM_KEY_LEN] = {1};
    uint8_t out[SRM_WRAPPED_LEN];
    uint8_t back[SRM_KEY_LEN];
    CHECK_STATUS(SRM_OK, srm_sha256(NULL, 0, out));
    CHECK_STATUS(SRM_EINVAL, srm_sha256(NULL, 1, out));
    CHECK_STATUS(SRM_EINVAL, srm_sha256(key, 1, NULL));
    CHECK_STATUS(SRM_OK, srm_hmac_sha256(key, sizeof key, NULL, 0, out));
    CHECK_STATUS(SRM_EINVAL, srm_hmac_sha256(key, 0, NULL, 0, out));
    CHECK_STATUS(SRM_EINVAL, srm_hmac_sha256(NULL, 1, NULL, 0, out));
    CHECK_STATUS(SRM_EINVAL, srm_hmac_sha256(key, sizeof key, NULL, 1, out));
    CHECK_STATUS(SRM_EINVAL, srm_hmac_sha256(key, sizeof key, NULL, 0, NULL));
    CHECK_STATUS(SRM_OK, srm_hkdf_extract(NULL, 0, key, sizeof key, out));
    CHECK_STATUS(SRM_EINVAL, srm_hkdf_extract(NULL, 1, key, sizeof key, out));
    CHECK_STATUS(SRM_EINVAL, srm_hkdf_extract(NULL, 0, NULL, 1, out));
    CHECK_STATUS(SRM_EINVAL, srm_hkdf_extract(NULL, 0, key, 0, out));
    CHECK_STATUS(SRM_EINVAL, srm_hkdf_extract(NULL, 0, key, sizeof key, NULL));
    CHECK_STATUS(SRM_OK, srm_hkdf_expand(key, NULL, 0, out, sizeof out));
    CHECK_STATUS(SRM_EINVAL, srm_hkdf_expand(NULL, NULL, 0, out, sizeof out));
    CHECK_STATUS(SRM_EINVAL, srm_hkdf_expand(key, NULL, 1, out, sizeof out));
    CHECK_STATUS(SRM_EINVAL, srm_hkdf_expand(key, NULL, 0, NULL, sizeof out));
    CHECK_STATUS(SRM_EINVAL, srm_hkdf_expand(key, NULL, 0, out, 0));
    CHECK_STATUS(SRM_EINVAL, srm_hkdf_expand(key, NULL, 0, out, 8161));
    CHECK_STATUS(SRM_EINVAL, srm_wrap(NULL, NULL, 0, key, out));
    CHECK_STATUS(SRM_EINVAL, srm_wrap(key, NULL, 1, key, out));
    CHECK_STATUS(SRM_EINVAL, srm_wrap(key, NULL, 0, NULL, out));
    CHECK_STATUS(SRM_EINVAL, srm_wrap(key, NULL, 0, key, NULL));
    CHECK_STATUS(SRM_OK, srm_wrap(key, NULL, 0, key, out));
    CHECK_STATUS(SRM_OK, srm_unwrap(key, NULL, 0, out, back));
    CHECK(memcmp(key, back, sizeof back) == 0);
    CHECK_STATUS(SRM_EINVAL, srm_unwrap(NULL, NULL, 0, out, back));
    CHECK_STATUS(SRM_EINVAL, srm_unwrap(key, NULL, 1, out, back));
    CHECK_STATUS(SRM_EINVAL, srm_unwrap(key, NULL, 0, NULL, back));
    CHECK_STATUS(SRM_EINVAL, srm_unwrap(key, NULL, 0, out, NULL));
    out[0] ^= 1;
    CHECK_STATUS(SRM_EAUTH, srm_unwrap(key, NULL, 0, out, back));
    CHECK(zero_run(back, sizeof back) == sizeof back);
}

static void hmac_gives_what_wycheproof_says(void) {
    each_case("hmac_sha256.txt", 5, 174, check_hmac);
}

/* input_length hash keyed_hash */
static void check_blake3(char *const *fields) {
    static const uint8_t key[SRM_KEY_LEN + 1] = "whats the Elvish word for friend";
    static bytes hash, keyed_hash;
    uint8_t digest[SRM_DIGEST_LEN];
    size_t len = parse_number(fields[0]);
    parse_hex(fields[1], &hash);
    parse_hex(fields[2], &keyed_hash);
    uint8_t *input = malloc(len + 1);
    CHECK(input != NULL && hash.len == sizeof digest && keyed_hash.len == sizeof digest);
    for (size_t i = 0; i < len; i++)
        input[i] = (uint8_t)(i % 251);
    blake3_digest(input, len, digest);
    CHECK(memcmp(digest, hash.data, sizeof digest) == 0);
    blake3_keyed(key, input, len, digest);
    CHECK(memcmp(digest, keyed_hash.data, sizeof digest) == 0);
    free(input);
}

static void blake3_gives_what_its_authors_say(void) {
    each_case("blake3.txt", 3, 35, check_blake3);
}

/* FIPS 180-4's example, and the digest of nothing. */
static void sha256_gives_what_nist_says(void) {
    static bytes wanted;
    uint8_t digest[SRM_DIGEST_LEN];
    CHECK_STATUS(SRM_OK, sha256_digest("abc", 3, digest));
    parse_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", &wanted);
    CHECK(memcmp(digest, wanted.data, sizeof digest) == 0);
    CHECK_STATUS(SRM_OK, sha256_digest("", 0, digest));
    parse_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", &wanted);
    CHECK(memcmp(digest, wanted.data, sizeof digest) == 0);
}

static void sha256_in_pieces_is_sha256_of_the_whole(void) {
    static const char text[] = "a segment that is hashed as it comes";
    uint8_t whole[SRM_DIGEST_LEN];
    uint8_t pieces[SRM_DIGEST_LEN];
    sha256 h = {0};
    CHECK_STATUS(SRM_OK, sha256_digest(text, sizeof text, whole));
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        CHECK_STATUS(SRM_OK, sha256_begin(&h));
        CHECK_STATUS(SRM_OK, sha256_add(&h, text, cut));
        CHECK_STATUS(SRM_OK, sha256_add(&h, text + cut, sizeof text - cut));
        CHECK_STATUS(SRM_OK, sha256_end(&h, pieces));
        CHECK(memcmp(whole, pieces, sizeof whole) == 0);
    }
    sha256_free(&h);
    sha256_free(&h);
}

int main(int argument_count, char **arguments) {
    static const fact facts[] = {
        FACT(aes_256_gcm_gives_what_wycheproof_says),
        FACT(hkdf_gives_what_wycheproof_says),
        FACT(hmac_gives_what_wycheproof_says),
        FACT(nothing_is_made_of_nothing),
        FACT(blake3_gives_what_its_authors_say),
        FACT(sha256_gives_what_nist_says),
        FACT(sha256_in_pieces_is_sha256_of_the_whole),
    };
    CHECK(argument_count == 2);
    folder = arguments[1];
    return check_facts(facts, sizeof facts / sizeof facts[0]);
}
