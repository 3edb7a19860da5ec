"""A local page to browse and compare runs: read-only, for this machine and one token."""
