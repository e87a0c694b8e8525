"""The command `python -m promptkit.export`, see promptkit/use/export.py."""

import sys

from promptkit.use.export import main

if __name__ == "__main__":
    sys.exit(main())
