# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the bus and host tests share: private buses, the service, real libvirtds, a D-Bus client."""

import os

# The machine's own configuration, and its users', are not the tests'; see guestbusd(8).
os.environ["GUESTBUS_CONFIG_DIR"] = ""
