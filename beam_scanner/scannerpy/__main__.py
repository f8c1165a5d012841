"""Runs a program that was written for Scanner, as it is.

python -m beam_scanner.scannerpy program.py [arguments]
"""

from __future__ import annotations

from beam_scanner.scannerpy.run_program import main

if __name__ == "__main__":
    main()
