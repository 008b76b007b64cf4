"""`python -m tokseam` is the command `tokseam`."""

import sys

from tokseam.cli import main

if __name__ == "__main__":
    sys.exit(main())
