#include "strongroom.h"

#include <errno.h>
#include <unistd.h>

srm_status srm_sync(int fd, int32_t *os_error) {
    if (os_error == NULL)
        return SRM_EINVAL;
    *os_error = 0;
    if (fd < 0)
        return SRM_EINVAL;
    if (syncfs(fd) == 0)
        return SRM_OK;
    *os_error = errno;
    return SRM_EIO;
}
