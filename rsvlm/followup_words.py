"""Words of follow-ups: what points back to what was asked or found before.

Patterns over questions made plain by :func:`rsvlm.questions.plain`, without the mark at
their end; :mod:`rsvlm.followup` says what they point to.
"""

import re

from rsvlm.labels import FORMS
from rsvlm.questions import IMAGE

#: Opens a follow-up; says by itself that one is meant.
LEAD = re.compile(
    r"^(?:(?:and|but|so|then|or|also|now|ok|okay|well|hm+|(?:and )?(?:what|how) about|what of"
    r"|(?:do )?(?:the )?same(?: thing)? (?:for|with|in)|likewise for|(?:only|just)(?= the\b))\b[\s,]*)+"
)
ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6,
    "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "last": -1,
}  # fmt: skip
SUPERLATIVE = (
    r"(?:(?:second|third|fourth|fifth) )?(?:larg|bigg|small|great|tini|long|short)est"
    r"|(?:left|right|top|bottom|upper|lower|north|south|east|west)(?:ern)?-?most"
)
_NOUN = "|".join(sorted(map(re.escape, FORMS), key=len, reverse=True))
_PLAIN = r"(?:one|object|region|result|match)s?"
_COUNTED = "|".join(ORDINALS)
#: What may follow "the second" where no noun does: "the second row" is one of no list.
_ALONE = (
    r"(?=$|\s*[^\w\s-]|\s+(?:and|or|than|from|is|are|was|were|do|does|in|on|at|near|by|for|with"
    r"|too|also|please|again|now|then|instead|exactly|away|itself|looks?|larger|bigger|smaller"
    r"|longer|shorter|wider|narrower|greater|newer|older|closer|farther|further|nearer|as"
    r"|the same|next to|part of|made of|of (?:it|them|these|those|the))\b"
    r"|\s+(?:moving|parked|empty|full|open|closed|white|black|grey|gray|red|blue|green|yellow)$)"
)
#: "the second one", "ship 2", "number 5": one of a list.
ORDINAL = re.compile(
    r"\b(?!(?<=\w )(?:first|next|last)$)"  # "what did you notice first"
    rf"(?:the )?(?:(?P<word>{_COUNTED}|next|previous|other)(?:[ -](?P<noun>{_NOUN}|{_PLAIN}))?"
    rf"(?: (?P<few>two|three|four|five))?(?(noun)|{_ALONE})"
    rf"|(?P<digits>\d+)(?:st|nd|rd|th)(?:(?: (?P<noun2>{_NOUN}|{_PLAIN}))|{_ALONE})"
    rf"|(?:(?P<noun3>{_NOUN}|{_PLAIN}) )?(?:number|no\.?|nr\.?|#) ?(?P<number>\d+)"
    rf"|(?P<noun4>{_NOUN}|{_PLAIN}) (?P<index>\d+))\b"
    rf"(?! (?:{SUPERLATIVE}|images?\b|pictures?\b|photos?\b|thing\b|time\b|date\b|half\b)"
    r"|-|\.\d| (?:most|nearest|closest|to)\b)"
)
#: After an "it" that stands for nothing: "is it safe to land", "what does it cost to".
_EMPTY_IT = (
    r"(?! (?:(?:be|been|seem|look) )?(?:really |still |very |quite |too |so |more |less )?"
    r"(?:safe|risky|dangerous|true|false|correct|right|wrong|fair|easy|easier|hard|harder"
    r"|difficult|simple|possible|impossible|feasible|practical|likely|unlikely|probable|plausible"
    r"|legal|illegal|allowed|permitted|forbidden|required|necessary|important|advisable|wise"
    r"|sensible|reasonable|useful|useless|worthwhile|good|bad|better|best|okay|ok|fine|normal"
    r"|usual|unusual|common|typical|strange|odd|clear|obvious|certain|known|cheap|cheaper"
    r"|expensive|profitable|time|enough) (?:for \w+ )?"
    r"(?:to(?! (?:see|spot|find|miss|reach|recogni[sz]e)$)|that|if|whether)\b"
    r"| (?:costs?|takes?|took) (?:[\w-]+ ){0,4}?to\b| (?:seems?|appears?) that\b| matters?\b"
    r"| (?:far )?from .+ to\b)"
)
#: After a "they" that is people: "where do they load coal".
_PEOPLE = (
    r"(?! (?:(?:farm|harvest|mine|produce|manufacture|build|repair|refine|sell|worship|swim|live)\b"
    r"|(?:grow|plant|raise|dig|extract|make|store|keep|load|unload|ship|park|use|burn|train|teach"
    r"|play) (?!here|there|in|on|at|near|to|from|by|with|and|or)\w))"
)
#: A noun after "these" or "that", which then points to what it names.
_PLURAL = rf"(?:{_NOUN}|(?!perhaps|always)[\w-]+[^\W\ds]s)\b"
_SINGLE = (
    rf"(?:{_NOUN}|area|building|dock|factory|field|fence|house|island|line|pier|pond|road|roof"
    r"|row|shadow|shape|shed|spot|square|structure|thing|tower|tree|wall|warehouse)\b"
)
#: A word for what was found before. "this" alone is the image.
PRONOUN = re.compile(
    r"\b(?:(?:all|both|each|every one|any|one) of (?:it|them|these|those)|everything you found"
    r"|(?:that|this|these|those) ones?(?=$| (?:in|on|at|is|are|too|now|please|again|from)\b)"
    rf"|they\b{_PEOPLE}|them|it\b{_EMPTY_IT}|their|its"
    rf"|(?<=^is )that\b(?! {_SINGLE} )|(?<=\bis )(?<!^is )that\b(?! {_SINGLE})"
    rf"|(?<=^are )(?:those|these)\b(?! {_PLURAL} )|(?<=\bare )(?<!^are )(?:those|these)\b(?! {_PLURAL})"
    r"|(?<=\bwas )that|(?<=\bof )that"
    r"|(?:(?<=outline )|(?<=segment )|(?<=mark )|(?<=show )|(?<=me )|(?<=describe )"
    r"|(?<=measure ))(?:that|these|those)(?=$| (?:please|now|too|again|in|on)))\b(?!')"
)
#: A pronoun that stands for the whole image, its ground or the weather.
WHOLE = re.compile(
    r"\b(?:season|weather|clouds?|cloudy|sunny|hazy|foggy|rain(?:s|ing|y)?|snow(?:s|ing|y)?"
    r"|winter|summer|spring|autumn|daytime|day or night|night|noon|dawn|equator|hemisphere|urban|suburban|rural"
    r"|residential|commercial|taken|acquired|captured|recorded|shot)\b"
    rf"|^(?:is|was) (?:it|that) (?:really )?(?:an? |the )?.*{IMAGE}$|^what does it (?:show|depict)"
    r"|^what (?:time|year|month|day|country|city|continent)\b|\bdoes it look from\b"
    r"|, the [\w ]+$"
)
EXPLAIN = re.compile(
    r"^(?:but |and )?(?:why(?: (?:is (?:that|this)|so|not|(?:this|that)(?: one)?"
    r"|do you (?:think|say|believe) (?:so|that|this)))?"
    r"|how (?:do|did|can|could|would) you (?:know|tell|measure|count|find|get|see|come up"
    r"|conclude|decide|determine|figure|arrive)\b(?: \w+){0,3}"
    r"|(?:what|which) (?:makes|made|leads|led) you\b.*|explain(?: (?:that|this|yourself"
    r"|your (?:answer|reasoning)|why))?|(?:based )?on what(?: basis| grounds)?|how come"
    r"|what is (?:that|this|it|your answer) based on|what (?:is|was) (?:the|your) "
    r"(?:reason(?:ing)?|evidence)(?: for (?:that|this|it))?)$"
)
DOUBT = re.compile(
    r"^(?:but |and )?(?:(?:are |r )?(?:you|u) (?:really |quite |absolutely |100 ?% )?"
    r"(?:sure|certain|positive|confident)(?: (?:about|of) (?:that|this|it|your answer))?"
    r"|really|seriously|honestly|certain|sure|is (?:that|this|it) (?:right|correct|true"
    r"|certain|sure|reliable)|how (?:sure|certain|confident|reliable|accurate|likely)\b"
    r"(?: (?:are you|is (?:that|this|it)|of|about|that|this|it|your answer|the answer)){0,3}"
    r"|i (?:doubt|do not believe|don't believe|don't think) (?:that|it|so|this)"
    r"|can i (?:trust|rely on) (?:that|this|it)|what is (?:the|your) confidence(?: in .{1,12})?)$"
)
AGAIN = re.compile(
    r"^(?:(?:try|look|count|check|search|measure)(?: it| them| that)? )?"
    r"(?:again|once more|one more time|more (?:closely|carefully)|closer|harder)"
    r"(?: more (?:closely|carefully))?$"
)
ZOOM = re.compile(
    r"^(?:zoom(?: in)?(?: (?:closer|more|further))?|(?:look |go |move |get )?closer"
    r"|(?:take|have|get) a (?:closer|better|second) look|enlarge|magnify)\b"
    r"(?: (?:in|on|at|to|there|here|onto|into|please|now))*"
)
DESCRIBE = re.compile(
    r"^(?:describe|tell me (?:more )?about|tell me more|more about|details? (?:of|on))\b"
)
SHOW = re.compile(
    r"^(?:where|show|display|mark|box|point|locate|find|indicate|circle|pinpoint"
    r"|draw (?:a )?(?:bounding )?box(?:es)?)\b"
)
OUTLINE = re.compile(
    r"^(?:(?:and )?(?:as|with|use|draw|give me|show(?: me)?|make) (?:an? |the |its |their )?"
    r"(?:segmentation |precise |exact )?(?:masks?|polygons?|outlines?|contours?)"
    r"|(?:outline|segment|trace|delineate|mask|contour|highlight|cut out|shade)\b)"
)
LARGE = re.compile(
    r"^(?:how (?:large|big)|(?:what is )?(?:its|their|the) (?:size|area|extent|surface)"
    r"|(?:what is )?(?:its|their|the) (?:total|combined|whole|overall) (?:size|area|extent|surface)"
    r"|what size|(?:size|area) of|measure (?:it|them|that))\b"
)
LONG = re.compile(
    r"^(?:how long|(?:what is )?(?:its|their|the) length|(?:and )?(?:the )?length of)\b"
)
WIDE = re.compile(
    r"^(?:how wide|(?:what is )?(?:its|their|the) width|(?:and )?(?:the )?width of)\b"
)
FAR = re.compile(
    r"^(?:how far|(?:what is )?(?:its|their|the) distance|how (?:close|near))\b"
)
LARGER = re.compile(
    r"\b(?P<word>larger|bigger|smaller|longer|shorter|wider|narrower|greater|the same size)\b"
)
COUNT = re.compile(
    r"^(?:how many(?: (?:are there|are they|is (?:that|it)|in total|others?|more|altogether"
    r"|do you (?:see|count)|(?:of them )?(?:did|do) you (?:find|see|count)|of them))*"
    r"|count (?:them|those|these)(?: all)?|(?:are there|is there|any) (?:any )?(?:others?|more)|another(?: one)?|(?:the )?others?(?: ones?)?"
    r"|(?:just|only) (?:one|two|that|those|these))$"
)
#: Objects counted beside what was found, not in it.
COUNT_BESIDE = re.compile(
    rf"\bhow many (?:[\w-]+ ){{0,2}}(?:{_NOUN})\b(?!.*\b(?:in|on|inside|within) (?:it|them)$)"
)
#: A pronoun for what the same question names: "find the ship and outline it".
WITHIN = re.compile(
    rf"\b(?:the|an?|any|all|every|each) (?:[\w-]+ ){{0,3}}?(?:{_NOUN})\b.*(?:\band\b|\bthen\b|[,;:.?!]).*"
    r"\b(?:it|its|them|they|their|one|ones)\b"
)
#: The same where what is named has something: "does the river have boats on it".
INSIDE = re.compile(
    r"\b(?:the|this|that|these|those|an?|any|some|every|each|all|no|which|what|how many|most) "
    r"(?:(?!(?:it|its|they|them|their|is|are|do|does|did|ones?)\b)[\w-]+ ){1,4}?"
    r"(?:with|without|have|has|had|having|where|whose)\b.*\b(?:it|its|they|them|their)\b"
    r"|^(?:is|are|was|were|has|have|do|does|did|can) (?:the|an?|this|that|each|every) "
    r"(?:(?!(?:it|its|they|them|their|ones?|image|radar|picture|photo)\b)[\w-]+ ){1,5}(?:its|their) \w"
)
#: "One" for what the same question names: "is the road wider than the one at the top".
WITHIN_ONE = re.compile(
    r"\b(?:the|this|that|these|those|an?|any|each|every|which) (?!(?:is|are|of|ones?)\b)[\w-]+ "
    r".*\b(?:(?:than|as|like|from|to) (?:an?|the|any)|only)(?: [\w-]+){0,3} ones?\b"
)
#: What was drawn or clicked, beside "it".
DRAWN = re.compile(r"\b(?:this|these|here)\b")
#: "Is there a larger one?": an own question but for its noun.
ONE = re.compile(
    r"\b(?P<article>an?|any|the|some|many|other|more)(?P<words>(?: (?!one|that|thing|which|who)[\w-]+){0,3}) (?P<one>ones?)\b"
)
COUNT_OF = re.compile(
    r"^(?:and )?how many (?:(?:of (?:them|these|those) )are|are) (?!there\b|they\b|in\b|on\b)(?P<what>.+)$"
)
WHICH = re.compile(
    r"^which(?: (?:one|ones))?(?: of (?:them|these|those|the \w+))? (?:is|are)"
    rf" (?:the )?(?P<super>{SUPERLATIVE})(?: one)?$"
)
WHICH_ARE = re.compile(
    r"^which(?: ones?)?(?: of (?:them|these|those|the \w+))? (?P<be>is|are)(?: the)? (?P<what>[\w-]+?)(?: ones?)?$"
)
ELSE = re.compile(
    r"^(?:what|anything|something) else(?: (?:is|do|can|did|was|are)\b.{0,24})?$"
)
#: "there" as a place, not as in "is there".
THERE = re.compile(
    r"(?<!is )(?<!are )(?<!was )(?<!were )\b(?:over )?there$|\b(?:at|in) that (?:place|spot|area|location)$"
)
#: An image, or a part of every image, and nothing else.
ELSEWHERE = re.compile(
    r"^(?P<link>in|on|for|at|from|within)? ?(?P<where>(?:the )?images? \d+"
    r"|(?:the )?(?:first|second|third|fourth|other|next|radar|sar|optical|multispectral)"
    r" (?:image|picture|photo|scene|one)"
    r"|(?:the )?(?:radar|sar|optical|multispectral)(?: data)?"
    r"|(?:the )?(?:upper|lower|left|right|top|bottom|north(?:ern|[- ]?(?:ea|we)st)?"
    r"|south(?:ern|[- ]?(?:ea|we)st)?|east(?:ern)?|west(?:ern)?|middle|cent(?:re|er)|[- ])+"
    r"(?: ?(?:part|half|side|corner|quarter|edge|third))?)(?: (?:too|as well|also|instead))?$"
)
#: A follow-up that leaves out what it is about.
BARE = re.compile(
    r"where(?: exactly| precisely)?|tell me more|show(?: me)?(?: where)?"
    r"|how (?:large|big|long|wide|far apart)|what colou?r|(?:which|what) kind"
    r"|(?:outline|segment|describe|mark|highlight|measure|box|locate)(?: (?:please|now))?"
    r"|(?:as|with) (?:an? )?(?:masks?|polygons?|outlines?)"
)
#: A question about a named thing that an answer with several kinds of things has.
DEFINITE = re.compile(
    rf"^(?P<asked>how (?:large|big|long|wide) (?:is|are)|outline|segment|describe"
    rf"|what colou?r (?:is|are)) the (?P<noun>{_NOUN})$"
)
#: What a question about regions that were pointed to calls them.
POINTED = re.compile(rf"\bth(?:is|ese) (?:{_NOUN}|objects?)\b")
