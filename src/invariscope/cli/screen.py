"""What the command line writes on: a terminal that speaks of options."""

from invariscope.cli.flags import with_flags
from invariscope.terminal import Terminal


class Screen(Terminal):
    """A terminal on which the arguments that the library names are options of the command."""

    def shown(self, text: str) -> str:
        """The characters that are shown for a text."""
        return with_flags(super().shown(text))
