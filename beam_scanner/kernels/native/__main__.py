"""Prints the folder of ``beam_scanner_op.h``, for build files."""

from beam_scanner.kernels.native import include_folder

print(include_folder())
