"""Word classes and stems of the English of captions.

Captions are simple sentences, so closed lists and a few endings do the work of a part-of-speech tagger. A word in no
list counts as a noun.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES = _words("a an the")
POSSESSIVES = _words("his her its their")
NUMBERS = _words("one two three four five six seven eight nine ten eleven twelve")
QUANTIFIERS = _words("some several many few both all another other each no more most lots various")
DETERMINERS = ARTICLES | POSSESSIVES | NUMBERS | QUANTIFIERS | _words("this that these those")
BE = _words("is are was were be being been")
CONJUNCTIONS = _words("and or")
SUBORDINATORS = _words("while as who whose which that where when because if whilst with-out")

# Prepositions of a place that does not depend on the verb ...
STATIC = _words("""
    in on at near by under behind beside between among inside outside above below beneath underneath atop alongside
    against around within amongst amid amidst beyond in_front_of next_to on_top_of close_to in_the_middle_of
    on_the_side_of at_the_top_of at_the_bottom_of on_the_edge_of surrounded_by
""")
# ... and prepositions that belong to the verb.
MOVING = _words("""
    into onto through over across along up down off from to toward towards past out_of for with without of after
    before during like about out
""")
PREPOSITIONS = STATIC | MOVING
RELATIONS = _words("""
    near by behind beside between among against alongside around in_front_of next_to close_to surrounded_by
""")
COMPOUND_PREPOSITIONS = tuple(sorted((tuple(p.split("_")) for p in PREPOSITIONS if "_" in p), key=len, reverse=True))
ADVERBS = _words("""
    together outside outdoors indoors inside away up down off out around nearby upside-down side-by-side backwards
    forward ahead along back there here fast high low very just also not too each_other overhead by apart alone
    underwater downhill uphill airborne mid-air midair downtown
""")

COLOURS = _words("""
    black white red blue green yellow brown orange pink purple gray grey tan beige golden gold silver blond blonde
    dark light colorful colourful bright multicolored multi-colored striped plaid checkered maroon teal turquoise
    brunette khaki navy cream brightly colored coloured spotted
""")
AGES = _words("young old older elderly little small baby adult teenage younger aged middle-aged")
SIZES = _words("large big huge tall giant tiny long short wide")
STATES = _words("""
    snowy sandy grassy rocky muddy dirty dusty wet dry wooden metal brick stone concrete shallow deep busy crowded
    empty open leafy shaggy furry fluffy hairy curly shirtless smiling happy toy plastic inflatable steep wooded icy
    foggy sunny cloudy paved narrow beautiful fancy traditional asian african oriental indian rural urban frozen
    bald bearded barefoot naked fat thin skinny fuzzy dressed grinning laughing clear calm rough outdoor indoor
    public swimming racing
""")
ADJECTIVE_KINDS = (COLOURS, AGES, SIZES, STATES)
"""Two adjectives of one kind contradict each other; of different kinds they do not."""
ADJECTIVES = COLOURS | AGES | SIZES | STATES

_PERSONS = _words("""
    man woman boy girl child kid person lady guy gentleman male female toddler baby adult teenager couple player
    rider climber hiker skier snowboarder skateboarder surfer biker cyclist bicyclist runner swimmer boarder bride
    dancer driver worker skater policeman officer crowd family team model
""")
_ANIMALS = _words("""
    dog cat horse bird cow sheep bear elephant giraffe zebra monkey goat pig duck goose swan lion tiger rabbit
    squirrel deer camel fish dolphin butterfly animal
""")
_CROWDS = _words("person child crowd team family couple")
_CLOTHES = _words("""
    shirt t-shirt jacket coat dress hat cap helmet pants jeans shorts suit sweater sweatshirt uniform vest shoes
    boots glasses sunglasses goggles swimsuit bikini trunks wetsuit skirt outfit costume clothes clothing gear scarf
    hoodie jersey tie robe gloves mask headband bandanna necklace top overalls tights attire garb tuxedo kimono
    sandals socks collar harness backpack
""")
_MASSES = _words("grass snow sand water dirt ice mud gravel foam foliage food corn hay rain furniture")
_SCENES = (
    _words("water pool lake ocean sea river wave stream pond puddle surf shore"),
    _words("grass field lawn yard park meadow backyard garden"),
    _words("snow hill mountain slope ice cliff"),
    _words("sand beach dirt ground dune"),
    _words("street road sidewalk path track pavement trail city walkway"),
    _words("building house wall"),
)
_UNPLACED = _words("""
    air front back top side middle camera picture photo photograph image background foreground distance way trick
    jump game time day night midair action view scene shot line row edge end piece one others something someone each
    center bottom left right area mouth hand arm head face hair eye leg tongue ear body lap shoulder foot paw race
    ride corner look soccer tennis hockey rugby volleyball music fun part kind pair
""")
_LIGHTS = _words("night sunset sunrise dusk dawn daytime dark")
ING_NOUNS = _words("""
    building clothing railing ceiling evening morning wedding string ring king thing something nothing anything
    everything spring swing wing sling awning lightning landing opening sibling crossing crosswalk viking being
    earring sibling duckling
""")
ING_COMPOUNDS = _words("""
    swimming_pool climbing_wall diving_board parking_lot racing_track hiking_trail fishing_pole fishing_boat
    shopping_cart shopping_bag shopping_mall bathing_suit bowling_alley walking_stick sleeping_bag ironing_board
    skating_rink skating_ramp skateboarding_ramp rocking_chair washing_machine wrestling_match racing_car
    racing_bike swimming_trunks hiking_gear climbing_gear climbing_rope living_room dining_table dining_room
    cutting_board training_course running_track crossing_guard playing_field
""")
COMPOUNDING = _words("ice water jet roller swim ski snow")  # a noun follows, also if it looks like a verb: *ice skates*
VERBS = _words("""
    act aim approach arrange attack attempt balance bathe bat begin bend bike bite blow board bounce bow brush build
    buy camp carry cast catch celebrate chase chew clap clean climb come compete conduct cook cover crawl cross
    crouch cut cycle dance descend dig dive do drag draw dress dribble drink drive drop dump eat embrace enjoy enter
    examine exit fall feed fetch fight fish fix flip float fly fold follow gather gaze get give glide go grab graze
    greet grind grin hang have head help hide hike hit hold hop hug hurdle jog join juggle jump kayak keep kick kiss
    kneel knit laugh lay lead lean leap lick lie lift light listen look make march mow move navigate nap open paddle
    paint parade pass pause pedal peek peer perch perform pet pick pitch place play point pose pour practice prepare
    preside push pull pose punch put race raft raise reach read relax repair rest retrieve ride roll romp row run
    sail score sell serve set shake share shave shoot shop shout show sing sip sit skate skateboard ski sled sleep
    slide smell smile smoke sniff snow snowboard snuggle soar spar speak spin splash splatter spray sprint squat
    stand stare stay steer step stick stop stretch stroll struggle surf sweep swim swing tackle take talk taste tend
    throw tie toss touch tow train travel trot try tug tumble turn type use view wade wait wakeboard walk wash watch
    wave wear wheel whisper work wrestle write yawn yell apply bound burrow collide dine dip drip flap flip gallop
    knock land lasso line lounge peak participate poke skip snorkel speed straddle surround traverse tussle waterski
    windsurf
""")
PAST = _words("ran sat stood rode held wore threw took went swam caught lay led")
STARTERS = _words("""
    a the one two three four five six seven eight nine ten several some many people men women children there this
    black white brown man woman boy girl dog dogs young little old small group
""")
FUNCTION_WORDS = _words("the is are of with while there through his her their near")

_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "persons": "person", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "mice": "mouse", "leaves": "leaf", "lies": "lie", "lying": "lie",
    "ties": "tie", "tying": "tie", "ran": "run", "sat": "sit", "stood": "stand", "rode": "ride", "has": "have",
    "having": "have", "does": "do", "goes": "go", "held": "hold", "skis": "ski", "skiing": "ski", "grey": "gray",
    "buses": "bus", "wolves": "wolf", "knives": "knife", "snowy": "snow", "sandy": "sand", "grassy": "grass",
    "rocky": "rock", "muddy": "mud", "dirty": "dirt", "dusty": "dust", "icy": "ice", "foggy": "fog", "hilly": "hill",
    "bicycle": "bike", "bicycles": "bike", "motorbike": "motorcycle", "motorbikes": "motorcycle", "kid": "child",
    "kids": "child", "puppy": "dog", "puppies": "dog", "kitten": "cat", "sofa": "couch", "photograph": "photo",
    "picture": "photo", "cyclist": "biker", "bicyclist": "biker", "lady": "woman", "ladies": "woman", "guy": "man",
    "guys": "man", "leafy": "leaf", "sunny": "sun", "cloudy": "cloud", "watery": "water", "wooden": "wood",
    "wooded": "wood",
}  # fmt: skip
_UNCHANGED = _words("dress grass glass class tennis bus gas canvas mattress across series")
_PLURALS = _words("men women children people feet teeth geese mice police cattle sheep")


def stem(word: str) -> str:
    """The stem that a word shares with its other forms: ``dog`` of dogs, ``run`` of running, ``grass`` of grassy.

    Handles common endings, irregular words and synonyms (*kid* is *child*). A stem need not be a word.
    """
    word = word.lower()
    word = _IRREGULAR.get(word, word)
    if word in _UNCHANGED or word in ING_NOUNS:
        return word
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 2 and not word.endswith(("ss", "us", "is")):
            word = word[: -len(ending)] + instead
            break
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word if len(word) < 4 else word.removesuffix("e")


def base_of(word: str) -> str | None:
    """The infinitive, among `VERBS`, of a form in -s or of the infinitive itself; None for any other word."""
    word = {"has": "have", "does": "do", "goes": "go"}.get(word, word)
    bare = [word, word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word)]
    return next((form for form in bare if form in VERBS), None)


def is_plural(noun: str) -> bool:
    """Whether a noun is plural."""
    noun = noun.lower()
    return noun in _PLURALS or (noun.endswith("s") and noun not in _UNCHANGED and not noun.endswith(("ss", "us")))


def is_content(word: str) -> bool:
    """Whether a word is a content word, not a function word or punctuation."""
    lower = word.lower()
    simple = {w for p in PREPOSITIONS if "_" in p for w in p.split("_")} - {"front", "top", "middle", "edge"}
    grammar = (DETERMINERS - NUMBERS) | BE | CONJUNCTIONS | SUBORDINATORS | PREPOSITIONS | simple
    return bool(re.search(r"\w", lower)) and lower not in grammar and lower not in ("there", "'s", "it", "to", "them")


def is_english(words: list[str]) -> bool:
    """Whether the words of a caption are English: a typical first word, or an English function word."""
    lower = [word.lower() for word in words]
    return bool(lower) and (lower[0] in STARTERS or not FUNCTION_WORDS.isdisjoint(lower))


def _stems(words: frozenset[str]) -> frozenset[str]:
    return frozenset(map(stem, words))


# From here on, stems.
PERSONS, ANIMALS, CLOTHES, LIGHTS = _stems(_PERSONS), _stems(_ANIMALS), _stems(_CLOTHES), _stems(_LIGHTS)
MASSES = _stems(_MASSES)
"""Nouns without an article in the singular."""
CROWDS = _stems(_CROWDS)
"""Nouns for groups of people: a man may be one of them."""
UNPLACED = _stems(_UNPLACED)
"""Nouns for things that one cannot point at."""
SCENES = tuple(map(_stems, _SCENES))
"""Groups of nouns that often name the same place: after one, the others of its group add nothing new."""
