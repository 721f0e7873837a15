/* The public interface of the Strongroom core.
 *
 * The core moves bytes: it reads, compresses, seals, opens and hashes segments (docs/FORMAT.md).
 * Names, policy, keys and words belong to the caller.
 *
 * All lengths are bytes. Functions that can fail return srm_status and leave outputs emptied
 * (zero or NULL) unless they return SRM_OK. No function prints, sets errno or keeps a pointer it
 * was given, except as said for jobs. No function takes a nonce.
 */
#ifndef STRONGROOM_H
#define STRONGROOM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SRM_MUST_USE __attribute__((warn_unused_result))
#else
#define SRM_MUST_USE
#endif

/* [cdef begins: build_ffi.py reads the declarations from here] */

typedef enum srm_status {
    SRM_OK = 0,
    SRM_RUNNING = 1, /* a job is not done yet */
    SRM_EINVAL = 2,  /* the caller broke this header's contract */
    SRM_ENOMEM = 3,
    SRM_EIO = 4, /* srm_failure.os_error says why */
    SRM_ECANCELLED = 5,
    SRM_ESTATE = 6,        /* finished, failed or forked since it was made */
    SRM_ECRYPTO = 7,       /* libcrypto refused; the segment is abandoned */
    SRM_ECODEC = 8,        /* compressed data did not decompress to its source: faulty memory? */
    SRM_EDAMAGED = 9,      /* stored bytes contradict the format */
    SRM_EAUTH = 10,        /* stored bytes fail their tag, MAC or commitment */
    SRM_EUNSUPPORTED = 11, /* unknown version, suite, type, flag or envelope */
    SRM_ELIMIT = 12,       /* longer than a segment or the given memory can hold */
    SRM_ECHANGED = 13,     /* the input became shorter while it was read */
    SRM_ENOTFOUND = 14     /* nothing of that name is known */
} srm_status;

/* Where in a segment something failed. */
typedef enum srm_place {
    SRM_AT_NONE = 0,
    SRM_AT_INPUT = 1,
    SRM_AT_OUTPUT = 2,
    SRM_AT_HEADER = 3,
    SRM_AT_FRAME = 4,
    SRM_AT_RECORD = 5,
    SRM_AT_PADDING = 6,
    SRM_AT_DIRECTORY = 7,
    SRM_AT_FOOTER = 8,
    SRM_AT_TRAILER = 9,
    SRM_AT_ROOT = 10
} srm_place;

/* Sizes of the format, bytes. */
#define SRM_KEY_LEN 32
#define SRM_DIGEST_LEN 32
#define SRM_TAG_LEN 16
#define SRM_WRAPPED_LEN 48 /* a key and a tag */
#define SRM_REPO_ID_LEN 32
#define SRM_SESSION_ID_LEN 16
#define SRM_HEADER_LEN 4096
#define SRM_FRAME_LEN 1048576
#define SRM_TRAILER_LEN 4160
#define SRM_CHUNK_LEN 1048512
#define SRM_ENVELOPES_MAX 5
#define SRM_ENVELOPES_LEN_MAX 3904

#define SRM_PROOF_LEN_MAX 848
#define SRM_THREADS_MAX 1024
#define SRM_SEGMENT_CHUNKS_MAX 21841 /* of a data segment */
#define SRM_LEVEL_MAX 22             /* zstd's highest; level 0 stores everything raw */

/* ---- What this build is ------------------------------------------------------------------ */

typedef struct srm_build_info {
    const char *openssl_version; /* static text, as are the others */
    const char *zstd_version;
    const char *blake3_version;
    const char *notes;        /* what is slower than it could be, a sentence each; may be "" */
    const char *cpu_features; /* those that our kernels use and this CPU has, space-separated */
} srm_build_info;

/* Any thread, any time. */
void srm_build_info_get(srm_build_info *out);

/* English, static; for any value. */
const char *srm_status_text(int status);
const char *srm_place_text(int place);

/* ---- Secrets ----------------------------------------------------------------------------- */

/* Are these the same? In time that depends on len alone. Any thread. SRM_EAUTH: no; SRM_EINVAL. */
SRM_MUST_USE srm_status srm_equal(const uint8_t *a, const uint8_t *b, size_t len);

/* SHA-256 (FIPS 180-4), HMAC-SHA256 (RFC 2104) and the halves of HKDF-SHA256 (RFC 5869). data, salt
 * and info may be NULL where their length is 0; an empty salt stands for 32 zero bytes. out_len: 1
 * to 8160. Outputs are the caller's. Any thread. SRM_EINVAL, SRM_ENOMEM, SRM_ECRYPTO. */
SRM_MUST_USE srm_status srm_sha256(const uint8_t *data, size_t len, uint8_t digest[SRM_DIGEST_LEN]);
SRM_MUST_USE srm_status srm_hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data,
    size_t len, uint8_t mac[SRM_DIGEST_LEN]);
SRM_MUST_USE srm_status srm_hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
    size_t ikm_len, uint8_t prk[SRM_KEY_LEN]);
SRM_MUST_USE srm_status srm_hkdf_expand(const uint8_t prk[SRM_KEY_LEN], const uint8_t *info,
    size_t info_len, uint8_t *out, size_t out_len);

/* Wrap a key by another, AES-256-GCM with aad. key: seals this one secret in its life, as keys do
 * that were derived with a fresh salt; so no nonce is asked for. Outputs are the caller's, and
 * zeroed unless SRM_OK or SRM_EINVAL. Any thread. Unwrapping: SRM_EAUTH for another key or aad, or
 * damage. SRM_EINVAL, SRM_ENOMEM, SRM_ECRYPTO. */
SRM_MUST_USE srm_status srm_wrap(const uint8_t key[SRM_KEY_LEN], const uint8_t *aad, size_t aad_len,
    const uint8_t secret[SRM_KEY_LEN], uint8_t wrapped[SRM_WRAPPED_LEN]);
SRM_MUST_USE srm_status srm_unwrap(const uint8_t key[SRM_KEY_LEN], const uint8_t *aad,
    size_t aad_len, const uint8_t wrapped[SRM_WRAPPED_LEN], uint8_t secret[SRM_KEY_LEN]);

/* ---- Headers ----------------------------------------------------------------------------- */

typedef struct srm_envelope {
    uint32_t type;
    uint32_t body_off; /* from the header's first byte */
    uint32_t body_len;
} srm_envelope;

typedef struct srm_header_info {
    uint32_t version;
    uint32_t suite;
    uint32_t type; /* 1 stream, 2 data, 3 manifest */
    uint8_t repo_id[32];
    uint8_t session_id[16];
    uint32_t envelope_count;
    srm_envelope envelopes[5];
} srm_header_info;

/* Check and read the public part of a header: magic, digest, known values, exact layout.
 * SRM_EDAMAGED or SRM_EUNSUPPORTED. Says nothing about authenticity. Any thread. */
SRM_MUST_USE srm_status srm_header_parse(const uint8_t header[4096], srm_header_info *out);

/* ---- Jobs -------------------------------------------------------------------------------- */

/* Bytes come from a file descriptor, from its position on, or (fd = -1) memory. */
typedef struct srm_source {
    int fd;
    const uint8_t *mem;
    size_t mem_len;
} srm_source;

/* Bytes go to a file descriptor, from its position on, or (fd = -1) memory. More than mem_cap
 * bytes: SRM_ELIMIT. A regular file is written at offsets, in no particular order, and left at
 * the end; what a failed job wrote holds gaps. Memory holds nothing to rely on until the job has
 * ended well: opening decrypts whole chunks in place, and wipes those whose tag does not fit. */
typedef struct srm_sink {
    int fd;
    uint8_t *mem;
    size_t mem_cap;
} srm_sink;

typedef struct srm_seal_options {
    uint32_t type;    /* 1 stream or 3 manifest: laid out alike */
    int32_t level;    /* 0 (raw) to SRM_LEVEL_MAX */
    int32_t pad;      /* 1: hide the length (Padme); 0: pad to 4096 only */
    uint32_t threads; /* 0: as many as there are processors */
    uint8_t repo_id[32];
    uint8_t session_id[16];
    uint8_t session_key[32];
    const uint8_t *envelopes; /* the envelope list as stored, heads included, no fill */
    size_t envelopes_len;     /* at most SRM_ENVELOPES_LEN_MAX */
} srm_seal_options;

typedef struct srm_result {
    uint8_t root[32]; /* the segment root */
    uint64_t frames;
    uint64_t raw_len;    /* plaintext bytes; 0 from a scrub, which cannot know */
    uint64_t stored_len; /* bytes of the whole segment, header and trailer included */
} srm_result;

typedef struct srm_failure {
    int32_t status;   /* a srm_status */
    int32_t place;    /* a srm_place */
    int32_t os_error; /* an errno value, 0 if none */
    uint64_t frame;   /* the frame in hand, counted from 0 */
} srm_failure;

/* One seal, open or scrub, running on threads of its own. The thread that started a job waits
 * on it and frees it; srm_job_cancel and srm_job_progress may be called from any thread while it
 * is alive. Descriptors and memory given to a job stay the caller's, and must live and stay
 * untouched until srm_job_free returns. After a fork only the parent may use a job. */
typedef struct srm_job srm_job;

/* Seal source into sink as one segment. The options are used up before this returns. */
SRM_MUST_USE srm_status srm_seal_start(
    const srm_seal_options *options, srm_source source, srm_sink sink, srm_job **out);

/* Open a stream or a manifest: header is its first 4096 bytes, source what follows them.
 * Plaintext reaches a descriptor frame by frame, each after its tag verified: only SRM_OK means it
 * is complete. Which of the two it is srm_header_parse tells. SRM_EUNSUPPORTED: it is neither.
 * SRM_EAUTH at SRM_AT_HEADER: session_key is not this segment's, or the header was altered. */
SRM_MUST_USE srm_status srm_open_start(const uint8_t header[4096], const uint8_t session_key[32],
    srm_source source, srm_sink sink, uint32_t threads, srm_job **out);

/* Recompute the Merkle root of a segment without a key and hold it against its trailer. */
SRM_MUST_USE srm_status srm_scrub_start(
    const uint8_t header[4096], srm_source source, uint32_t threads, srm_job **out);

/* Scrub, and prove that frame `frame` is part of what the root names; fetch the proof with
 * srm_job_proof. The source must be a regular file or memory. SRM_EINVAL: there is no such frame.
 */
SRM_MUST_USE srm_status srm_prove_start(
    const uint8_t header[4096], srm_source source, uint64_t frame, uint32_t threads, srm_job **out);

/* The proof that a job which ended well has made, at most SRM_PROOF_LEN_MAX bytes. */
SRM_MUST_USE srm_status srm_job_proof(srm_job *job, uint8_t proof[848], size_t *proof_len);

/* The ids of chunks that a job which ended well has to tell, 32 bytes each; good until the job is
 * freed. */
SRM_MUST_USE srm_status srm_job_ids(srm_job *job, const uint8_t **ids, uint64_t *count);

/* Does the proof lead from a frame, len stored bytes, to a segment root? SRM_EDAMAGED: no;
 * SRM_EUNSUPPORTED: it is of a kind not known here. Any thread. */
SRM_MUST_USE srm_status srm_proof_check(const uint8_t *proof, size_t proof_len,
    const uint8_t *frame, size_t len, const uint8_t root[32]);

/* Wait up to timeout_ms milliseconds (0 to 60,000). SRM_RUNNING: not done yet; otherwise how the
 * job ended. Waits out its time whatever signals arrive. */
SRM_MUST_USE srm_status srm_job_wait(srm_job *job, int32_t timeout_ms);

/* Ask a job to stop; it ends with SRM_ECANCELLED unless it was done. */
void srm_job_cancel(srm_job *job);

/* Bytes read and written so far. */
void srm_job_progress(const srm_job *job, uint64_t *bytes_in, uint64_t *bytes_out);

/* What a job that ended produced, or where it failed. SRM_ESTATE while it runs. */
SRM_MUST_USE srm_status srm_job_result(srm_job *job, srm_result *result, srm_failure *failure);

/* Cancel, wait for the thread, wipe and free. NULL is fine. */
void srm_job_free(srm_job *job);

/* ---- Reading at any place ------------------------------------------------------------------ */

/* A stream or manifest in a regular file or in memory, read wherever it is wanted. Exactly the
 * frames that are asked for are read, and verified before any byte of them comes out; the segment
 * root is not checked. One thread at a time. */
typedef struct srm_view srm_view;

/* header: the stream's first 4096 bytes; source: what follows, the caller's, which must live as
 * long as the view. Reads the last frame, and the directory if there is one (8 bytes of memory a
 * MiB of plaintext). failure says what went wrong. The caller frees *out with srm_view_free. */
SRM_MUST_USE srm_status srm_view_open(const uint8_t header[4096], const uint8_t session_key[32],
    srm_source source, srm_view **out, srm_failure *failure);

/* Bytes of plaintext. */
uint64_t srm_view_len(const srm_view *view);

/* Plaintext bytes [off, off + len) into out; *got: how many, fewer only at the end. On an error
 * *got is 0 and out holds no plaintext; the view may still be used. */
SRM_MUST_USE srm_status srm_view_read(
    srm_view *view, uint64_t off, uint8_t *out, size_t len, size_t *got, srm_failure *failure);

/* Wipes and frees. NULL is fine. */
void srm_view_free(srm_view *view);

/* ---- Durability ---------------------------------------------------------------------------- */

/* Return once everything that was written to the file system of this descriptor is on disk.
 * *os_error: why not, an errno value. Any thread. SRM_EIO, SRM_EINVAL. */
SRM_MUST_USE srm_status srm_sync(int fd, int32_t *os_error);

/* ---- Landing ------------------------------------------------------------------------------- */

#define SRM_OWNER_STAYS 4294967295

/* A file that was written without a name (O_TMPFILE), what it is to get, and where it is to be. */
typedef struct srm_landing {
    int64_t mtime_s; /* seconds since 1970, */
    uint32_t mtime_ns;
    uint32_t mode; /* permission bits; those that set ids are left out if its owner cannot be set */
    uint32_t uid;  /* SRM_OWNER_STAYS: whatever it is */
    uint32_t gid;  /* likewise */
    int32_t fd;    /* of the file */
    int32_t folder; /* a descriptor of the folder that its name is to be in */
    /* What came of it, errno values, 0 if none: */
    int32_t attributes_error; /* the first of owner, mode and times that could not be set */
    int32_t name_error; /* why it got no name. EEXIST: something has it already. ECANCELED: the
                         * job was stopped before */
} srm_landing;

/* Give files their owners, modes and times, and then their names, each ended by a zero byte. What
 * fails for one file fails for that one alone. One thread. SRM_EINVAL: not as many names. */
SRM_MUST_USE srm_status srm_land_start(
    srm_landing *files, uint64_t count, const char *names, size_t names_len, srm_job **out);

/* ---- Chunk index ------------------------------------------------------------------------- */

/* Which chunk of a repository is where: table files, mapped and never written to, and in memory
 * what changed since. A cache: it is made anew from the segments' directories, and may be lost.
 * A chunk is looked up by the first 16 bytes of its id; whoever reads it checks all.
 *
 * Any number of threads may find, put and remove at once, and name segments. Tables are added,
 * and the index saved and freed, while no other thread uses it. */
typedef struct srm_index srm_index;

typedef struct srm_location {
    uint32_t segment; /* its number in this index */
    uint32_t off;     /* plaintext offset of the record's head */
    uint32_t stored_len;
    uint32_t raw_len;
} srm_location;

/* The caller frees *out with srm_index_free. */
SRM_MUST_USE srm_status srm_index_new(srm_index **out);

/* Add a table file, newer than those before; its bytes must stay as they are until srm_index_free,
 * fd need not. Of newer and older tables the newer is right. SRM_EDAMAGED, SRM_EUNSUPPORTED: not a
 * table of this version and machine: make it anew. SRM_ELIMIT: too many tables. */
SRM_MUST_USE srm_status srm_index_add_table(srm_index *x, int fd);

/* The number of a segment, which it gets if it has none. */
SRM_MUST_USE srm_status srm_index_segment(srm_index *x, const uint8_t id[16], uint32_t *number);

/* SRM_ENOTFOUND: no segment has that number, or it was dropped. */
SRM_MUST_USE srm_status srm_index_segment_id(const srm_index *x, uint32_t number, uint8_t id[16]);

/* Numbers given so far; those of dropped segments count. */
uint32_t srm_index_segment_count(const srm_index *x);

/* Its chunks are no longer found there. Should it come again, it gets another number. */
void srm_index_drop_segment(srm_index *x, uint32_t number);

/* Add a chunk, or say where it is now. */
SRM_MUST_USE srm_status srm_index_put(srm_index *x, const uint8_t id[32], const srm_location *at);
/* The same for count chunks: ids of 32 bytes each, and a location each. */
SRM_MUST_USE srm_status srm_index_put_all(
    srm_index *x, const uint8_t *ids, const srm_location *at, uint64_t count);

SRM_MUST_USE srm_status srm_index_remove(srm_index *x, const uint8_t id[32]);

/* 1: *at says where it is; 0: it is not known. */
int32_t srm_index_find(const srm_index *x, const uint8_t id[32], srm_location *at);
/* The same for count ids of 32 bytes each: raw_lens gets the length of each chunk, or 0. */
SRM_MUST_USE srm_status srm_index_find_all(
    const srm_index *x, const uint8_t *ids, uint64_t count, uint32_t *raw_lens);

/* Chunks, at least as many as can be found: tables may overlap. */
uint64_t srm_index_count(const srm_index *x);

/* Which chunks are needed: marks are a bit for each place of the tables, in (srm_index_mark_count
 * + 7) / 8 bytes that the caller zeroed. Chunks that came since the tables were added have none, so
 * the index is to be saved and opened anew before. One thread at a time. */
uint64_t srm_index_mark_count(const srm_index *x);
/* Mark count ids of 32 bytes each: found gets a 1, or a 0 where a chunk is not known. */
SRM_MUST_USE srm_status srm_index_mark(const srm_index *x, const uint8_t *ids, uint64_t count,
    uint8_t *marks, uint64_t marks_len, uint8_t *found);
/* out gets a 1 for each of the ids that is marked, and a 0 for others. */
SRM_MUST_USE srm_status srm_index_marked(const srm_index *x, const uint8_t *ids, uint64_t count,
    const uint8_t *marks, uint64_t marks_len, uint8_t *out);
/* To lens[number], for the first len_count segments, are added the stored bytes, heads of records
 * included, of the chunks marked that are found there. */
SRM_MUST_USE srm_status srm_index_tally(const srm_index *x, const uint8_t *marks,
    uint64_t marks_len, uint64_t *lens, uint32_t len_count);

/* Write a table file to fd, an empty regular file: all that can be found, or (fresh_only) what
 * changed since the tables were added, to be read after them. note: 64 bytes of the caller's.
 * Bytes are not synced. Memory: 1/64 of the file. */
SRM_MUST_USE srm_status srm_index_save(
    const srm_index *x, int fd, const uint8_t note[64], int32_t fresh_only);

/* The note of a table file. SRM_EDAMAGED, SRM_EUNSUPPORTED as above. */
SRM_MUST_USE srm_status srm_index_note(int fd, uint8_t note[64]);

/* NULL is fine. */
void srm_index_free(srm_index *x);
/* ---- Writing a repository ------------------------------------------------------------------ */

typedef struct srm_session_options {
    uint8_t repo_id[32];
    uint8_t session_id[16];
    uint8_t session_key[32];
    uint8_t chunk_key[32];    /* of all the repository's chunk ids */
    const uint8_t *envelopes; /* as in srm_seal_options */
    size_t envelopes_len;
    int32_t level;    /* 0 (raw) to SRM_LEVEL_MAX */
    uint32_t threads; /* 0: as many as there are processors */
    int32_t spool_fd; /* a folder: segments are made in it, named by the 32 digits of their id */
} srm_session_options;

/* Chunks of files and streams, those that the index does not know yet gathered in data segments.
 * One job at a time. Any failure of a job, other than of single files, abandons the session:
 * SRM_ESTATE from then on; but a job of files or of a stream that was cancelled only ends early,
 * and what it took in until then stays. After a fork only the parent may use it. */
typedef struct srm_session srm_session;

/* What became of one file. Unless status is SRM_OK or SRM_ECHANGED, it has no ids. */
typedef struct srm_file_result {
    int32_t status; /* SRM_OK; SRM_ECHANGED: kept as read, but it changed meanwhile;
                       SRM_EINVAL: not a regular file; SRM_EIO: could not be opened or read */
    int32_t os_error;
    uint32_t mode;  /* this and what follows as fstat(2) said before the first byte was read */
    uint32_t flags; /* bit 0: sparse */
    uint64_t size;  /* bytes read */
    int64_t mtime_ns;
    int64_t ctime_ns;
    uint64_t ino;
    uint64_t dev;
    uint64_t nlink;
    uint32_t uid;
    uint32_t gid;
    uint64_t first_id; /* its chunks' ids, in order, in those of the job */
    uint64_t id_count;
    uint64_t new_len; /* stored bytes it added, heads of records included */
} srm_file_result;

/* A data segment that is complete and fsynced; not so its name in the folder. */
typedef struct srm_segment_info {
    uint8_t id[16];
    uint8_t root[32];
    uint64_t length;
    uint32_t type;   /* 2 data */
    uint32_t chunks; /* how many it holds */
} srm_segment_info;

/* The options are used up before this returns, but for spool_fd, which stays the caller's. The
 * index must outlive the session, and finds the chunks that it stores from then on. */
SRM_MUST_USE srm_status srm_session_begin(
    const srm_session_options *options, srm_index *index, srm_session **out);

/* Take in regular files: count paths, each ended by a NUL, relative to dir_fd (AT_FDCWD is
 * allowed), of any length. Symbolic links are not followed, wherever in a path (before Linux 5.6:
 * in its last component); nothing that is no regular file is read or waited for. paths and
 * results, an array of count, must live until the job is freed. What is read counts as the job's
 * bytes_in, what is stored as its bytes_out. */
SRM_MUST_USE srm_status srm_session_files_start(srm_session *session, int32_t dir_fd,
    const char *paths, size_t paths_len, uint64_t count, srm_file_result *results, srm_job **out);

/* Take in count chunks that lie in mem one behind the other, chunk i up to ends[i]. srm_job_ids
 * gives their ids. mem and ends must live until the job is freed. */
SRM_MUST_USE srm_status srm_session_chunks_start(
    srm_session *session, const uint8_t *mem, const uint64_t *ends, uint64_t count, srm_job **out);

/* Take in all of one source. A source that cannot be read fails the job. Of *result only status,
 * size, ids and new_len are set. */
SRM_MUST_USE srm_status srm_session_stream_start(
    srm_session *session, srm_source source, srm_file_result *result, srm_job **out);

/* Close all segments: all that was taken in is whole then. More can be taken in after that. */
SRM_MUST_USE srm_status srm_session_flush_start(srm_session *session, srm_job **out);

/* The same for the last time. Nothing can be taken in after that. */
SRM_MUST_USE srm_status srm_session_finish_start(srm_session *session, srm_job **out);

/* Up to cap segments that are complete and were not taken before, *count of them; their files are
 * the caller's. At any time, also of a session that was abandoned. */
SRM_MUST_USE srm_status srm_session_take_segments(
    srm_session *session, srm_segment_info *out, size_t cap, size_t *count);

/* Remove the files of segments that are not complete, whose chunks the index no longer finds, wipe
 * and free; once the session's jobs were freed. NULL is fine. */
void srm_session_free(srm_session *session);

/* ---- Reading repositories ------------------------------------------------------------------ */

/* Data segments of a repository, as files <2 hex>/<32 hex> (of the segment's id; the 2 are its
 * first) below a folder. Keys, and the files opened last, at most 64. Any number of jobs. */
typedef struct srm_segments srm_segments;

/* wrap_key, chunk_key: K_wrap and K_chunk-id of docs/FORMAT.md. folder_fd may be closed after. The
 * caller frees *out with srm_segments_free, once no job uses it. SRM_EIO: no descriptor left. */
SRM_MUST_USE srm_status srm_segments_new(const uint8_t repo_id[32], const uint8_t wrap_key[32],
    const uint8_t chunk_key[32], int folder_fd, srm_segments **out);

/* Closes and wipes. NULL is fine. */
void srm_segments_free(srm_segments *segments);

/* What was found out about one segment. What failed first is named. */
typedef struct srm_segment_status {
    int32_t status;   /* a srm_status. SRM_ENOTFOUND: there is no such file */
    int32_t place;    /* a srm_place */
    int32_t os_error; /* an errno value, 0 if none */
    uint32_t chunks;  /* in its directory, or found without one */
    uint64_t frame;
    uint64_t length;     /* of the file, bytes */
    uint64_t bad_chunks; /* of those in its directory */
    uint64_t bad_first;  /* the first of them among all that srm_job_ids gives */
} srm_segment_status;

/* Put what segments hold into the index, as their directories say. ids: 16 bytes each. What is
 * wrong with a segment fails only that one: statuses, one for each, written to until the job is
 * freed. Of a segment whose directory cannot be read, those chunks are put that can be found. The
 * job's bytes_out are the lengths of the segments that it is done with. */
SRM_MUST_USE srm_status srm_load_start(srm_segments *segments, srm_index *index, const uint8_t *ids,
    uint64_t count, srm_segment_status *statuses, uint32_t threads, srm_job **out);

#define SRM_WANT_SPARSE 1 /* do not write zeros: the file reads as zeros there anyway */

/* A chunk, and where it is to go. */
typedef struct srm_want {
    uint8_t id[32];
    uint32_t raw_len; /* bytes; a chunk of another length is damage */
    uint32_t file;    /* which of the descriptors */
    uint64_t off;     /* in that file, or in memory */
    uint32_t flags;   /* SRM_WANT_SPARSE, or 0 */
    /* What came of it: */
    int32_t status;   /* a srm_status. SRM_ENOTFOUND: in no segment known, or (at SRM_AT_INPUT) its
                       * segment is gone; SRM_EINVAL: there is no such place to go to */
    int32_t place;    /* a srm_place */
    int32_t os_error; /* an errno value, 0 if none */
} srm_want;

/* Write chunks to regular files (fds), or (fds NULL) into mem. Each frame is opened about once,
 * in the order of storing; a chunk is written only after its id recomputed. What is wrong with a
 * chunk or a file fails only the wants concerned. At most 2^32 - 1 wants; 16 bytes of memory each.
 */
SRM_MUST_USE srm_status srm_fetch_start(srm_segments *segments, srm_index *index, srm_want *wants,
    uint64_t count, const int32_t *fds, uint32_t fd_count, uint8_t *mem, uint64_t mem_len,
    uint32_t threads, srm_job **out);

/* Check everything about segments: every frame, record and chunk id, the directory, and that their
 * bytes make the root in the trailer and in roots (32 bytes each). ids and statuses as for
 * srm_load_start. srm_job_ids then gives the chunks of the directories that are not good, those of
 * a segment one behind the other. */
SRM_MUST_USE srm_status srm_verify_start(srm_segments *segments, const uint8_t *ids,
    const uint8_t *roots, uint64_t count, srm_segment_status *statuses, uint32_t threads,
    srm_job **out);

/* A chunk as the directory of a segment lists it. */
typedef struct srm_chunk_entry {
    uint8_t id[32];
    uint32_t raw_len;    /* bytes */
    uint32_t stored_len; /* bytes */
} srm_chunk_entry;

/* What a segment holds, by its directory, in the order of storing: *count entries in out, which has
 * room for cap; a segment has at most SRM_SEGMENT_CHUNKS_MAX. Otherwise *failure says why not. Any
 * thread. */
SRM_MUST_USE srm_status srm_segment_directory(srm_segments *segments, const uint8_t id[16],
    srm_chunk_entry *out, uint64_t cap, uint64_t *count, srm_failure *failure);

/* ---- Merkle trees (RFC 6962) ------------------------------------------------------------- */

/* leaves: leaf_count hashes of 32 bytes, leaf_count >= 1. */
SRM_MUST_USE srm_status srm_merkle_root(
    const uint8_t *leaves, uint64_t leaf_count, uint8_t root[32]);

/* The audit path of one leaf, bottom up. path: path_cap bytes (64 * 32 always suffice). */
SRM_MUST_USE srm_status srm_merkle_path(const uint8_t *leaves, uint64_t leaf_count, uint64_t index,
    uint8_t *path, size_t path_cap, size_t *path_len);

/* The root that a leaf hash and its path lead to. SRM_EDAMAGED: the path has the wrong length
 * for this index and tree size, or the index is not in the tree. */
SRM_MUST_USE srm_status srm_merkle_root_from_path(const uint8_t leaf[32], uint64_t index,
    uint64_t leaf_count, const uint8_t *path, size_t path_len, uint8_t root[32]);

/* [cdef ends] */

#endif
