#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""at_a_terminal.py USER COMMAND ANSWER: runs a command line as a user at a terminal, with polkit's agent for terminals, which
asks for a password; gives it the answer. Prints what the terminal shows, and ends as the command does. It runs in the
machine."""

import os
import pty
import select
import sys
import termios

# The agent says that it is registered by closing its descriptor. It acts for the shell, and so for what takes its place.
SCRIPT = """directory=$(mktemp -d)
mkfifo $directory/ready
pkttyagent --process $$ --notify-fd 3 3>$directory/ready &
cat $directory/ready
exec {}"""


def hides_input(terminal):
    return not termios.tcgetattr(terminal)[3] & termios.ECHO


def main(user, command, answer):
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("setpriv", ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "sh", "-c",
                              SCRIPT.format(command)])
    shown, answered, status = b"", False, None
    while True:
        # What is typed before the agent hides it is thrown away.
        if not answered and b"Password:" in shown and hides_input(terminal):
            os.write(terminal, answer.encode() + b"\n")
            answered = True
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # the last process at the terminal has gone
                break
        elif status is not None:  # newer agents stay when their process has gone
            break
        if status is None:
            ended, status = os.waitpid(child, os.WNOHANG)
            status = status if ended else None
    print(shown.decode(errors="replace"))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1] if status is None else status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
