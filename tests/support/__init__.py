# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests share. Here: the service under test, a D-Bus client, processes.

hosts/     what a test runs on: private buses, libvirtd and QEMU guests, users, polkit, and trouble for all of these
programs/  clients and helpers that are run against the service or beside it
models/    what should be: the grammar of events, the kept events, listeners by the documentation, kinds and members"""

import os
import pathlib

PROGRAMS = pathlib.Path(__file__).with_name("programs")

# The machine's own configuration, and its users', are not the tests'; see guestbusd(8).
os.environ["GUESTBUS_CONFIG_DIR"] = ""
