"""Draws emoji as objects: animals, plants and things of Google's Noto Color Emoji.

The pictures are those of Debian's package ``fonts-noto-color-emoji`` (bitmaps of 136 × 128 in the
font), drawn by Pillow. Left out: faces, people, hands, symbols, flags, clocks, and pictures of
which another one of the list is a variant. The name is that of the code point in Unicode.
"""

import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from invariscope.data.packages import needs_debian
from invariscope.errors import InputError

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
PACKAGE = "fonts-noto-color-emoji"
LICENCE = "Apache-2.0 (pictures), OFL-1.1 (font)"
CREDIT = f"objects: Noto Color Emoji ({PACKAGE}, {LICENCE})"
_STRIKE = 109  # the only size that the font's bitmaps have
_PICTURES = (
    # animals
    "🐀🐂🐃🐄🐅🐇🐈🐉🐊🐋🐌🐍🐎🐏🐐🐑🐒🐓🐕🐖🐘🐙🐚🐛🐜🐝🐞🐟🐡🐢🐤🐧🐪🐬🦀🦂🦃🦅🦆🦇🦈🦉🦋🦌🦎🦏🦑🦒🦓🦔"
    # plants and food
    "🌰🌲🌴🌵🌷🌸🌹🌻🌽🍁🍄🍅🍆🍇🍉🍊🍌🍍🍎🍐🍑🍒🍓🍔🍕🍗🍞🍟🍦🍩🍪🍭🎂🥐🥑🥕🥝🥥🥦🥨"
    # things
    "🚀🚁🚂🚌🚑🚒🚗🚜🚲🚢⛵🎈🎩🎸🎺🎻🥁🎮🎲🏀🏈⚽🎾👑👒👓👖👗👞👠💎💡💣📷🔑🔨🔫☂🕯🪑"
)  # fmt: skip

#: (name, code point) of each class.
EMOJI: tuple[tuple[str, int], ...] = tuple(
    (unicodedata.name(character).lower(), ord(character)) for character in _PICTURES
)


def installed_count() -> int:
    """Counts the emoji that are installed.

    Raises:
        InputError: The font is not installed.
    """
    if not Path(FONT).is_file():
        raise needs_debian("transforms2d:emoji", [PACKAGE], "; or write transforms2d:shapes")
    return len(EMOJI)


def draw_emoji(number: int) -> Image.Image:
    """Draws the picture of class number k, RGBA.

    Raises:
        InputError: The font cannot be read.
    """
    character = chr(EMOJI[number][1])
    picture = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(picture).text((8, 8), character, font=_font(), embedded_color=True)
    return picture


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(FONT, _STRIKE)
    except OSError as error:
        raise InputError(f"{FONT} cannot be read: {error}; install {PACKAGE} again") from error
