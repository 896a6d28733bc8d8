"""Questions that mean something without naming it: what it is for, what happens there.

A purpose has the classes that serve it, the best first, and an answer that names what
is meant with ``{many}``. What reads such questions in use is
:mod:`rsvlm.reasons`; the wordings of the test split are not known to it.
"""

from dataclasses import dataclass

from rsvlm.reasons_examples import QUESTIONS


@dataclass(frozen=True, slots=True)
class Purpose:
    """What somebody could want of a place.

    Attributes:
        name: Key, for ids.
        labels: Classes that serve it, the best first.
        answer: The sentence before the regions.
        beside: Whether the ground next to the first class is meant, not the class.
        train: Wordings for training.
        val: Wordings kept for the validation split.
        test: Wordings kept for the test split alone.
    """

    name: str
    labels: tuple[str, ...]
    answer: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    beside: bool = False

    def wordings(self, split: str) -> tuple[str, ...]:
        """Return the wordings of a split."""
        return {"train": self.train, "val": self.val}.get(split, self.test)


PURPOSES = (
    Purpose(
        "land",
        ("ground track field", "baseball diamond", "bare or dry ground"),
        "A helicopter could land on the {many}",
        QUESTIONS["land"],
        ("A pilot looks for a spot to put a helicopter down. Where?",),
        (
            "Pick a landing site for an air ambulance.",
            "Where might a chopper come down safely?",
        ),
    ),
    Purpose(
        "moor",
        ("harbor",),
        "Boats could be moored at the {many}",
        QUESTIONS["moor"],
        ("A skipper wants a berth for the night. Where?",),
        (
            "Where could a ferry pick up its passengers?",
            "Which spot suits for anchoring by the shore?",
        ),
    ),
    Purpose(
        "fly",
        ("airplane",),
        "The {many} could be flown",
        QUESTIONS["fly"],
        ("What would air traffic control watch?",),
        (
            "What here is able to cross an ocean in hours?",
            "What would passengers board at a gate?",
        ),
    ),
    Purpose(
        "fuel",
        ("storage tank",),
        "Fuel could be stored in the {many}",
        QUESTIONS["fuel"],
        ("A refinery must stock its oil. Where?",),
        (
            "Where is a reserve of gasoline likely to be?",
            "What should firefighters keep cool first?",
        ),
    ),
    Purpose(
        "swim-goods",
        ("ship",),
        "The {many} could sail",
        (
            "What here can travel on water?",
            "What could carry containers over the sea?",
            "What floats?",
            "What would sink if it leaked?",
            "What needs a captain?",
            "Which objects could leave by sea?",
        ),
        ("What would the coast guard watch?",),
        (
            "What could fishermen use to go out?",
            "What here could sail to another port?",
        ),
    ),
    Purpose(
        "drive",
        ("vehicle",),
        "The {many} could drive",
        QUESTIONS["drive"],
        ("What would a mechanic repair?",),
        ("What would need a number plate?", "What could take a family on a road trip?"),
    ),
    Purpose(
        "cross",
        ("bridge",),
        "One could cross on the {many}",
        QUESTIONS["cross"],
        ("Where could troops get over the river?",),
        (
            "Which structure would a flood cut off traffic at?",
            "Where does one reach the far shore dry?",
        ),
    ),
    Purpose(
        "tennis",
        ("tennis court",),
        "One could play tennis on the {many}",
        QUESTIONS["tennis"],
        ("Where would a backhand be of use?",),
        ("Where might somebody hit an ace?", "Where could a racket club meet?"),
    ),
    Purpose(
        "baseball",
        ("baseball diamond",),
        "One could play baseball on the {many}",
        QUESTIONS["baseball"],
        ("Where would an umpire call a strike?",),
        ("Where might a Little League team train?", "Where would a catcher crouch?"),
    ),
    Purpose(
        "basketball",
        ("basketball court",),
        "One could play basketball on the {many}",
        QUESTIONS["basketball"],
        ("Where would a free throw be taken?",),
        (
            "Where could a rebound be caught?",
            "Where might a game of streetball be held?",
        ),
    ),
    Purpose(
        "run",
        ("ground track field",),
        "One could run on the {many}",
        QUESTIONS["run"],
        ("Where could a marathon runner do intervals?",),
        (
            "Where might the long jump be held?",
            "Where would a stopwatch and spikes be used?",
        ),
    ),
    Purpose(
        "flood",
        ("water",),
        "The ground beside the water would flood first",
        QUESTIONS["flood"],
        ("Where would a flood warning matter?",),
        (
            "Which land would go under if the level rose?",
            "Where should nobody build because of floods?",
        ),
        beside=True,
    ),
    Purpose(
        "swim",
        ("water",),
        "One could swim in the {many}",
        QUESTIONS["swim"],
        ("Where would a diver go?",),
        ("Where could somebody row?", "Where could a swimmer be?"),
    ),
    Purpose(
        "live",
        ("built-up land",),
        "People live on the {many}",
        QUESTIONS["live"],
        ("Where would a power cut be noticed by most people?",),
        (
            "Where would evacuation be hardest?",
            "Which part would need the most schools?",
        ),
    ),
    Purpose(
        "grow",
        ("vegetation",),
        "Plants grow on the {many}",
        QUESTIONS["grow"],
        ("Where would a botanist go?",),
        ("Where does photosynthesis take place?", "Where would deer feel at home?"),
    ),
    Purpose(
        "build",
        ("bare or dry ground",),
        "One could build on the {many}",
        QUESTIONS["build"],
        ("Where would dust storms start?",),
        ("Where could a quarry be opened?", "Where is hardly anything growing?"),
    ),
)
