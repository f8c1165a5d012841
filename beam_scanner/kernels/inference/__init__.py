"""Models inside kernels: what users give, how it is loaded once, and how it is called.

* ``model_kinds``: a Beam ``ModelHandler``, a class with ``load``, or a callable, in one
  form;
* ``model_source``: what travels to workers of it, and what its fingerprint is;
* ``weights``: the versions of the files that it names;
* ``loaded_models``: one load a process;
* ``predictions``: from what a model returns to one value a row;
* ``inference_metrics``: what ``RunInference`` counts.
"""
