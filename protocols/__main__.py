"""`python -m protocols`, see commands.py."""

import sys

import ending
from protocols.main import main

if __name__ == "__main__":
    ending.watch()
    sys.exit(main(sys.argv[1:]))
