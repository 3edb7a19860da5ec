"""Saves what a training leaves behind, and loads it: ``trained:FOLDER``.

A folder holds ``weights.pt``, a plain state dict, and ``model.json``: the spec of the architecture,
the number and names of the classes, the preprocessing and the seed. ``model.json`` is written last:
a folder that has it is whole.
"""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from invariscope.errors import InputError, RunError
from invariscope.files import undamaged, write_file
from invariscope.models.architecture import build_architecture
from invariscope.models.preprocessing import Preprocessing
from invariscope.models.state_file import read_state
from invariscope.sealed import read_sealed, write_sealed

WEIGHTS = "weights.pt"
DESCRIPTION = "model.json"


@dataclass(frozen=True)
class TrainedModel:
    """The content of ``model.json``.

    Args:
        architecture: The spec that `build_architecture` takes.
        num_classes: Number of outputs.
        class_names: Name of each output, or None where the data had none.
        preprocessing: What the images need.
        seed: The seed of the training.
    """

    architecture: str
    num_classes: int
    class_names: tuple[str, ...] | None
    preprocessing: Preprocessing
    seed: int


def save_trained(
    folder: str | Path,
    module: nn.Module,
    *,
    architecture: str,
    num_classes: int,
    class_names: Sequence[str] | None,
    preprocessing: Preprocessing,
    seed: int,
) -> None:
    """Writes a trained model; an older one in the folder is replaced.

    Args:
        folder: Where to; it is made if need be.
        module: The model, of this architecture; its mode is left as it is.
        architecture: The spec that it was built from, with its size where that is not the default.
        num_classes: Number of outputs.
        class_names: Name of each output, if known.
        preprocessing: What its images need.
        seed: Of the training.

    Example:
        >>> import tempfile
        >>> module, needs = build_architecture("small:cnn7?width=0.2", num_classes=3, seed=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_trained(folder, module, architecture="small:cnn7?width=0.2", num_classes=3,
        ...                  class_names=None, preprocessing=needs, seed=1)
        ...     read_trained(folder).architecture
        'small:cnn7?width=0.2'
    """
    home = Path(folder).expanduser()
    description = TrainedModel(
        architecture=architecture,
        num_classes=num_classes,
        class_names=None if class_names is None else tuple(class_names),
        preprocessing=preprocessing,
        seed=seed,
    )
    values = {**asdict(description), "preprocessing": preprocessing.as_dict()}
    (home / DESCRIPTION).unlink(missing_ok=True)
    # In eval mode e2cnn keeps the filters it has computed among the weights.
    training = module.training
    state = {name: value.detach().cpu() for name, value in module.train().state_dict().items()}
    module.train(training)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_file(home / WEIGHTS, buffer.getvalue())
    write_sealed(home / DESCRIPTION, values, [WEIGHTS])


def read_trained(folder: str | Path) -> TrainedModel:
    """Reads the description of a trained model.

    Raises:
        InputError: There is no such folder, or it holds no whole model as it was written.
    """
    home = Path(folder).expanduser()
    file = home / DESCRIPTION
    if not file.is_file():
        what = "does not exist" if not home.is_dir() else f"has no {DESCRIPTION}"
        raise InputError(f"trained model {home} {what}; give a folder that training has finished")
    remedy = "give a folder that training has finished"
    values = read_sealed(file, remedy)
    with undamaged(file, remedy):
        names = values["class_names"]
        return TrainedModel(
            architecture=str(values["architecture"]),
            num_classes=int(values["num_classes"]),
            class_names=None if names is None else tuple(names),
            preprocessing=Preprocessing.from_dict(values["preprocessing"]),
            seed=int(values["seed"]),
        )


def load_trained(folder: str | Path) -> tuple[nn.Module, TrainedModel]:
    """Loads the module with its trained weights, in training mode on the CPU; its description.

    Raises:
        InputError: The folder holds no whole model, or its weights do not fit the architecture.
        RunError: What the architecture needs is out of reach: a hub, a package, a file.
    """
    description = read_trained(folder)
    file = Path(folder).expanduser() / WEIGHTS
    try:
        module, _ = build_architecture(
            description.architecture, num_classes=description.num_classes, seed=0, untrained=True
        )
    except InputError as error:
        raise RunError(
            f"trained model {folder}: its architecture cannot be built now ({error}); its weights "
            "are kept, and the same command works again where it can"
        ) from error
    try:
        module.load_state_dict(read_state(file))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"trained model {file} does not fit its architecture: {reason}") from error
    return module, description
