"""Words for objects by what they are for, without naming them.

``one`` completes "the things that ..", ``all`` is a whole request. They are written for
the ten classes of NWPU VHR-10, so that no other class of the ten fits them.
"""

from typing import NamedTuple


class Use(NamedTuple):
    """A description of one class."""

    one: str
    all: str


USES: dict[str, tuple[Use, ...]] = {
    "airplane": (
        Use("carry passengers through the air", "Segment what a pilot would fly."),
        Use(
            "need a runway to take off",
            "A runway is needed for some things here to leave the ground. Segment them.",
        ),
    ),
    "ship": (
        Use("float and carry cargo", "Segment what a captain would steer to sea."),
        Use(
            "sail across the water",
            "Goods are to be sent over the sea. Segment what could carry them.",
        ),
    ),
    "storage tank": (
        Use(
            "hold large amounts of oil or gas",
            "Segment where oil or gas could be kept.",
        ),
        Use(
            "keep liquid fuel in a round steel shell",
            "A leak of fuel is feared. Segment the containers to be inspected.",
        ),
    ),
    "baseball diamond": (
        Use("let a pitcher throw to a batter", "Segment where a batter could hit."),
        Use(
            "have four bases to run around",
            "Players want to run from base to base. Segment where they can.",
        ),
    ),
    "tennis court": (
        Use(
            "let two players strike a small ball over a net with rackets",
            "Segment where a match with rackets could be played across a net.",
        ),
        Use(
            "are made for serves and volleys",
            "Someone wants to practise serves and volleys. Segment where.",
        ),
    ),
    "basketball court": (
        Use("have a hoop at each end", "Segment where players could shoot at hoops."),
        Use(
            "let two teams dribble and throw at baskets",
            "Two teams of five want to dribble and throw. Segment where they can.",
        ),
    ),
    "ground track field": (
        Use(
            "let runners race 400 metres around a lawn",
            "Segment where a race of 400 metres could be run.",
        ),
        Use(
            "have oval lanes for athletes",
            "Athletes need lanes to sprint in. Segment where they find them.",
        ),
    ),
    "harbor": (
        Use("let boats tie up", "Segment where boats could be moored."),
        Use(
            "give vessels a place to load and unload",
            "A vessel comes in from the sea. Segment where it could be unloaded.",
        ),
    ),
    "bridge": (
        Use(
            "carry a road over water or over another road",
            "Segment what lets traffic cross over an obstacle.",
        ),
        Use(
            "would cut a road in two if they fell",
            "Segment what has to hold if cars are to cross the gap below.",
        ),
    ),
    "vehicle": (
        Use(
            "drive on roads on their own wheels",
            "Segment what needs a driver's licence.",
        ),
        Use(
            "could be parked in a garage",
            "A garage has room to let. Segment what could be parked in it.",
        ),
    ),
}

#: Side of the image -> request for the object that lies nearest to it.
PLACES: tuple[tuple[str, str], ...] = (
    ("left", "Among the things that {}, segment the one farthest to the left."),
    ("right", "Among the things that {}, segment the one farthest to the right."),
    ("top", "Among the things that {}, segment the one nearest to the upper edge."),
    ("bottom", "Among the things that {}, segment the one nearest to the lower edge."),
)

ABSENT: tuple[str, ...] = (
    "Segment the things that {}.",
    "Which parts of the image {}? Segment them.",
)
