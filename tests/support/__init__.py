# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the bus and host tests share: private buses, the service, real libvirtds, a D-Bus client."""
