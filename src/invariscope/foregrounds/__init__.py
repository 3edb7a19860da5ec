"""Measures where foregrounds are in images and how large: boxes, and their spread."""

from invariscope.foregrounds.foregrounds import measure_foregrounds
from invariscope.foregrounds.result import Foregrounds

__all__ = ["Foregrounds", "measure_foregrounds"]
