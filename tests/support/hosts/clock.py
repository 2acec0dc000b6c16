# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another time for the service: a library before the C library's functions says it (programs/preload/shift_clock.c),
and the machine's clock stays as it is. The fixture `clock` is for those who import it."""

import mmap
import struct

import pytest


@pytest.fixture
def clock(home, preload):
    """clock(seconds) puts the service's clock so far off; clock.env is what the service is started with."""
    path = home / "offset"
    path.write_bytes(struct.pack("=q", 0))
    path.chmod(0o644)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as offset:
        def put(seconds):
            offset[:] = struct.pack("=q", seconds)
        put.env = preload("shift_clock", OFFSET=str(path))
        yield put
