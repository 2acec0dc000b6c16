# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test runs on: private buses, libvirtd and QEMU guests, users, polkit, and trouble for all of these."""
