"""Beam YAML: the transforms of :mod:`beam_scanner.transforms` in YAML pipelines.

``providers.yaml``, beside this file, gives them their names::

    providers:
    {% include 'beam_scanner/yaml/providers.yaml' %}

    pipeline:
      type: chain
      transforms:
        - type: ReadFromVideo
          config: {pattern: films/*.mp4}
        - type: Stride
          config: {stride: 8}
        - type: Resize
          config: {width: 320, height: 180}
        - type: WriteToNamedVideo
          config: {db: db, name: 'small/{stream}'}

Beam applies a Python transform of a provider to the very PCollections that the one
before it gave. So streams stay streams from one transform to the next, and what holds
in Python holds here: sampling reaches the decoder, and branches of a source decode it
once. For everything else that YAML has, ``StreamsToRows`` makes rows with fields.

``transforms`` has the classes; their docstrings are the catalogue::

    python -m apache_beam.yaml.generate_yaml_docs --markdown_file=catalogue.md \
        --provider_source_file=beam_scanner/yaml/providers.yaml
"""

from beam_scanner.beam_internals.quiet_import import import_beam

import_beam()
