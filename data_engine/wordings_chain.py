"""How the whole of an image is asked about where zoom-in chains are trained.

What a window shows is asked for in the wordings of presence and place; these questions
need all of the image, and so no window.
"""

#: Kind of question -> wordings for training; ``{of}`` is a side, ``{others}`` a plural.
QUESTIONS = {
    "chain-more": (
        "Are there more {many} than {others}?",
        "Is the number of {many} larger than that of {others}?",
        "Does the image show more {many} than {others}?",
        "Do {many} outnumber {others} here?",
    ),
    "chain-side": (
        "Is the {one} {of} the {other}?",
        "Does the {one} lie {of} the {other}?",
        "Can the {one} be found {of} the {other}?",
        "Would you say that the {one} is {of} the {other}?",
    ),
}

#: Kind of question -> wordings kept for the validation split.
VALIDATION = {
    "chain-more": (
        "Would you count more {many} than {others}?",
        "Has the scene more {many} than {others}?",
    ),
    "chain-side": (
        "Is it true that the {one} lies {of} the {other}?",
        "Do you see the {one} {of} the {other}?",
    ),
}

#: Kind of question -> wordings kept for the test split alone.
HELD_OUT = {
    "chain-more": (
        "Are the {many} more numerous than the {others}?",
        "Can you see more {many} than {others}?",
    ),
    "chain-side": (
        "Is the {one} situated {of} the {other}?",
        "Is the {one} placed {of} the {other}?",
    ),
}
