"""Fetches the paper's own pictures from the Hugging Face hub: ``tillspeicher/transforms_2d_base``.

Two configurations of one split, ``train``: ``foregrounds`` with the columns ``image`` (RGBA) and
``label`` (a name), of which the first of each name is its class's prototype, and ``backgrounds``
with the column ``image``. They are those of SI-Score (Djolonga et al. 2021). Classes are in the
order of their names (the published code takes the order of a Python set, which changes from run to
run). Needs the package ``datasets`` and a network, or the library's cache.
"""

from functools import lru_cache
from typing import Any

from PIL import Image

from invariscope.data.hf import hub_library
from invariscope.errors import InputError
from invariscope.hub import hub_at_once

LICENCE = "see the data set's page and google-research/si-score"


@lru_cache(maxsize=2)
def published_objects(
    dataset: str,
) -> tuple[tuple[Image.Image, tuple[str, str, str, str]], ...]:
    """Fetches one RGBA picture per class, with its name, source, row and licence.

    Raises:
        InputError: The package ``datasets`` or the data set cannot be had.
    """
    data = _configuration(dataset, "foregrounds")
    names = data["label"]
    first: dict[str, int] = {}
    for row, name in enumerate(names):
        first.setdefault(str(name), row)
    return tuple(
        (
            data[first[name]]["image"].convert("RGBA"),
            (name, f"hf:{dataset}", f"foregrounds, row {first[name]}", LICENCE),
        )
        for name in sorted(first)
    )


@lru_cache(maxsize=2)
def published_backgrounds(dataset: str) -> tuple[Image.Image, ...]:
    """Fetches the backgrounds, cut to the square at the top left.

    Raises:
        InputError: The package ``datasets`` or the data set cannot be had.
    """
    squares = []
    for row in _configuration(dataset, "backgrounds"):
        picture = row["image"].convert("RGB")
        side = min(picture.size)
        squares.append(picture.crop((0, 0, side, side)))
    return tuple(squares)


def _configuration(dataset: str, name: str) -> Any:
    try:
        library = hub_library()
        with hub_at_once():
            return library.load_dataset(dataset, name, split="train")
    except InputError:
        raise
    # the library raises its own and other libraries' errors: not found, no network, bad cache
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"transforms2d:hf:{dataset} cannot be opened ({type(error).__name__}: {reason}); it "
            "needs a network; transforms2d:shapes and transforms2d:stamps need none"
        ) from error
