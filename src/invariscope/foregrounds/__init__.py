"""Where things are in images, and how large: boxes around foregrounds, and their spread."""

from invariscope.foregrounds.foregrounds import Foregrounds, measure_foregrounds

__all__ = ["Foregrounds", "measure_foregrounds"]
