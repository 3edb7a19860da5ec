"""The command line: one file per subcommand; torch is imported only by the ones that compute."""

from invariscope.cli.app import main

__all__ = ["main"]
