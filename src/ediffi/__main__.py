"""`python -m ediffi`: the command, as torchrun starts it."""

import sys

from ediffi.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
