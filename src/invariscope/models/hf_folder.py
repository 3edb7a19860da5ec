"""Loads models of Hugging Face's transformers from a folder (extra ``transformers``).

``transformers:FOLDER`` is what ``save_pretrained`` has written: the class that ``config.json``
names is built and its weights are read from the folder, nothing is fetched and no code of the
folder is run. A model of pictures and texts gives its tower for pictures. Pictures are prepared by
its image processor, whose settings are in ``preprocessor_config.json``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from invariscope.errors import InputError, first_line
from invariscope.models.configuration import PROCESSOR, from_processor, read_configuration
from invariscope.models.normalisation import unstated
from invariscope.models.preprocessing import ANY_CHANNELS, Preprocessing
from invariscope.models.probe import Probe
from invariscope.models.twin import drawing

_SHOWN = 3


def load_transformers(path: str, untrained: bool, seed: int, spec: str) -> Probe:
    """Loads the probe of a folder of transformers.

    Raises:
        InputError: transformers is not installed, the folder holds no model of pictures, its
            weights are missing or do not fit.
    """
    try:
        import transformers
    except ImportError:
        raise InputError(
            f"model {spec}: pip install 'invariscope[transformers]' to load it"
        ) from None
    folder = Path(path).expanduser()
    if not (folder / "config.json").is_file():
        raise InputError(
            f"model {spec}: {path} is no folder with a config.json; save the model there with "
            f"save_pretrained, or hf download {path} --local-dir FOLDER, and give "
            "transformers:FOLDER"
        )
    with _silence(transformers):
        config = _config(transformers, folder, spec)
        kind = _class(transformers, config, spec)

        def fresh(seed: int) -> nn.Module:
            with drawing(seed), _silence(transformers):
                return kind(kind.config_class(**_own(config, kind).to_dict()))

        warnings: list[str] = []
        if untrained:
            module = fresh(seed)
        else:
            module, missing = _weights(kind, _own(config, kind), folder, spec)
            if missing:
                warnings.append(
                    f"model {spec}: {len(missing)} arrays are not in the folder and were drawn at "
                    f"random: {', '.join(missing[:_SHOWN])}{', …' * (len(missing) > _SHOWN)}"
                )
        preprocessing = folder_preprocessing(folder)
    return Probe(
        module,
        preprocessing,
        spec,
        fresh=fresh,
        decisions={"class": f"{kind.__name__} of transformers {transformers.__version__}"},
        warnings=[*warnings, *unstated(module, preprocessing)],
    )


def module_preprocessing(module: Any) -> Preprocessing | None:
    """Reads the settings beside the weights that a module of transformers was loaded from."""
    config = getattr(module, "config", None)
    path = getattr(config, "_name_or_path", "") if config is not None else ""
    if not isinstance(path, str) or not path or not Path(path).is_dir():
        return None
    return folder_preprocessing(Path(path)) if (Path(path) / PROCESSOR).is_file() else None


def folder_preprocessing(folder: Path) -> Preprocessing:
    """Reads a folder's image processor; the preprocessing is unknown where it has none."""
    if not (folder / PROCESSOR).is_file():
        return ANY_CHANNELS
    try:
        from transformers import AutoImageProcessor

        processor: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        values = processor.to_dict()
    except Exception:  # of another version, or without what it needs: the file alone
        return read_configuration(str(folder / PROCESSOR), ())
    return from_processor(values, f"image processor in {folder}")


def _config(transformers: Any, folder: Path, spec: str) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise InputError(
            f"model {spec}: its config.json is not of transformers ({first_line(error)}); a folder "
            f"of timm is given as timm:local-dir:{folder}"
        ) from error


def _class(transformers: Any, config: Any, spec: str) -> Any:
    """The class that was saved, or the tower for pictures of one for pictures and texts."""
    names = [name for name in (config.architectures or ()) if hasattr(transformers, name)]
    if not names:
        raise InputError(
            f"model {spec}: its config.json names {config.architectures or 'no class'}, which "
            f"transformers {transformers.__version__} does not have; python:module:factory works"
        )
    saved = getattr(transformers, names[0])
    if getattr(config, "vision_config", None) is None:
        return saved
    stem = names[0].removesuffix("Model").removesuffix("ForZeroShotImageClassification")
    if "ForImageClassification" in names[0]:
        return saved
    for name in (f"{stem}VisionModelWithProjection", f"{stem}VisionModel"):
        if hasattr(transformers, name):
            return getattr(transformers, name)
    raise InputError(
        f"model {spec}: {names[0]} takes more than pictures; a factory python:module:factory that "
        "returns a function of pictures works"
    )


def _own(config: Any, kind: Any) -> Any:
    """The configuration of the class: of a tower the part that is about pictures."""
    if isinstance(config, kind.config_class):
        return config
    part = config.vision_config
    if hasattr(config, "projection_dim"):  # the whole model's, which the part may contradict
        part.projection_dim = config.projection_dim
    return part


def _weights(kind: Any, config: Any, folder: Path, spec: str) -> tuple[nn.Module, list[str]]:
    try:
        module, report = kind.from_pretrained(
            folder, config=config, local_files_only=True, output_loading_info=True
        )
    except Exception as error:
        raise InputError(
            f"model {spec}: its weights cannot be read ({type(error).__name__}: "
            f"{first_line(error)}); {spec}+untrained works without them"
        ) from error
    return module, sorted(report["missing_keys"])


@contextmanager
def _silence(transformers: Any) -> Iterator[None]:
    """Without progress bars and reports; the library's own settings come back afterwards."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
