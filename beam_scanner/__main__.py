"""``python -m beam_scanner``: the command ``beam-scanner``."""

import sys

from beam_scanner.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
