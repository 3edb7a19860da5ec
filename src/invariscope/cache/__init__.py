"""Keeps what networks gave for images, so that a second run on them needs no forward pass.

A pass is known by all that its numbers depend on (`identity`). What it gave lies in segments
(`segments`), which are found by a block's images (`shelf`) in a folder of bounded size (`folder`).
"""

from invariscope.cache.folder import DEFAULT_SIZE, CacheFolder, check_cache
from invariscope.cache.identity import Shown
from invariscope.cache.vectors import VectorCache

__all__ = ["DEFAULT_SIZE", "CacheFolder", "Shown", "VectorCache", "check_cache"]
