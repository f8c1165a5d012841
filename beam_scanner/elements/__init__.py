"""Elements of PCollections: keys, values, and the reports of sinks."""

from beam_scanner.beam_internals.quiet_import import import_beam

import_beam()
