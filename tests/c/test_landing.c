/* Files get their attributes and names, each by itself, and none that is another's. */
#include "check.h"
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT 3

static char folder_path[] = "/tmp/strongroom-landing-XXXXXX";
static int folder;

static srm_landing written(const char *content) {
    int fd = openat(folder, ".", O_WRONLY | O_TMPFILE, 0600);
    CHECK(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
    return (srm_landing){.mtime_s = -5,
        .mtime_ns = 123456789,
        .mode = 0640,
        .uid = SRM_OWNER_STAYS,
        .gid = SRM_OWNER_STAYS,
        .fd = fd,
        .folder = folder,
        .attributes_error = 99,
        .name_error = 99};
}

static int32_t landed(srm_landing *files, uint64_t count, const char *names, size_t names_len) {
    srm_job *job;
    srm_result result;
    srm_failure failure;
    CHECK_STATUS(SRM_OK, srm_land_start(files, count, names, names_len, &job));
    while (srm_job_wait(job, 1000) == SRM_RUNNING)
        continue;
    CHECK_STATUS(SRM_OK, srm_job_result(job, &result, &failure));
    srm_job_free(job);
    for (uint64_t i = 0; i < count; i++)
        CHECK(close(files[i].fd) == 0);
    return failure.status;
}

static void holds(const char *name, const char *content) {
    char found[16] = {0};
    int fd = openat(folder, name, O_RDONLY);
    CHECK(fd >= 0 && read(fd, found, sizeof found - 1) == (ssize_t)strlen(content));
    CHECK(strcmp(found, content) == 0 && close(fd) == 0);
}

static void clear(const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        CHECK(unlinkat(folder, names[i], 0) == 0);
}

static void each_gets_what_it_wants(void) {
    srm_landing files[COUNT] = {written("a"), written("bc"), written("")};
    static const char names[] = "one\0two\0three";
    struct stat status;
    files[1].mode = 0400;
    files[2].mtime_s = 1;
    files[2].mtime_ns = 0;
    CHECK(landed(files, COUNT, names, sizeof names) == SRM_OK);
    for (size_t i = 0; i < COUNT; i++)
        CHECK(files[i].attributes_error == 0 && files[i].name_error == 0);
    holds("one", "a");
    holds("two", "bc");
    holds("three", "");
    CHECK(fstatat(folder, "one", &status, 0) == 0 && (status.st_mode & 07777) == 0640);
    CHECK(status.st_mtim.tv_sec == -5 && status.st_mtim.tv_nsec == 123456789);
    CHECK(fstatat(folder, "two", &status, 0) == 0 && (status.st_mode & 07777) == 0400);
    CHECK(fstatat(folder, "three", &status, 0) == 0 && status.st_mtim.tv_sec == 1);
    clear((const char *const[]){"one", "two", "three"}, COUNT);
}

static void what_is_there_stays_and_the_others_land(void) {
    srm_landing first = written("old");
    CHECK(landed(&first, 1, "taken", sizeof "taken") == SRM_OK && first.name_error == 0);
    srm_landing files[COUNT] = {written("new"), written("x"), written("y")};
    static const char names[] = "taken\0in/another\0fine";
    CHECK(landed(files, COUNT, names, sizeof names) == SRM_OK);
    CHECK(files[0].name_error == EEXIST && files[1].name_error == ENOENT);
    CHECK(files[2].name_error == 0);
    holds("taken", "old");
    holds("fine", "y");
    clear((const char *const[]){"taken", "fine"}, 2);
}

static void a_link_in_its_place_is_not_followed(void) {
    srm_landing file = written("new");
    CHECK(symlinkat("elsewhere", folder, "link") == 0);
    CHECK(landed(&file, 1, "link", sizeof "link") == SRM_OK && file.name_error == EEXIST);
    CHECK(faccessat(folder, "elsewhere", F_OK, 0) != 0);
    clear((const char *const[]){"link"}, 1);
}

/* An owner that cannot be set: root may set any, so the descriptor is of no use to it here. */
static void bits_that_set_ids_are_left_out_with_the_owner(void) {
    srm_landing file = written("x");
    struct stat status;
    file.mode = 06755;
    file.uid = SRM_OWNER_STAYS - 1;
    file.gid = SRM_OWNER_STAYS - 1;
    bool is_root = geteuid() == 0;
    CHECK(landed(&file, 1, "ids", sizeof "ids") == SRM_OK && file.name_error == 0);
    CHECK(fstatat(folder, "ids", &status, 0) == 0);
    if (is_root)
        CHECK(file.attributes_error == 0 && (status.st_mode & 07777) == 06755);
    else
        CHECK(file.attributes_error == EPERM && (status.st_mode & 07777) == 0755);
    clear((const char *const[]){"ids"}, 1);
}

static void a_descriptor_that_is_none_fails_alone(void) {
    srm_landing files[2] = {written("x"), written("y")};
    int real = files[0].fd;
    files[0].fd = -1;
    srm_job *job;
    CHECK_STATUS(SRM_OK, srm_land_start(files, 2, "a\0b", 4, &job));
    while (srm_job_wait(job, 1000) == SRM_RUNNING)
        continue;
    srm_job_free(job);
    CHECK(files[0].attributes_error == EBADF && files[0].name_error != 0);
    CHECK(files[1].attributes_error == 0 && files[1].name_error == 0);
    CHECK(close(real) == 0 && close(files[1].fd) == 0);
    clear((const char *const[]){"b"}, 1);
}

static void wrong_arguments_start_nothing(void) {
    srm_landing file = {.fd = -1, .folder = -1};
    srm_job *job;
    CHECK_STATUS(SRM_EINVAL, srm_land_start(&file, 1, "a", 2, NULL));
    CHECK_STATUS(SRM_EINVAL, srm_land_start(NULL, 1, "a", 2, &job));
    CHECK_STATUS(SRM_EINVAL, srm_land_start(&file, 1, NULL, 2, &job));
    CHECK_STATUS(SRM_EINVAL, srm_land_start(&file, 1, "a", 1, &job)); /* without its end */
    CHECK_STATUS(SRM_EINVAL, srm_land_start(&file, 1, "a\0b", 4, &job));
    CHECK_STATUS(SRM_EINVAL, srm_land_start(&file, 1, NULL, 0, &job));
    CHECK(job == NULL);
    CHECK(landed(NULL, 0, NULL, 0) == SRM_OK);
}

int main(void) {
    static const fact facts[] = {
        FACT(each_gets_what_it_wants),
        FACT(what_is_there_stays_and_the_others_land),
        FACT(a_link_in_its_place_is_not_followed),
        FACT(bits_that_set_ids_are_left_out_with_the_owner),
        FACT(a_descriptor_that_is_none_fails_alone),
        FACT(wrong_arguments_start_nothing),
    };
    CHECK(mkdtemp(folder_path) != NULL);
    folder = open(folder_path, O_RDONLY | O_DIRECTORY);
    CHECK(folder >= 0);
    int status = check_facts(facts, sizeof facts / sizeof facts[0]);
    CHECK(close(folder) == 0 && rmdir(folder_path) == 0);
    return status;
}
