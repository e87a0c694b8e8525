"""The command `python -m promptkit.interpret`, see promptkit/use/interpret.py."""

import sys

from promptkit.use.interpret import main

if __name__ == "__main__":
    sys.exit(main())
