"""The command `python -m promptkit.feature_store`, see promptkit/use/feature_store.py."""

import sys

from promptkit.use.feature_store import main

if __name__ == "__main__":
    sys.exit(main())
