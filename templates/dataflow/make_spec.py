"""Makes the spec file of the Flex Template, which jobs are started from.

::

    python templates/dataflow/make_spec.py --launcher REPOSITORY/launcher \
        --worker REPOSITORY/worker --output gs://bucket/templates/beam-scanner.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

METADATA = Path(__file__).with_name("metadata.json")


def spec(launcher: str, worker: str) -> dict[str, Any]:
    """The spec: what the launcher is, what workers are, and what jobs are asked.

    Args:
        launcher: Image of the launcher.
        worker: Image of the workers.
    """
    return {
        "image": launcher,
        "metadata": json.loads(METADATA.read_text()),
        "sdkInfo": {"language": "PYTHON"},
        "defaultEnvironment": {"sdkContainerImage": worker},
    }


def main() -> None:
    """Writes the spec where ``--output`` says."""
    from apache_beam.io.filesystem import CompressionTypes
    from apache_beam.io.filesystems import FileSystems

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--launcher", required=True, help="image of the launcher")
    parser.add_argument("--worker", required=True, help="image of the workers")
    parser.add_argument("--output", required=True, help="a file, or gs://BUCKET/FILE")
    args = parser.parse_args()
    text = json.dumps(spec(args.launcher, args.worker), indent=2)
    # A name that ends in .gz would be compressed.
    plain = CompressionTypes.UNCOMPRESSED
    with FileSystems.create(args.output, compression_type=plain) as file:
        file.write(text.encode())


if __name__ == "__main__":
    main()
