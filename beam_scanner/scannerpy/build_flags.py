"""``scannerpy.build_flags``: there are no flags to compile with."""

from __future__ import annotations

from beam_scanner.scannerpy.instead import refused

_FLAGS = (
    "Scanner's headers and libraries are not part of beam_scanner: docs/scannerpy.md "
    "says how kernels in C++ are used"
)

get_include = refused("build_flags.get_include()", _FLAGS)
get_lib = refused("build_flags.get_lib()", _FLAGS)
get_cmake = refused("build_flags.get_cmake()", _FLAGS)
get_compile_flags = refused("build_flags.get_compile_flags()", _FLAGS)
get_link_flags = refused("build_flags.get_link_flags()", _FLAGS)
get_grpc_version = refused("build_flags.get_grpc_version()", _FLAGS)
print_include = refused("build_flags.print_include()", _FLAGS)
print_lib = refused("build_flags.print_lib()", _FLAGS)
print_cmake = refused("build_flags.print_cmake()", _FLAGS)
print_compile_flags = refused("build_flags.print_compile_flags()", _FLAGS)
print_link_flags = refused("build_flags.print_link_flags()", _FLAGS)
