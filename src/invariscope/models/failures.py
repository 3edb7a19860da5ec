"""How an error of somebody else's code is put into one line."""

_LONGEST = 200


def first_line(error: BaseException) -> str:
    r"""The first line of an error's text, at most 200 characters.

    Example:
        >>> first_line(ValueError("bad shape\nand a long story"))
        'bad shape'
    """
    lines = str(error).strip().splitlines()
    return lines[0].strip()[:_LONGEST] if lines else "no message"
