"""Where graphs run: one module a target, which turns options into a runner."""

from beam_scanner.beam_internals.quiet_import import import_beam

import_beam()
