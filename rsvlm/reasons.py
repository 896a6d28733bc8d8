"""What a question means that names no object: the place for a purpose.

"Where could a helicopter land?" asks for open, level ground. A table of purposes says
by which words each is known and what serves it, the best first; what no words tell is
likened to examples (:mod:`rsvlm.likening`), all else is left to :mod:`rsvlm.subjects`. A purpose is looked for only in questions and orders that ask for
places or things, so that "how long is the runway?" is not about airplanes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from rsvlm.labels import plural_of
from rsvlm.questions import plain
from rsvlm.subjects import Subject


@dataclass(frozen=True, slots=True)
class Purpose:
    """What somebody may want of a place.

    Attributes:
        name: Key, by which :data:`rsvlm.reasons_examples.EXAMPLES` holds sentences.
        words: Pattern of the words that tell it, in lower case.
        labels: What serves it, canonical names, the best first.
        beside: Whether the ground next to the first of them is meant.
    """

    name: str
    words: re.Pattern[str]
    labels: tuple[str, ...]
    beside: bool = False


def _purpose(name: str, words: str, *labels: str, beside: bool = False) -> Purpose:
    """Return a purpose; in its pattern ``_`` stands for a space, spaces for nothing."""
    pattern = re.sub(r"\s+", "", words).replace("_", " ")
    return Purpose(name, re.compile(rf"\b(?:{pattern})\b"), labels, beside)


#: What may stand between two words that belong together.
_GAP = r"(?:_[\w'-]+){0,5}?_"
_BANK = r"(?:river|water|stream|canal|valley|gap|other_(?:side|bank|shore)|banks?)"
_STORED = r"(?:stor(?:e|es|ed|ing)|kept|keep|hold|holds|held|stock\w*|reserves?)"
_FUEL = r"(?:fuel|oil|petrol|diesel|kerosene|gas|liquids?|chemicals)"
_BUILD = r"(?:buil[dt]|set_up|put_up|erect\w*|construct\w*)"

PURPOSES = (
    _purpose(
        "airport",
        rf"""land_(?:\w+_){{0,2}}(?:planes?|airplanes?|aircraft|jets?)
        |(?:planes?|airplanes?|aircraft|jets?){_GAP}(?:land|touch_down)
        |(?:board|catch)_(?:an?|the|my)_(?:flight|plane)""",
        "airport",
        "bare or dry ground",
    ),
    _purpose(
        "land",
        rf"""(?:helicopters?|rotorcraft|drones?)(?:{_GAP}|_)(?:land(?:ing)?|set_down
        |put_down|touch_down|come_down)|(?:land(?:ing)?|set(?:ting)?|put(?:ting)?){_GAP}
        (?:helicopters?|drones?)|for_an?_(?:helicopter|drone)|helipads?|emergency_landing|parachut\w+|paraglid\w+
        |air_ambulance|medevac|chinooks?|hot_air_balloon|(?:airdrop|air_drop)\w*""",
        "ground track field",
        "baseball diamond",
        "grassland",
        "bare or dry ground",
    ),
    _purpose(
        "moor",
        rf"""(?<!the_)(?<!a_)(?:moor|berth|dock)(?!_(?:in|at|of|on|by|down|next|near|nearest|that
        |which|beside)\b)(?:_an?|_the|_my|_our)?_(?:\w+)
        |(?:moored|berthed|docked)(?!_(?:ships?|boats?|vessels?))
        |berths?|tie[ds]?_up|tie_(?:an?|the|my)_\w+_up|go_ashore
        |(?:boats?|ships?|vessels?)_dock|(?:un)?load(?:ed|ing)?{_GAP}(?:ships?|vessels?)
        |(?:ships?|vessels?)(?:_(?:could|can|would|might))?_(?:be_)?(?:un)?load(?:ed|ing)?|cruise_passengers
        |stevedores?|dock_?workers?|come_alongside|quayside|gangways?|moor(?:ed|ing)?_(?:up|here)
        |cargo_(?:comes?|is_(?:brought|taken))_ashore""",
        "harbor",
    ),
    _purpose(
        "fuel",
        rf"""{_STORED}{_GAP}{_FUEL}|{_FUEL}(?:{_GAP}|_){_STORED}|fuel_depot
        |(?:explode|fill_up){_GAP}(?:fire|oil|fuel)|tank_farm|kerosene|gasoline|petroleum|crude_oil
        |hydrocarbons?|liquid_fuels?|refinery_products?""",
        "storage tank",
    ),
    _purpose(
        "fly",
        r"""take_off|can_fly|could_fly|able_to_fly|runway|wings|pilots?|through_the_air
        |by_air|air_traffic|(?:planes|airplanes|aircraft)_park|cockpits?|fuselages?|tail_(?:fins?
        |numbers?)|cabin_(?:crew|attendants?)|black_box(?:es)?|airborne|through_the_(?:sky|clouds)
        |defy_gravity|air_travel|jet_engines?""",
        "airplane",
    ),
    _purpose(
        "sail",
        r"""floats?|sail(?:s|ing)?|captain|over_(?:the_)?seas?|by_sea|on_(?:the_)?water
        |coast_guard|(?:would|could|might)_sink|crew_of_sailors|rudders?|hulls?|lifebuoys?|lifeboats?
        |ais|shipping_lanes?|seaworthy|put_to_sea|(?:drop|weigh|lower)\w*_anchor
        |anchor_being_dropped|at_sea""",
        "ship",
    ),
    _purpose(
        "drive",
        r"""drive_away|red_light|licen[cs]e_plates?|traffic_jam|drivers?|mechanics?
        |parking_space|on_(?:four_)?wheels|four_wheels|steering_wheels?|exhaust(?:_fumes)?|tyres?|tires?
        |valet|toll_booth|seat_?belts?|commuters?|road_users?|number_plates?|traffic_warden
        |windscreens?|windshields?|chauffeurs?|motorists?|roadworthy""",
        "vehicle",
    ),
    _purpose(
        "cross",
        rf"""(?:cross|get_(?:across|over)|pass(?:es)?_over|reach|walk_over|spans?|joins?
        |link|links|connects?)(?:_the|_an?|_both|_two){{0,2}}_{_BANK}
        |(?:cross|get|go){_GAP}to_the_other_(?:side|bank|shore)|pass(?:es)?_over
        |over_the_(?:river|canal|stream|valley)|without_getting_wet|girders?|(?:cross|get|go|reach
        |pass|walk|travel|leads?|way){_GAP}(?:other|opposite|far)_(?:side|bank|shore)|(?:both|two)(?:_river)?_banks|dry_feet|dry-?shod|(?:boats?|barges?
        |ships?|stream|river|water)(?:_\w+){{0,3}}_(?:beneath|below|underneath|under_(?:it|them))""",
        "bridge",
    ),
    _purpose(
        "tennis",
        r"""rackets?|racquets?|forehand|backhand|wimbledon|tennis(?!_courts?)|doubles|serves?_and_
        volleys?|net(?:_is)?_stretched|deuce|singles|racket_sports?|strung_rackets?|yellow_ball
        |games,?_sets?|best_of_three_sets|over_(?:a|the)_net|grand_slam""",
        "tennis court",
    ),
    _purpose(
        "baseball",
        r"""home_runs?|pitchers?|batters?|innings|umpires?|(?:baseball|softball)(?!_(?:fields?|diamonds?))|home_plate
        |steal_a_base|(?:bat|glove)_and(?:_an?)?_(?:ball|bat|glove)|bat_(?:is_)?swung
        |swing_a_bat|bases_loaded|shortstops?|outfielders?|infielders?|dugouts?|foul_(?:balls?|lines?)
        |seventh-?_?inning|curve_?balls?|pitcher's|first_base|bat-and-ball|run(?:_the)?_bases|catcher""",
        "baseball diamond",
    ),
    _purpose(
        "basketball",
        r"""slam_dunks?|dunk|dribbl\w+|hoops?|free_throws?|three-?_?pointers?|basketball(?!_courts?)
        |through_(?:a|the)_(?:ring|basket)|shoot_baskets|tall_players|backboards?|lay-?_?ups?|rebounds?
        |alley-?_?oops?|point_guards?|three-?_?point_line|street_?ball|three-on-three|nba
        |(?:at|into)_(?:the_)?baskets?""",
        "basketball court",
    ),
    _purpose(
        "run",
        r"""laps?|sprint\w*|relay|hurdles?|sports_day|athletes?|athletics(?!_(?:tracks?|fields?))|jog|jogging
        |runners?|go_for_a_run|run_a_race|intervals|marathon|track_and_field|pole_vault\w*|javelins?
        |shot-?_?put\w*|stopwatch|\d+0_met(?:re|er)s|starting_blocks|long_jump|discus|decathlon|batons?""",
        "ground track field",
    ),
    _purpose(
        "flood",
        r"""(?:would|could|might|will|likely_to|at_risk|risk_of|danger|first|prone)
        (?:_[\w'-]+){0,4}_?(?:flood\w*|inundat\w*|high_water)
        |flood\w*(?:_[\w'-]+){0,3}_(?:first|risk|danger|warning)|flood-?_?prone
        |flood_(?:risk|hazard|danger|warning)|sandbags|high_water|rising_(?:river|water)|lies_low
        |water_(?:rose|rises)|cellars_fill|rising_(?:sea|tide|level)|sea_level|overflow\w*
        |burst(?:s|ing)?_its_banks|banks_(?:burst|break)|dam_(?:failure|break|burst)|storm_surge
        |submerge\w*""",
        "water",
        beside=True,
    ),
    _purpose(
        "swim",
        r"""swim(?:mers?|ming)?(?!_pools?)|fish(?:_\w+)?_live|go_fishing|cast_a_net|bath(?:e|ing)|divers?
        |kayak\w*|always_wet|boats?_go|canoe\w*|paddl\w+|swimming_trunks|plankton|eels?|fishing_(?:line|rod)s?
        |anglers?|snorkel\w*|cool_off|mirrors?_the_sky""",
        "water",
    ),
    _purpose(
        "live",
        r"""people_live|inhabitants|residents|earthquakes?|power_cut|mail|houses_stand
        |(?:ground_is|is_the_ground)_sealed|hottest|streets_and_houses|census|households?|settlements?
        |population_density|densely_(?:populated|built)|human_activity|families|rush_hour|heat_island""",
        "built-up land",
    ),
    _purpose(
        "grow",
        r"""graz(?:e|ing)|plants?_grow|shade_under|birds?(?:_\w+)?_nest|nest|carbon
        |botanists?|green_in_(?:spring|summer)|pollen|wildlife|habitats?|chlorophyll|photosynthe\w+
        |(?:high|highest)_ndvi|lungs_of|give_shade""",
        "vegetation",
    ),
    _purpose(
        "build",
        rf"""solar_(?:panels?|farm|park)|raise_dust|dust_storms?|soil_is_open|erosion
        |{_BUILD}{_GAP}without_(?:clearing|felling|cutting)|desert|water_is_lacking
        |is_water_lacking|is_the_soil_open|photovoltaic\w*|gull(?:y|ies)|dust_cloud|cloud_of_dust
        |nothing_grows|barren|sand_?storms?|land-?_?restoration|cleared_for""",
        "bare or dry ground",
    ),
)

#: How a question or an order asks for places or things.
_ASKS = re.compile(
    r"^(?:where|which|what (?:here|could|would|can|might|needs?|is there|has|have"
    r"|floats|runs|spans|joins|takes|holds)\b|from where|how (?:would|could|can)\b"
    r"|(?:segment|find|show|locate|mark|outline|point|pick|choose|select|suggest"
    r"|highlight|identify|give|trace|delineate|draw|map|shade|spot)\b)"
    r"|\b(?:where|whatever|whichever|(?:any|some)(?:thing|where))\b"
)
#: Facts about what a purpose names, which no place answers.
_FACT = re.compile(r"^(?:how (?:many|much|long|far)|why|when|who)\b")


def is_fact(text: str) -> bool:
    """Whether a question, as :func:`plain` gives it, asks for what no place answers."""
    return bool(_FACT.search(text))


def purpose(question: str) -> Purpose | None:
    """Return the purpose that a question asks a place or a thing for.

    The first of the table counts: "a pilot wants to put a helicopter down" is about
    open ground, not about airplanes.

    Args:
        question: What the user wrote.

    >>> purpose("Where could a helicopter land?").labels[0]
    'ground track field'
    """
    text = plain(question)
    if is_fact(text) or not _ASKS.search(text):
        return None
    return next((known for known in PURPOSES if known.words.search(text)), None)


def implied(
    question: str, findable: Callable[[str], bool] = lambda label: True
) -> Subject | None:
    """Return what a question means without naming it, None where it names it.

    Args:
        question: What the user wrote.
        findable: Whether objects of a label can be found in the image: at 10 m/px a
            helicopter is sent to bare ground, since no track field could be seen.

    >>> implied("Which place would you use to moor a boat?").label
    'harbor'
    >>> implied("Where are the ships?")
    """
    found = purpose(question)
    return None if found is None else served(found, findable)


def served(found: Purpose, findable: Callable[[str], bool]) -> Subject:
    """Return what serves a purpose, the best that can be found in the image.

    Args:
        found: The purpose.
        findable: Whether objects of a label can be found in the image.
    """
    known = [label for label in found.labels if findable(label)] or found.labels[:1]
    label = known[0]
    noun = plural_of(label)
    phrase = f"ground beside {noun}" if found.beside else noun
    return Subject(phrase, label, noun, found.beside, tuple(known[1:]))
