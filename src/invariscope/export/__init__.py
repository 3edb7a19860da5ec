"""Hands finished runs on to the trackers and tables that people use."""

from invariscope.export.destinations import DESTINATIONS, export_run
from invariscope.export.opening import open_record
from invariscope.export.record import Curve, Record

__all__ = ["DESTINATIONS", "Curve", "Record", "export_run", "open_record"]
