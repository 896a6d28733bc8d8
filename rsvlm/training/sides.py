"""Words for the sides of a picture, and what they become when it is turned.

A question that names a side is composed for the picture as it is; training turns
pictures, and the question with them.
"""

#: Side -> its words: where it lies from something, its edge, what lies farthest there.
SIDES = {
    "left": ("left of", "left edge", "leftmost"),
    "top": ("above", "top edge", "topmost"),
    "right": ("right of", "right edge", "rightmost"),
    "bottom": ("below", "bottom edge", "lowest"),
}
#: A quarter counter-clockwise brings each side to the next one here.
_ROUND = ("left", "bottom", "right", "top")


def turned_side(side: str, quarter: int, mirror: bool) -> str:
    """Return where a side of a picture goes.

    Args:
        side: A key of :data:`SIDES`.
        quarter: Quarters counter-clockwise.
        mirror: Whether left and right are swapped afterwards.

    >>> turned_side("top", 1, False), turned_side("top", 1, True)
    ('left', 'right')
    """
    place = _ROUND.index(side) + quarter
    if mirror and place % 2 == 0:
        place += 2
    return _ROUND[place % 4]


def turned_words(question: str, side: str, quarter: int, mirror: bool) -> str:
    """Return a question about a side of a picture, for the turned picture.

    >>> turned_words("the ship left of the harbor", "left", 2, False)
    'the ship right of the harbor'
    """
    new = turned_side(side, quarter, mirror)
    for before, after in zip(SIDES[side], SIDES[new], strict=True):
        question = question.replace(before, after)
    return question
