"""Questions that mean something without naming it: what it is for, what happens there.

A purpose has the classes that serve it, the best first, and an answer that names what
is meant with ``{many}``. What reads such questions in use is
:mod:`rsvlm.reasons`; the wordings of the test split are not known to it.
"""

from dataclasses import dataclass


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
        (
            "Where could a helicopter land?",
            "Where would a helicopter have room to set down?",
            "A helicopter has to land. Where?",
            "Show open, level ground for landing a helicopter.",
            "Which place is flat and open enough for a helicopter?",
            "Where can a rescue helicopter touch down?",
        ),
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
        (
            "Which place would you use to moor a boat?",
            "Where can a boat be tied up?",
            "Where could I moor my yacht?",
            "Where would ships dock?",
            "Where do boats find shelter and a berth?",
            "Where can sailors go ashore?",
        ),
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
        (
            "Where do planes park?",
            "What here could take off?",
            "Which objects can fly?",
            "What needs a runway?",
            "What would carry people by air?",
            "What here has wings?",
        ),
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
        (
            "Where could fuel be stored?",
            "Where is oil kept?",
            "What here holds liquids in large amounts?",
            "Where might petrol be kept?",
            "What could explode if it caught fire?",
            "Where would a tanker fill up with oil?",
        ),
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
        (
            "What could drive away?",
            "What runs on petrol and four wheels?",
            "What would stop at a red light?",
            "What would a driver get into?",
            "What takes up parking space?",
            "What could be caught in a traffic jam?",
        ),
        ("What would a mechanic repair?",),
        ("What would need a number plate?", "What could take a family on a road trip?"),
    ),
    Purpose(
        "cross",
        ("bridge",),
        "One could cross on the {many}",
        (
            "Where can one get across the water on foot?",
            "Where could I cross to the other side?",
            "How would a car reach the other bank?",
            "What spans a gap?",
            "Where does a road pass over something?",
            "What joins the two banks?",
        ),
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
        (
            "Where could Wimbledon be practised?",
            "Where do players use rackets?",
            "Where could one hit a forehand?",
            "Where is a net stretched between two players?",
            "Where would I need a racket?",
            "Where could doubles be played with a small yellow ball?",
        ),
        ("Where would a backhand be of use?",),
        ("Where might somebody hit an ace?", "Where could a racket club meet?"),
    ),
    Purpose(
        "baseball",
        ("baseball diamond",),
        "One could play baseball on the {many}",
        (
            "Where could a home run be hit?",
            "Where would a pitcher stand?",
            "Where is a bat swung at a ball?",
            "Where could a team play nine innings?",
            "Where does one need a glove and a bat?",
            "Where could somebody steal a base?",
        ),
        ("Where would an umpire call a strike?",),
        ("Where might a Little League team train?", "Where would a catcher crouch?"),
    ),
    Purpose(
        "basketball",
        ("basketball court",),
        "One could play basketball on the {many}",
        (
            "Where could one score a slam dunk?",
            "Where do players dribble?",
            "Where would I find hoops?",
            "Where is a ball thrown through a ring?",
            "Where could a three-pointer be scored?",
            "Where do tall players have an advantage?",
        ),
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
        (
            "Where could I run laps?",
            "Where would a sprint be timed?",
            "Where could a school hold its sports day?",
            "Where do athletes train for hurdles?",
            "Where could a relay race take place?",
            "Where would a football team and runners share the ground?",
        ),
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
        (
            "Which areas would flood first?",
            "Which ground lies low, next to the water?",
            "Where would a rising river do harm first?",
            "Where would sandbags be needed?",
            "Which land is in danger from high water?",
            "Where would cellars fill after heavy rain?",
        ),
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
        (
            "Where could fish live?",
            "Where could one go swimming?",
            "Where is it always wet?",
            "Where could a boat go?",
            "Where would one need to swim?",
            "Where could a fisherman cast a net?",
        ),
        ("Where would a diver go?",),
        ("Where could somebody row?", "Where could a swimmer be?"),
    ),
    Purpose(
        "live",
        ("built-up land",),
        "People live on the {many}",
        (
            "Where do most people live?",
            "Where would an earthquake do the most harm?",
            "Where is the ground sealed?",
            "Where would one find streets and houses?",
            "Where is it hottest on a summer night?",
            "Where would mail be delivered?",
        ),
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
        (
            "Where could animals graze or hide?",
            "Where is carbon taken from the air?",
            "Where do plants grow?",
            "Where would one find shade under leaves?",
            "Where could birds nest?",
            "Which parts are green in spring?",
        ),
        ("Where would a botanist go?",),
        ("Where does photosynthesis take place?", "Where would deer feel at home?"),
    ),
    Purpose(
        "build",
        ("bare or dry ground",),
        "One could build on the {many}",
        (
            "Where could solar panels be set up without felling a tree?",
            "Where would the wind raise dust?",
            "Where is the soil open?",
            "Where could something be built without clearing plants?",
            "Where would it look like a desert?",
            "Where is water lacking?",
        ),
        ("Where would dust storms start?",),
        ("Where could a quarry be opened?", "Where is hardly anything growing?"),
    ),
)
