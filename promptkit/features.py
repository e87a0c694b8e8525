"""The command `python -m promptkit.features`, see promptkit/use/features.py."""

import sys

from promptkit.use.features import main

if __name__ == "__main__":
    sys.exit(main())
