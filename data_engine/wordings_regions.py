"""How one object, its outline or its box is asked for, for each split.

``{one}`` is the noun; ``{other}`` another object; ``{most}``, ``{edge}`` and ``{of}``
are the words of :data:`rsvlm.training.sides.SIDES`, which training turns with the
image; ``{given}`` is a region in our dialect; ``{what}`` a description made of a
wording of the kinds that begin with "the-".
"""

#: Kind of question -> wordings for training.
QUESTIONS = {
    "the-largest": ("the largest {one}", "the biggest {one}", "the {one} of most size"),
    "the-smallest": ("the smallest {one}", "the {one} that is the smallest"),
    "the-side": (
        "the {most} {one}",
        "the {one} nearest the {edge}",
        "the {one} closest to the {edge} of the image",
    ),
    "the-middle": (
        "the {one} nearest the middle of the image",
        "the most central {one}",
        "the {one} in the centre",
    ),
    "the-nearest": (
        "the {one} nearest the {other}",
        "the {one} closest to the {other}",
        "the {one} next to the {other}",
    ),
    "the-beside": (
        "the {one} {of} the {other}",
        "the {one} that lies {of} the {other}",
    ),
    "refer": (
        "Where is {what}?",
        "Locate {what}.",
        "Find {what}.",
        "Show me {what}.",
        "Point out {what}.",
        "Mark {what} in this image.",
        "Can you find {what}?",
        "Give me the box of {what}.",
        "where is {what}",
        "I am looking for {what}.",
        "Which one is {what}?",
        "Please show {what}.",
    ),
    "outline": (
        "Outline the {many}.",
        "Draw the outline of each {one}.",
        "Segment the {many}.",
        "Segment all {many} in this image.",
        "Mark the shape of every {one}.",
        "Trace the {many}.",
        "Show the outlines of the {many}.",
        "Mask the {many}.",
        "Which pixels are {many}?",
        "Give the shape of each {one}.",
        "segment the {many}",
        "Colour in all {many}.",
    ),
    "given-box": (
        "Outline the {one} in the box {given}.",
        "Segment the {one} at {given}.",
        "What is the outline of the {one} inside {given}?",
        "Refine the box {given} of the {one}.",
        "The {one} lies in {given}. Give its shape.",
        "Trace the {one} within {given}.",
        "Take the box {given} and outline the {one} in it.",
        "There is {a} in {given}. Segment it.",
        "Turn {given} into the outline of the {one}.",
        "Follow the edge of the {one} in the box {given}.",
    ),
    "given-shape": (
        "Give the box around the {one} {given}.",
        "Which box holds the {one} {given}?",
        "The {one} has the outline {given}. What is its box?",
        "Turn {given} into a box.",
        "Box the {one} {given}.",
        "What is the bounding box of {given}?",
        "Give the smallest box around {given}.",
        "Find the box of the {one} that is drawn as {given}.",
        "Here is {a}: {given}. Give its box.",
        "Draw a box around the {one} {given}.",
    ),
}

#: Kind of question -> wordings kept for the validation split.
VALIDATION = {
    "the-largest": (
        "the {one} that is larger than the others",
        "the {one} of the largest size",
    ),
    "the-smallest": ("the {one} that is smaller than the others", "the tiniest {one}"),
    "the-side": ("the {one} that is {most}", "the {one} next to the {edge}"),
    "the-middle": ("the {one} at the centre of the image", "the middlemost {one}"),
    "the-nearest": (
        "the {one} beside the {other}",
        "the {one} that is nearest the {other}",
    ),
    "the-beside": (
        "the {one} to be found {of} the {other}",
        "the {one} which is {of} the {other}",
    ),
    "refer": ("Indicate {what}.", "At which place is {what}?"),
    "outline": ("Indicate the shape of the {many}.", "Fill in every {one}."),
    "given-box": (
        "Indicate the shape of the {one} in {given}.",
        "Sharpen the box {given} to the {one}.",
    ),
    "given-shape": (
        "Indicate the box of {given}.",
        "Put the {one} {given} into a box.",
    ),
}

#: Kind of question -> wordings kept for the test split alone.
HELD_OUT = {
    "the-largest": (
        "the {one} that covers the most ground",
        "the {one} with the greatest area",
        "the largest of the {many}",
    ),
    "the-smallest": (
        "the {one} that covers the least ground",
        "the {one} with the smallest area",
        "the smallest of the {many}",
    ),
    "the-side": (
        "the {most} of the {many}",
        "the {one} that lies nearest the {edge}",
        "the {one} by the {edge}",
    ),
    "the-middle": (
        "the {one} closest to the centre of the picture",
        "the {one} in the middle",
        "the central {one}",
    ),
    "the-nearest": (
        "the {one} at the smallest distance from the {other}",
        "the {one} that lies closest to the {other}",
        "the {one} close by the {other}",
    ),
    "the-beside": (
        "the {one} situated {of} the {other}",
        "the {one} found {of} the {other}",
        "the {one} you see {of} the {other}",
    ),
    "refer": (
        "Where can I find {what}?",
        "Please locate {what}.",
        "Give the location of {what}.",
    ),
    "outline": (
        "Please segment every {one}.",
        "Give the outlines of all {many}.",
        "Delineate the {many}.",
    ),
    "given-box": (
        "Delineate the {one} in the box {given}.",
        "Give the precise outline of the {one} at {given}.",
        "Please segment what the box {given} holds: the {one}.",
    ),
    "given-shape": (
        "Which box encloses {given}?",
        "Enclose the {one} {given} in a box.",
        "Please give the box of the {one} outlined as {given}.",
    ),
}
