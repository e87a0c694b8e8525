"""The command `python -m promptkit.feature_store`, see promptkit/stores/feature_store.py."""

import sys

from promptkit.stores.feature_store import main

if __name__ == "__main__":
    sys.exit(main())
