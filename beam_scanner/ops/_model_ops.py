"""Ops that are a model with what comes before and after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from beam_scanner.beam_internals.quiet_import import import_beam
from beam_scanner.errors import ArgumentError, ScannerException
from beam_scanner.kernels import KernelConfig
from beam_scanner.kernels.op_spec import OpForCall, Param
from beam_scanner.ops.infer import InferKernel


class ModelKernel(InferKernel):
    """Base of ops that are a call of ``Infer``, with a model and functions of their own.

    A subclass says in its constructor which; a call of its op then is one of ``Infer``,
    under the op's name.
    """

    # It has no argument that is given without a name.
    first_argument = ""

    def __init__(self, config: Any, **arguments: Any) -> None:
        """Takes the arguments of ``Infer``."""
        super().__init__(config, **arguments)
        self.infer_arguments = arguments

    def infer(self, rows: Any) -> Any:
        """What ``execute`` gives; each op declares it with types of its own."""
        return InferKernel.execute(self, rows)

    @classmethod
    def op_for_call(cls, call: OpForCall) -> OpForCall:
        """The call of ``Infer``.

        Raises:
            ArgumentError: The op cannot be made with these arguments.
        """
        import_beam()
        spec = call.spec
        try:
            arguments = cls(KernelConfig(), **call.init_args).infer_arguments
        except ScannerException:
            raise
        except (TypeError, ValueError, AttributeError) as error:
            given = ", ".join(f"{n}={v!r}" for n, v in call.init_args.items())
            raise ArgumentError(
                f"op {spec.name} cannot be made with {given}: {error}"
            ) from error
        names = tuple(Param(name) for name in arguments)
        made = InferKernel.op_for_call(
            replace(
                call,
                init_args=arguments,
                spec=replace(spec, kernel=InferKernel, init_params=names),
            )
        )
        # Infer takes elements of any type, and one row unless a call has a stencil.
        inferring = replace(made.spec, inputs=spec.inputs, stencil=spec.stencil)
        return replace(made, spec=inferring)
