# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients and helpers that are run against the service or beside it."""
