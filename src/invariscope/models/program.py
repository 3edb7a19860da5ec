"""Loads models that come as a whole program: TorchScript and ``torch.export``.

A program is run as it is. TorchScript takes no hooks, so that it is measured at its outputs. An
exported program is unflattened into modules, which take hooks, where these give the same output and
any number of images at a time; a program for a fixed number of images is run in batches of that
many, the last one filled up, and is measured at its outputs.
"""

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from invariscope.errors import InputError, first_line
from invariscope.models.normalisation import unstated
from invariscope.models.preprocessing import ANY_CHANNELS, UNSTATED, Preprocessing
from invariscope.models.probe import Probe

OUTPUTS_ONLY = "hooks do not reach into it: it is measured at its outputs, the embedding among them"
_MANY = 2**20


@dataclass(frozen=True)
class BatchSizes:
    """The number of images that a program takes at a time: from ``least`` to ``most``."""

    least: int = 1
    most: int = _MANY

    @property
    def free(self) -> bool:
        """Says whether it takes any number."""
        return self.least <= 1 and self.most >= _MANY

    def __str__(self) -> str:
        if self.free:
            return "any number of images"
        if self.least == self.most:
            return f"batches of {self.least} images, the last one filled up"
        return f"batches of {self.least} to {self.most} images"


class Program(nn.Module):
    """A program as a module without parts: hooks find nothing in it.

    Args:
        run: From normalised images to outputs.
        inner: What holds the parameters and moves to devices; None where nothing does.
        batch: How many images ``run`` takes.
        state: What the weights are told by, for a program without a state dict.
        opaque: Whether derivatives do not pass.
    """

    def __init__(
        self,
        run: Callable[[Tensor], Any],
        inner: nn.Module | None = None,
        batch: BatchSizes | None = None,
        state: Mapping[str, Any] | None = None,
        opaque: bool = False,
    ):
        super().__init__()
        # In a tuple, so that torch does not take them for parts, into which hooks are put.
        self._run, self._inner, self._batch = (run,), (inner,), batch or BatchSizes()
        self._state, self._opaque = state, opaque

    def forward(self, images: Tensor) -> Any:
        """Computes outputs for any number of images."""
        if self._opaque and torch.autograd.forward_ad.unpack_dual(images).tangent is not None:
            raise InputError("derivatives do not pass through this program; other metrics work")
        count, most = len(images), self._batch.most
        if self._batch.least <= count <= most:
            return self._run[0](images)
        parts = []
        for start in range(0, count, most):
            part = images[start : start + most]
            lacking = max(0, self._batch.least - len(part))
            filled = torch.cat([part, part[-1:].expand(lacking, -1, -1, -1)])
            parts.append(_first(self._run[0](filled), len(part)))
        return _joined(parts)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the weights, of which a hash is taken."""
        if self._state is not None or self._inner[0] is None:
            return dict(self._state or {})
        return self._inner[0].state_dict()

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Yields those of the program: they tell device and type."""
        if self._inner[0] is not None:
            yield from self._inner[0].named_parameters()

    def to(self, *args: Any, **kwargs: Any) -> "Program":
        """Moves the program."""
        if self._inner[0] is not None:
            self._inner[0].to(*args, **kwargs)
        return self

    def eval(self) -> "Program":
        """Leaves the program in the mode it was made in."""
        return self


def program_probe(
    program: nn.Module, spec: str, preprocessing: Preprocessing, decisions: Mapping[str, str],
    warnings: tuple[str, ...] = (),
) -> Probe:  # fmt: skip
    """Makes the probe of a program, which has no untrained twin."""

    def fresh(seed: int) -> nn.Module:
        raise InputError(
            f"model {spec}: a program cannot be drawn anew; an nn.Module has an untrained twin"
        )

    warnings += unstated(None, preprocessing)
    said = {"decisions": decisions, "warnings": warnings}
    return Probe(program, preprocessing, spec, fresh=fresh, **said)


def load_torchscript(path: str, spec: str) -> Probe:
    """Loads the probe of a TorchScript file."""
    file = existing(path, "torchscript", spec)
    try:
        with quiet():
            program = torch.jit.load(str(file), map_location="cpu")
    except Exception as error:
        raise InputError(
            f"model {spec} is no TorchScript file ({type(error).__name__}: {first_line(error)}); "
            f"a state dict is given as checkpoint:{path}@ARCH"
        ) from error
    return _torchscript(program, spec)


def from_torchscript(module: torch.jit.ScriptModule, spec: str) -> Probe:
    """Makes the probe of a TorchScript module; a copy is measured."""
    buffer = io.BytesIO()
    try:
        with quiet():
            torch.jit.save(module, buffer)
            buffer.seek(0)
            device = next((p.device for p in module.parameters()), torch.device("cpu"))
            copied = torch.jit.load(buffer, map_location=device)
    except Exception as error:
        raise InputError(
            f"model {spec} cannot be copied ({type(error).__name__}: {first_line(error)}); save it "
            "and give torchscript:PATH"
        ) from error
    return _torchscript(copied, spec)


def _torchscript(program: Any, spec: str) -> Probe:
    program.eval()
    said = {"layers": f"TorchScript: {OUTPUTS_ONLY}"}
    return program_probe(Program(program, program), spec, ANY_CHANNELS, said)


def load_exported(path: str, spec: str) -> Probe:
    """Loads the probe of a file of ``torch.export.save``."""
    file = existing(path, "export", spec)
    try:
        with quiet():
            program = torch.export.load(str(file))
    except Exception as error:
        raise InputError(
            f"model {spec} is no file of torch.export.save ({type(error).__name__}: "
            f"{first_line(error)})"
        ) from error
    return from_exported(program, spec)


def from_exported(program: Any, spec: str) -> Probe:
    """Makes the probe of an ``ExportedProgram``."""
    shape = _input_shape(program, spec)
    batch = BatchSizes(*_range(program, shape[0]))
    preprocessing = fixed_size(*shape[1:])
    example = torch.zeros(batch.least if batch.least > 1 else min(2, batch.most), *_sides(shape))
    with quiet(), torch.no_grad():
        flat = program.module()
        modules = _unflattened(program, flat, example) if batch.free else None
    said = {"batch": f"the program takes {batch}"}
    warnings = ()
    if _trains(program):
        warnings = (
            f"model {spec} was exported in training mode: dropout is on or images change each "
            "other through batch statistics, and eval() cannot repair it; export model.eval()",
        )
    if modules is not None:
        said["layers"] = "torch.export: its modules, unflattened, give the same output"
        return program_probe(modules, spec, preprocessing, said, warnings)
    reason = "" if batch.free else " (exported with a dynamic batch it would show its layers)"
    said["layers"] = f"torch.export: {OUTPUTS_ONLY}{reason}"
    return program_probe(Program(flat, flat, batch), spec, preprocessing, said, warnings)


def _unflattened(program: Any, flat: nn.Module, example: Tensor) -> nn.Module | None:
    """Modules that take hooks, where they give what the program gives."""
    try:
        modules = torch.export.unflatten(program)
        _restore_kinds(modules, program)
        same = torch.equal(_leaf(modules(example)), _leaf(flat(example)))
    except Exception:
        return None
    return modules.eval() if same else None


def _restore_kinds(modules: nn.Module, program: Any) -> None:
    """Gives the unflattened modules the kinds that they had: blocks and classifiers are told by it.

    Linear maps become Linear modules, all others subclasses of their own with the old name.
    """
    kinds = {
        path: str(kind)
        for node in program.graph.nodes
        for path, kind in (node.meta.get("nn_module_stack") or {}).values()
        if path
    }
    types: dict[str, type] = {}
    for path, kind in kinds.items():
        try:
            old: Any = modules.get_submodule(path)
        except AttributeError:
            continue
        parts = dict(old.named_parameters(recurse=False))
        weight = parts.get("weight")
        if kind == "torch.nn.modules.linear.Linear" and weight is not None and weight.ndim == 2:
            new = nn.Linear(*reversed(weight.shape), bias="bias" in parts, device="meta")
            for name, value in parts.items():
                setattr(new, name, value)
            modules.set_submodule(path, new)
        else:
            name = kind.rpartition(".")[2]
            old.__class__ = types.setdefault(kind, type(name, (type(old),), {}))


def _input_shape(program: Any, spec: str) -> tuple[Any, ...]:
    names = program.graph_signature.user_inputs
    shapes = [
        tuple(node.meta["val"].shape)
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in names and hasattr(node.meta["val"], "shape")
    ]
    if len(shapes) != 1 or len(names) != 1 or len(shapes[0]) != 4:
        came = ", ".join(str(list(map(str, shape))) for shape in shapes)
        raise InputError(
            f"model {spec} takes {len(names)} inputs of shapes {came}; a program of one input "
            "[image, channel, height, width] works"
        )
    return shapes[0]


def _range(program: Any, size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    for symbol, limits in program.range_constraints.items():
        if str(symbol) == str(size):
            least = max(1, int(limits.lower))
            most = _MANY if "oo" in str(limits.upper) else min(_MANY, int(limits.upper))
            return least, most
    return 1, _MANY


def _sides(shape: tuple[Any, ...]) -> tuple[int, int, int]:
    channels, height, width = (side if isinstance(side, int) else 224 for side in shape[1:])
    return channels if isinstance(shape[1], int) else 3, height, width


def fixed_size(channels: Any, height: Any, width: Any) -> Preprocessing:
    """Returns the preprocessing of a program: its size where that is fixed, no mean and std."""
    plain = ANY_CHANNELS
    if isinstance(channels, int):
        plain = plain.override({"channels": channels}, by="")
    if not isinstance(height, int) or not isinstance(width, int):
        return plain
    sized = plain.override({"size": (height, width)})
    return replace(sized, source=f"{UNSTATED}: size {height} × {width} is the program's")


def _trains(program: Any) -> bool:
    """Says whether a dropout or a batch normalisation of the program is in training mode."""
    for node in program.graph.nodes:
        name = str(node.target)
        position = 5 if "batch_norm" in name else 2 if "dropout" in name else None
        if position is not None and len(node.args) > position and node.args[position] is True:
            return True
    return False


def existing(path: str, kind: str, spec: str) -> Path:
    """Returns the file of a program, which must exist."""
    file = Path(path).expanduser()
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise InputError(f"model {spec}: {path} {what}; {kind}:PATH takes a file")
    return file


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the warnings of libraries that these formats are being left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _leaf(output: Any) -> Tensor:
    while not isinstance(output, Tensor):
        output = next(iter(output.values() if isinstance(output, Mapping) else output))
    return output


def _first(output: Any, count: int) -> Any:
    if isinstance(output, Tensor):
        return output[:count]
    if isinstance(output, Mapping):
        return {name: _first(value, count) for name, value in output.items()}
    return tuple(_first(value, count) for value in output)


def _joined(outputs: list[Any]) -> Any:
    if isinstance(outputs[0], Tensor):
        return torch.cat(outputs)
    if isinstance(outputs[0], Mapping):
        return {name: _joined([output[name] for output in outputs]) for name in outputs[0]}
    return tuple(_joined(list(values)) for values in zip(*outputs, strict=True))
