"""Provides the terminal of the command line, which names options."""

from invariscope.cli.flags import with_flags
from invariscope.terminal import Terminal


class Screen(Terminal):
    """A terminal on which the arguments that the library names are options of the command."""

    def shown(self, text: str) -> str:
        """Makes the characters that are shown for a text."""
        return with_flags(super().shown(text))
