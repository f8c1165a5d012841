"""What travels in PCollections: keys, values, and what sinks report."""

from beam_scanner.beam_internals.quiet_import import import_beam

import_beam()
