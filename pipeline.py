"""``python -m pipeline``: the command ``beam-scanner``, in a checkout."""

import sys

from beam_scanner.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
