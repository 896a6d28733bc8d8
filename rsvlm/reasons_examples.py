"""Sentences that show what each purpose of :mod:`rsvlm.reasons` is about.

A question is likened to them by a sentence encoder (:mod:`rsvlm.likening`), so they need
no word in common with it. ``OTHER`` holds questions that no purpose answers. The
sentences of ``reasons_sentences.toml`` are added to both.
"""

import tomllib
from pathlib import Path

_FILE = Path(__file__).with_name("reasons_sentences.toml")
_SENTENCES: dict[str, list[str]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))

#: Purpose -> wordings, which are those of the training data as well.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "land": (
        "Where could a helicopter land?",
        "Where would a helicopter have room to set down?",
        "A helicopter has to land. Where?",
        "Show open, level ground for landing a helicopter.",
        "Which place is flat and open enough for a helicopter?",
        "Where can a rescue helicopter touch down?",
    ),
    "moor": (
        "Which place would you use to moor a boat?",
        "Where can a boat be tied up?",
        "Where could I moor my yacht?",
        "Where would ships dock?",
        "Where do boats find shelter and a berth?",
        "Where can sailors go ashore?",
    ),
    "fly": (
        "Where do planes park?",
        "What here could take off?",
        "Which objects can fly?",
        "What needs a runway?",
        "What would carry people by air?",
        "What here has wings?",
    ),
    "fuel": (
        "Where could fuel be stored?",
        "Where is oil kept?",
        "What here holds liquids in large amounts?",
        "Where might petrol be kept?",
        "What could explode if it caught fire?",
        "Where would a tanker fill up with oil?",
    ),
    "drive": (
        "What could drive away?",
        "What runs on petrol and four wheels?",
        "What would stop at a red light?",
        "What would a driver get into?",
        "What takes up parking space?",
        "What could be caught in a traffic jam?",
    ),
    "cross": (
        "Where can one get across the water on foot?",
        "Where could I cross to the other side?",
        "How would a car reach the other bank?",
        "What spans a gap?",
        "Where does a road pass over something?",
        "What joins the two banks?",
    ),
    "tennis": (
        "Where could Wimbledon be practised?",
        "Where do players use rackets?",
        "Where could one hit a forehand?",
        "Where is a net stretched between two players?",
        "Where would I need a racket?",
        "Where could doubles be played with a small yellow ball?",
    ),
    "baseball": (
        "Where could a home run be hit?",
        "Where would a pitcher stand?",
        "Where is a bat swung at a ball?",
        "Where could a team play nine innings?",
        "Where does one need a glove and a bat?",
        "Where could somebody steal a base?",
    ),
    "basketball": (
        "Where could one score a slam dunk?",
        "Where do players dribble?",
        "Where would I find hoops?",
        "Where is a ball thrown through a ring?",
        "Where could a three-pointer be scored?",
        "Where do tall players have an advantage?",
    ),
    "run": (
        "Where could I run laps?",
        "Where would a sprint be timed?",
        "Where could a school hold its sports day?",
        "Where do athletes train for hurdles?",
        "Where could a relay race take place?",
        "Where would a football team and runners share the ground?",
    ),
    "flood": (
        "Which areas would flood first?",
        "Which ground lies low, next to the water?",
        "Where would a rising river do harm first?",
        "Where would sandbags be needed?",
        "Which land is in danger from high water?",
        "Where would cellars fill after heavy rain?",
    ),
    "swim": (
        "Where could fish live?",
        "Where could one go swimming?",
        "Where is it always wet?",
        "Where could a boat go?",
        "Where would one need to swim?",
        "Where could a fisherman cast a net?",
    ),
    "live": (
        "Where do most people live?",
        "Where would an earthquake do the most harm?",
        "Where is the ground sealed?",
        "Where would one find streets and houses?",
        "Where is it hottest on a summer night?",
        "Where would mail be delivered?",
    ),
    "grow": (
        "Where could animals graze or hide?",
        "Where is carbon taken from the air?",
        "Where do plants grow?",
        "Where would one find shade under leaves?",
        "Where could birds nest?",
        "Which parts are green in spring?",
    ),
    "build": (
        "Where could solar panels be set up without felling a tree?",
        "Where would the wind raise dust?",
        "Where is the soil open?",
        "Where could something be built without clearing plants?",
        "Where would it look like a desert?",
        "Where is water lacking?",
    ),
}

#: Purpose -> what else is about it.
_MORE: dict[str, tuple[str, ...]] = {
    "land": (
        "open flat ground where an aircraft can come straight down",
        "a clear level lawn wide enough for the rotor of a helicopter",
        "medevac, parachute or balloon needs an empty field",
    ),
    "moor": (
        "quay, pier and jetty where vessels are made fast with ropes",
        "a wharf in sheltered water for getting on and off a boat",
        "cargo is transferred between ships and the land",
    ),
    "fly": (
        "jets, airliners and planes that are airborne",
        "travel to another continent through the sky",
        "a vehicle with wings, engines and a cockpit crew",
    ),
    "fuel": (
        "round steel tanks full of oil, petrol or gas",
        "a depot for liquid fuel and chemicals",
        "a fire hazard because of flammable liquid in store",
    ),
    "sail": (
        "What here can travel on water?",
        "What could carry containers over the sea?",
        "What floats?",
        "What would sink if it leaked?",
        "What needs a captain?",
        "Which objects could leave by sea?",
        "boats and vessels with a hull that float",
        "leaving the shore for the open sea with a crew and a cargo",
        "travelling by water, rowing, sailing, fishing at sea",
    ),
    "drive": (
        "cars, trucks and buses with tyres and an engine on the road",
        "motorists, commuters and their automobiles",
        "something that is fuelled, parked, insured and registered for the road",
    ),
    "cross": (
        "a road or railway carried over a river or a valley",
        "going over the water to the opposite bank",
        "a span on pillars that links two sides",
    ),
    "tennis": (
        "serving, volleying and rallying over a net with a racket",
        "a tennis match, set and tournament for two or four players",
        "clay, grass or hard court for racket sports",
    ),
    "baseball": (
        "pitching, batting and running around the bases",
        "a baseball or softball game between two teams",
        "home plate, bat, mitt, fielders and a pitcher's mound",
    ),
    "basketball": (
        "throwing a ball into a basket at a hoop",
        "a basketball game with dribbling, passing and shooting",
        "a hard court with a backboard and a ring at both ends",
    ),
    "run": (
        "running, sprinting and jogging around an oval track",
        "athletics: races, jumps, throws and lanes",
        "exercise and competitions for runners in a stadium",
    ),
    "flood": (
        "low ground beside a river that goes under water",
        "danger of inundation after heavy rain",
        "land that is too close to the river to be safe when the level rises",
    ),
    "swim": (
        "lakes, rivers and the sea, for bathing, diving and boating",
        "places with deep water for a swim",
        "fish, ducks and other animals of the water",
    ),
    "live": (
        "houses, streets and the people of a town",
        "homes, shops, offices and traffic of a city",
        "a densely populated neighbourhood with families",
    ),
    "grow": (
        "trees, bushes, meadows and crops that are green",
        "plants, leaves and animals that feed on them",
        "nature, wildlife and forests",
    ),
    "build": (
        "dry bare soil, sand and rock without plants",
        "an empty building site with open ground",
        "a dusty place like a desert or a gravel pit",
    ),
}

#: Purpose -> all that is about it.
EXAMPLES = {
    name: (*QUESTIONS.get(name, ()), *more, *_SENTENCES[name])
    for name, more in _MORE.items()
}

OTHER: tuple[str, ...] = (
    "Where was this picture taken?",
    "What can be seen in this picture?",
    "Which objects are present?",
    "Where are the trees?",
    "Where is the church?",
    "What colour is the roof?",
    "Which objects are the largest?",
    "Which season is it?",
    "Where is the image blurred?",
    "What would you look at first?",
    "What could be wrong with this image?",
    "What might this thing be?",
    "Find all the houses.",
    "Show me the round building.",
    "Where can I find more data?",
    "Where could one ski or skate?",
    "Where would a golfer tee off?",
    "Where could football or rugby be played?",
    "What are the bright dots?",
    "Which class fits the scene?",
    "Which direction is up?",
    "Where does the path lead?",
    "What happened here?",
    "Where might there be a mistake?",
    "What should be asked next?",
    "Where can I eat or shop?",
    "Which vegetables are grown?",
    "Where could a school or a hospital be built?",
    "Where are the shadows of clouds?",
    "What does the map show?",
    "Segment the playground.",
    "Where could treasure be buried?",
    "Where would turbines catch the wind?",
    "What would this look like at night?",
    "How much would a house like this cost?",
    "What has changed since last year?",
    "Where do these lines go?",
    "Where would one sleep, camp or go on holiday?",
    "What could the weather be like?",
    "Where is the border of the country?",
    "What share of the image is covered?",
    "Which of these does the image belong to?",
    *_SENTENCES["other"],
)
