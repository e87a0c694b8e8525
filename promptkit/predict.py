"""The command `python -m promptkit.predict`, see promptkit/use/predict.py."""

import sys

from promptkit.use.predict import main

if __name__ == "__main__":
    sys.exit(main())
