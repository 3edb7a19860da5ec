"""Digests the content of a picture: 32 hexadecimal digits, a BLAKE2b over its bytes.

Of a picture that is a file, the bytes are those of the file, so the digits depend on no decoder;
of any other (an array, an item of a user's data set), they are its type, its shape and its pixels.
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Union

import numpy as np

from invariscope.errors import first_of

if TYPE_CHECKING:
    import torch
    from PIL import Image

_BYTES = 16


def digest_of_file(file: str | bytes) -> str:
    """The digest of a file, or of what such a file holds.

    Raises:
        OSError: The file cannot be read.

    Example:
        >>> digest_of_file(b"")
        'cae66941d9efbd404e4d88758ea67670'
    """
    if isinstance(file, bytes):
        return hashlib.blake2b(file, digest_size=_BYTES).hexdigest()
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, _hash).hexdigest()


def digest_of_pixels(image: Union["Image.Image", "torch.Tensor", np.ndarray]) -> str:
    """The digest of a decoded picture.

    Example:
        >>> digest_of_pixels(np.zeros((2, 2))) == digest_of_pixels(np.zeros((4, 1)))
        False
    """
    pixels = np.ascontiguousarray(image)
    digest = hashlib.blake2b(repr((pixels.shape, pixels.dtype.str)).encode(), digest_size=_BYTES)
    digest.update(pixels.data)
    return digest.hexdigest()


def copies_among(digests: Mapping[str, str]) -> str:
    """Says which pictures are copies of others, given their digests by id; "" where none is.

    Example:
        >>> copies_among({"a": "1f", "b": "2e", "c": "1f"})
        "copies among 3 images, which count as images of their own, so that intervals are narrower than they should be: 'c' of 'a'"
        >>> copies_among({"a": "1f", "b": "2e"})
        ''
    """  # noqa: E501
    first: dict[str, str] = {}
    copies = [
        f"{name!r} of {first[digest]!r}"
        for name, digest in sorted(digests.items())
        if first.setdefault(digest, name) != name
    ]
    if not copies:
        return ""
    return (
        f"copies among {len(digests):,} images, which count as images of their own, so that "
        f"intervals are narrower than they should be: {first_of(copies, 3)}"
    )


def _hash() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=_BYTES)
