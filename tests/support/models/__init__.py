# SPDX-License-Identifier: LGPL-2.1-or-later
"""What should be: the grammar of events, the kept events, listeners by the documentation, kinds and members."""
