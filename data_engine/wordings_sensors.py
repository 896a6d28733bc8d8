"""How questions about land cover, aircraft and sensors are worded, for each split.

``{what}`` is a land-cover class or the type of an aircraft, ``{a}`` the type with its
article, ``{options}`` a list. None of them says which sensor took the image, so that
the same question can be put to an optical and to a radar image.
"""

#: Kind of question -> wordings for training.
QUESTIONS = {
    "cover": (
        "What covers most of the area? Answer with one of: {options}.",
        "Which land cover dominates: one of {options}?",
        "Classify the ground as one of: {options}.",
        "Most of the ground is one of: {options}. Which?",
        "Choose what covers most of the ground from: {options}.",
        "Out of {options}, which covers the largest part?",
        "What is the main land cover? One of: {options}.",
        "which land cover is it mostly? one of: {options}",
        "Pick the land cover that takes up most of the picture: {options}.",
        "Label the area with its main land cover, one of: {options}.",
    ),
    "cover-main": (
        "What covers most of the area?",
        "What is the main land cover?",
        "What is most of the ground covered with?",
        "Which land cover dominates?",
        "What mainly covers the ground here?",
        "what is most of this area?",
        "Name the dominant land cover.",
        "Which kind of ground takes up most of the image?",
    ),
    "cover-presence": (
        "Is there any {what} in this image?",
        "Is there {what} here?",
        "Does the area have {what}?",
        "Can you see {what}?",
        "Is {what} visible?",
        "Does this image show {what}?",
        "any {what} in the picture?",
        "Is some of the area {what}?",
        "Does {what} occur in this scene?",
        "I am looking for {what}. Is there any?",
        "Check for {what}: is there some?",
        "Do you find {what} in this place?",
    ),
    "cover-share": (
        (
            "How much of the area is {what}? Answer none, less than a quarter, about half "
            "or most."
        ),
        (
            "Which part of the ground is {what}: none, less than a quarter, about half or "
            "most?"
        ),
        (
            "How much {what} is there: none, less than a quarter, about half or most of "
            "the area?"
        ),
        (
            "What share of the image does {what} take up? Say none, less than a quarter, "
            "about half or most."
        ),
        "Is none, less than a quarter, about half or most of this area {what}?",
    ),
    "sensor": (
        "Which kind of sensor took this image?",
        "Is this an optical or a radar image?",
        "What sensor is this from, optical or radar?",
        "Was this picture taken by a camera or by a radar?",
        "optical or radar?",
        "Tell me what kind of instrument made this image.",
    ),
    "aircraft": (
        "Which type of aircraft is this? Answer with one of: {options}.",
        "Classify the aircraft as one of: {options}.",
        "The airplane is one of: {options}. Which one?",
        "What airliner is shown, one of: {options}?",
        "Name the type of the plane. It is one of: {options}.",
        "Choose the aircraft type from: {options}.",
        "which plane is it? one of: {options}",
        "Out of {options}, which aircraft does the image show?",
        "Identify the airliner as one of: {options}.",
        "Pick the type of this airplane: {options}.",
    ),
    "aircraft-presence": (
        "Is it {a}?",
        "Is this {a}?",
        "is this plane {a}",
        "Does the image show {a}?",
        "Is the aircraft {a}?",
        "Would you say that the airplane is {a}?",
        "Is the type of this airliner {what}?",
        "Could the aircraft be {a}?",
    ),
    "cover-mask": (
        "Segment the {what}.",
        "Outline all {what}.",
        "Mark the {what} in this image.",
        "Where is {what}? Give a mask.",
    ),
    "water-share": (
        "Which percentage of the area is water?",
        "How many percent of the image are covered by water?",
    ),
}

#: Kind of question -> wordings kept for the validation split.
VALIDATION = {
    "cover": (
        "Decide which land cover prevails: {options}.",
        "Of {options}, what makes up the greater part?",
    ),
    "cover-main": ("What makes up the greater part of the ground?",),
    "cover-presence": (
        "Tell me whether there is {what}.",
        "Has this place got any {what}?",
    ),
    "cover-share": (
        (
            "State how much of the ground is {what}: none, less than a quarter, about half "
            "or most."
        ),
    ),
    "sensor": ("Say whether an optical sensor or a radar made this.",),
    "aircraft": (
        "Decide which aircraft it is: {options}.",
        "Give the airliner its type, one of: {options}.",
    ),
    "aircraft-presence": ("Tell me whether it is {a}.", "Have we got {a} here?"),
    "cover-mask": ("Draw a mask of the {what}.",),
    "water-share": ("State the percentage of water in the area.",),
}

#: Kind of question -> wordings kept for the test split alone.
HELD_OUT = {
    "cover": (
        "Which of these is the largest part of the ground: {options}?",
        "What do you see most of here? Reply with one of: {options}.",
    ),
    "cover-main": ("What do you see most of on the ground?",),
    "cover-presence": (
        "Is {what} to be found in this picture?",
        "Would you say that there is {what} here?",
    ),
    "cover-share": (
        (
            "Roughly how much of the scene is {what}: none, less than a quarter, about "
            "half or most?"
        ),
    ),
    "sensor": ("What type of sensor does this picture come from?",),
    "aircraft": (
        "Which of these airplanes do you see: {options}?",
        "What is the type of the aircraft shown? Reply with one of: {options}.",
    ),
    "aircraft-presence": ("Would you call this {a}?", "Is {a} what you see?"),
    "cover-mask": ("Show me where the {what} is.",),
    "water-share": ("What percentage of the ground lies under water?",),
}
