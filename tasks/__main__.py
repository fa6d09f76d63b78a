"""`python3 -m tasks <command>`: every command of the Makefile, for machines with and without make."""

import sys

# Read by whatever Python the machine calls python3: nothing newer than Python 3.6 may stand above the check.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "error: Python 3.11 or newer is needed, this is {}.{}. Call a newer one, for example "
        "`python3.11 -m tasks help` or `make help PYTHON=python3.11`.".format(*sys.version_info[:2])
    )

from tasks.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
