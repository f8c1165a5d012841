"""Models inside kernels: what users give, how it is loaded once, and how it is called.

* ``model_kinds``: a Beam ``ModelHandler``, a class with ``load``, or a callable, in one
  form;
* ``model_source``: what travels to workers of it, and what its fingerprint is;
* ``weights``: the versions of the files that it names;
* ``loaded_models``: one load a process;
* ``served_model``: one that several processes share, as they see it;
  ``model_server``: its own process; ``model_messages``: what these two say;
* ``predictions``: from what a model returns to one value a row; ``result_types``: the
  types of these;
* ``device_memory``: how libraries say that memory ran out;
* ``inference_metrics``: what ``RunInference`` counts.
"""
