"""Check that other users of this computer cannot read a file with a secret."""

import os
import shlex
import stat
from pathlib import Path
from typing import Final

# Container engines put secrets there, in memory and readable by all: nobody else is in the container.
CONTAINER_SECRETS: Final = Path("/run/secrets")
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
OTHERS_OF_ROOT: Final = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO


def find_exposure(file: Path) -> str | None:
    """Return what is wrong with the permissions of a file, with the cure; None if only its owner may read it.

    A file of root may be readable by a group, as in PostgreSQL (``ssl_key_file``): it is the group of the service.

    Raises:
        OSError: there is no such file.
    """
    found = file.stat()
    if not stat.S_ISREG(found.st_mode) or Path(os.path.realpath(file)).is_relative_to(CONTAINER_SECRETS):
        return None
    is_of_root = found.st_uid == 0 != os.geteuid()
    forbidden = OTHERS_OF_ROOT if is_of_root else OTHERS
    if not stat.S_IMODE(found.st_mode) & forbidden:
        return None
    return f"can be read by other users of this computer. Run: chmod 600 {shlex.quote(str(file))}"
