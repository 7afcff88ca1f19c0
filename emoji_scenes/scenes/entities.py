"""The table of entities: one row a kind of thing, its OpenMoji picture and its words.

Columns: key, codepoint, names (`name/plural` where the plural is irregular), hypernym, activities,
recolour family, placement, height, settings (`name` or `name:weight`). Rows of `MAIN` can be what a
picture is about; rows of `SECONDARY` only stand beside something.
"""

from __future__ import annotations

from emoji_scenes.scenes.catalogue import Entity

Row = tuple[str, str, str, str, str, str, str, float, str]

# fmt: off
PEOPLE: tuple[Row, ...] = (
    ("surfer", "1F3C4", "surfer|man/men|person/people", "", "riding a wave|surfing|on a surfboard", "", "water", .42, "sea"),
    ("swimmer", "1F3CA", "swimmer|man/men|person/people", "", "swimming|doing the crawl", "", "water", .30, "sea lake"),
    ("rower", "1F6A3", "rower|man/men|person/people", "", "rowing a boat|paddling a boat|in a small boat", "", "water", .40, "lake:2 sea"),
    ("cyclist", "1F6B4", "cyclist|person/people|bike rider", "", "riding a bike|riding a bicycle|cycling", "", "ground", .46, "street:2 park city mountains"),
    ("runner", "1F3C3", "runner|person/people|jogger", "", "running|jogging|going for a run", "", "ground", .46, "park:2 street beach city"),
    ("walker", "1F6B6", "man/men|person/people|pedestrian", "", "walking|taking a walk|strolling", "", "ground", .48, "street city park beach forest"),
    ("skier", "26F7", "skier|person/people|man/men", "", "skiing|skiing down a slope|on skis", "", "ground", .44, "snow"),
    ("snowboarder", "1F3C2", "snowboarder|person/people|boy", "", "snowboarding|riding a snowboard", "", "ground", .44, "snow"),
    ("golfer", "1F3CC", "golfer|man/men|person/people", "", "playing golf|swinging a golf club", "", "ground", .46, "park:2 farm"),
    ("jockey", "1F3C7", "jockey|rider|person/people", "", "riding a horse|racing on a horse", "", "ground", .46, "farm park"),
    ("weightlifter", "1F3CB", "weightlifter|man/men|athlete", "", "lifting weights|lifting a barbell", "", "ground", .48, "gym:2 park"),
    ("basketball_player", "26F9", "basketball player|player|athlete", "", "playing basketball|bouncing a ball|dribbling a ball", "", "ground", .48, "gym:2 street"),
    ("gymnast", "1F938", "gymnast|girl|child/children", "", "doing a cartwheel|doing gymnastics", "", "ground", .46, "gym park beach"),
    ("juggler", "1F939", "juggler|clown|performer", "", "juggling|juggling balls", "", "ground", .46, "city park"),
    ("dancer", "1F483", "dancer|woman/women|lady/ladies", "", "dancing|doing a dance", "yellow", "ground", .48, "living_room city beach"),
    ("climber", "1F9D7", "climber|person/people", "", "climbing|climbing a rope", "", "ground", .48, "mountains gym"),
    ("yogi", "1F9D8", "woman/women|person/people|girl", "", "meditating|doing yoga|sitting cross legged", "", "ground", .42, "beach living_room park"),
)

ANIMALS: tuple[Row, ...] = (
    ("dog", "1F415", "dog|puppy/puppies|pup", "animal", "standing|walking|wagging its tail", "", "ground", .40, "park:2 living_room garden beach street"),
    ("cat", "1F408", "cat|kitty/kitties|kitten", "animal", "standing|walking|looking around", "", "ground", .38, "living_room:2 garden bedroom street"),
    ("horse", "1F40E", "horse|pony/ponies|stallion", "animal", "running|galloping|trotting", "", "ground", .46, "farm:2 mountains beach"),
    ("cow", "1F404", "cow|dairy cow|bull", "animal", "grazing|standing|eating grass", "", "ground", .44, "farm:3 mountains"),
    ("pig", "1F416", "pig|hog|piglet", "animal", "standing|walking around", "", "ground", .38, "farm"),
    ("sheep", "1F411", "sheep/sheep|lamb|ewe", "animal", "grazing|standing|eating grass", "", "ground", .38, "farm:2 mountains"),
    ("goat", "1F410", "goat|billy goat", "animal", "standing|climbing around", "", "ground", .40, "mountains farm"),
    ("rabbit", "1F407", "rabbit|bunny/bunnies|hare", "animal", "sitting|hopping around", "", "ground", .36, "garden park snow"),
    ("duck", "1F986", "duck|mallard|drake", "bird", "swimming|floating", "", "water", .30, "lake"),
    ("swan", "1F9A2", "swan|white swan|bird", "bird", "swimming|gliding along", "", "water", .36, "lake"),
    ("rooster", "1F413", "rooster|chicken|cockerel", "bird", "standing|walking around", "", "ground", .38, "farm:2 garden"),
    ("elephant", "1F418", "elephant|large elephant", "animal", "standing|walking", "", "ground", .50, "desert forest"),
    ("giraffe", "1F992", "giraffe|tall giraffe", "animal", "standing|looking ahead", "", "ground", .52, "desert forest"),
    ("zebra", "1F993", "zebra|striped zebra", "animal", "standing|grazing", "", "ground", .44, "desert farm"),
    ("tiger", "1F405", "tiger|big cat|wild cat", "animal", "walking|prowling", "", "ground", .40, "forest"),
    ("monkey", "1F412", "monkey|ape|little monkey", "animal", "playing|jumping around", "", "ground", .42, "forest"),
    ("camel", "1F42A", "camel|dromedary/dromedaries", "animal", "walking|standing", "", "ground", .46, "desert:3"),
    ("penguin", "1F427", "penguin|little penguin", "bird", "standing|waddling", "", "ground", .38, "snow"),
    ("flamingo", "1F9A9", "flamingo|pink bird", "bird", "standing|standing on one leg", "", "ground", .46, "beach"),
    ("deer", "1F98C", "deer/deer|stag|buck", "animal", "standing|looking up", "", "ground", .44, "forest:2 mountains snow"),
    ("turtle", "1F422", "turtle|tortoise", "animal", "crawling|resting", "", "ground", .30, "beach desert garden"),
    ("whale", "1F40B", "whale|blue whale", "animal", "swimming|diving", "", "water", .40, "sea"),
    ("dolphin", "1F42C", "dolphin|porpoise", "animal", "jumping out of the water|leaping", "", "water", .36, "sea"),
    ("parrot", "1F99C", "parrot|macaw", "bird", "sitting|resting", "dark_red", "ground", .42, "forest garden"),
    ("kangaroo", "1F998", "kangaroo|wallaby/wallabies", "animal", "hopping|standing", "", "ground", .46, "desert"),
    ("bird", "1F426", "bird|little bird|sparrow", "bird", "sitting|perched", "brown", "ground", .34, "garden park"),
    ("squirrel", "1F43F", "squirrel|chipmunk", "animal", "sitting|holding a nut", "", "ground", .36, "forest park"),
)

VEHICLES: tuple[Row, ...] = (
    ("car", "1F697", "car|sedan|auto", "vehicle", "parked|driving", "red", "ground", .36, "street:3 city mountains"),
    ("taxi", "1F695", "taxi|cab|taxi cab", "vehicle", "parked|waiting", "", "ground", .36, "city:2 street"),
    ("bus", "1F68C", "bus/buses|city bus/city buses|coach/coaches", "vehicle", "parked|driving", "red", "ground", .40, "city:2 street"),
    ("truck", "1F69A", "truck|delivery truck|lorry/lorries", "vehicle", "parked|driving", "white", "ground", .38, "street:2 city"),
    ("tractor", "1F69C", "tractor|farm tractor", "vehicle", "parked|working", "green", "ground", .42, "farm:3"),
    ("bicycle", "1F6B2", "bicycle|bike|cycle", "vehicle", "parked|leaning", "red", "ground", .38, "street park city"),
    ("motorcycle", "1F3CD", "motorcycle|motorbike|bike", "vehicle", "parked|standing", "red", "ground", .38, "street:2 desert"),
    ("scooter", "1F6F5", "scooter|moped|motor scooter", "vehicle", "parked|standing", "red", "ground", .38, "street city"),
    ("train", "1F682", "train|steam engine|locomotive", "vehicle", "passing by|traveling along", "charcoal", "ground", .40, "mountains farm desert"),
    ("fire_engine", "1F692", "fire truck|fire engine", "vehicle", "parked|on duty", "", "ground", .38, "street city"),
    ("racing_car", "1F3CE", "race car|racing car|sports car", "vehicle", "racing|speeding", "dark_red", "ground", .30, "street"),
    ("helicopter", "1F681", "helicopter|chopper", "aircraft/aircraft", "flying|hovering", "red", "sky", .34, "mountains city sea"),
    ("airplane", "1F6E9", "airplane|plane|small plane", "aircraft/aircraft", "flying|in the air", "", "sky", .36, "sea mountains desert farm"),
    ("sailboat", "26F5", "sailboat|boat|yacht", "boat", "sailing|floating", "", "water", .44, "sea lake:2"),
    ("speedboat", "1F6A4", "speedboat|motorboat|boat", "boat", "speeding|cruising", "white", "water", .34, "sea lake"),
    ("canoe", "1F6F6", "canoe|kayak|boat", "boat", "floating|drifting", "dark_blue", "water", .30, "lake"),
    ("rocket", "1F680", "rocket|space rocket|spaceship", "vehicle", "flying|taking off", "red", "sky", .38, "desert"),
)

FOOD: tuple[Row, ...] = (
    ("pizza", "1F355", "pizza|slice of pizza/slices of pizza|pizza slice", "food/food", "", "", "table", .38, "restaurant:2 kitchen"),
    ("hamburger", "1F354", "hamburger|burger|cheeseburger", "food/food", "", "", "table", .36, "restaurant"),
    ("sandwich", "1F96A", "sandwich/sandwiches|sub", "food/food", "", "", "table", .34, "restaurant kitchen office"),
    ("hot_dog", "1F32D", "hot dog|sausage", "food/food", "", "", "table", .34, "restaurant"),
    ("cake", "1F382", "cake|birthday cake", "dessert", "", "yellow", "table", .42, "kitchen restaurant"),
    ("doughnut", "1F369", "donut|doughnut", "dessert", "", "yellow", "table", .34, "kitchen office"),
    ("salad", "1F957", "salad|bowl of salad/bowls of salad|green salad", "food/food", "", "", "table", .36, "restaurant kitchen"),
    ("banana", "1F34C", "banana|ripe banana", "fruit/fruit", "", "", "table", .36, "kitchen"),
    ("apple", "1F34E", "apple|piece of fruit/pieces of fruit", "fruit/fruit", "", "red", "table", .34, "kitchen office"),
    ("pineapple", "1F34D", "pineapple|tropical fruit/tropical fruits", "fruit/fruit", "", "", "table", .44, "kitchen"),
    ("coffee", "2615", "cup of coffee/cups of coffee|coffee/coffees|hot drink", "drink", "", "white", "table", .34, "office:2 restaurant"),
    ("teapot", "1FAD6", "teapot|tea pot|kettle", "dish/dishes", "", "grey", "table", .36, "kitchen"),
    ("ice_cream", "1F368", "bowl of ice cream/bowls of ice cream|ice cream/ice creams|sundae", "dessert", "", "", "table", .36, "restaurant"),
)

HOUSEHOLD: tuple[Row, ...] = (
    ("sofa", "1F6CB", "couch/couches|sofa|lounge", "furniture/furniture", "", "blue", "ground", .42, "living_room:3"),
    ("bed", "1F6CF", "bed|single bed", "furniture/furniture", "", "blue", "ground", .40, "bedroom:4"),
    ("chair", "1FA91", "chair|wooden chair|seat", "furniture/furniture", "", "yellow", "ground", .44, "living_room bedroom garden"),
    ("television", "1F4FA", "television|tv|tv set", "appliance", "", "", "ground", .40, "living_room"),
    ("teddy_bear", "1F9F8", "teddy bear|stuffed bear|teddy", "toy", "sitting", "", "ground", .40, "bedroom:2 living_room"),
    ("suitcase", "1F9F3", "suitcase|travel bag|bag", "bag", "", "brown", "ground", .40, "bedroom street city"),
    ("laptop", "1F4BB", "laptop|computer|notebook computer", "device", "", "", "table", .38, "office:3 kitchen"),
    ("telephone", "260E", "telephone|phone|old phone", "device", "", "red", "table", .34, "office:2"),
    ("book", "1F4D5", "book|closed book|novel", "thing", "", "dark_red", "table", .36, "office:2"),
    ("guitar", "1F3B8", "guitar|electric guitar", "instrument", "", "red", "ground", .46, "living_room bedroom"),
    ("drum", "1F941", "drum|snare drum", "instrument", "", "red", "ground", .38, "living_room gym"),
    ("tent", "26FA", "tent|camping tent", "shelter", "", "yellow", "ground", .42, "forest mountains:2 desert beach"),
    ("snowman", "26C4", "snowman/snowmen|snow man/snow men", "", "standing|smiling", "", "ground", .44, "snow:2"),
    ("umbrella", "26F1", "beach umbrella|parasol|sunshade", "thing", "", "red", "ground", .46, "beach:3"),
    ("house", "1F3E0", "house|cottage|small house", "building", "", "white", "ground", .46, "farm mountains snow"),
    ("parachute", "1FA82", "parachute|paraglider", "thing", "floating|gliding", "", "sky", .40, "mountains desert sea"),
    ("kite", "1FA81", "kite|flying kite", "toy", "flying|floating", "pink", "sky", .38, "beach park"),
)

SECONDARY: tuple[Row, ...] = (
    ("ball", "26BD", "soccer ball|ball|football", "ball", "", "white", "ground", .20, "park beach garden street gym"),
    ("basketball", "1F3C0", "basketball|ball", "ball", "", "orange", "ground", .20, "gym:3 street park"),
    ("skateboard", "1F6F9", "skateboard|board", "toy", "", "dark_blue", "ground", .25, "street city"),
    ("backpack", "1F392", "backpack|bag|rucksack", "bag", "", "red", "ground", .24, "mountains forest park bedroom gym city"),
    ("handbag", "1F45C", "handbag|purse|bag", "bag", "", "dark_brown", "ground", .22, "city living_room beach"),
    ("bucket", "1FAA3", "bucket|pail", "thing", "", "blue", "ground", .22, "beach:2 farm garden"),
    ("basket", "1F9FA", "basket|picnic basket", "thing", "", "brown", "ground", .24, "park garden farm"),
    ("gift", "1F381", "gift|present|gift box/gift boxes", "box/boxes", "", "yellow", "ground", .22, "living_room bedroom"),
    ("balloon", "1F388", "balloon|party balloon", "toy", "", "red", "sky", .26, "park city beach street"),
    ("tree", "1F333", "tree|leafy tree", "plant", "", "", "ground", .36, "park street farm garden city"),
    ("pine", "1F332", "pine tree|fir tree|evergreen", "tree", "", "", "ground", .36, "forest mountains snow"),
    ("palm", "1F334", "palm tree|palm", "tree", "", "", "ground", .36, "beach desert"),
    ("cactus", "1F335", "cactus/cacti|green cactus/green cacti", "plant", "", "", "ground", .30, "desert:3"),
    ("tulip", "1F337", "tulip|flower", "plant", "", "orange", "ground", .24, "garden:2 park"),
    ("rose", "1F339", "rose|flower", "plant", "", "red", "ground", .24, "garden"),
    ("sunflower", "1F33B", "sunflower|yellow flower", "plant", "", "", "ground", .28, "farm garden"),
    ("mushroom", "1F344", "mushroom|toadstool", "plant", "", "red", "ground", .22, "forest:2"),
    ("mailbox", "1F4EB", "mailbox/mailboxes|letter box/letter boxes", "box/boxes", "", "blue", "ground", .28, "street garden farm"),
    ("traffic_light", "1F6A6", "traffic light|stop light", "light", "", "", "ground", .32, "street city"),
    ("stop_sign", "1F6D1", "stop sign|sign", "sign", "", "", "ground", .26, "street"),
    ("rock", "1FAA8", "rock|stone|boulder", "", "", "", "ground", .22, "mountains desert beach"),
    ("log", "1FAB5", "log|tree trunk", "wood/wood", "", "", "ground", .20, "forest farm"),
    ("campfire", "1F525", "fire|campfire|bonfire", "", "", "", "ground", .24, "forest mountains"),
    ("sled", "1F6F7", "sled|sleigh", "toy", "", "blue", "ground", .26, "snow:3"),
    ("shell", "1F41A", "shell|seashell", "thing", "", "pink", "ground", .18, "beach"),
    ("crab", "1F980", "crab|little crab", "animal", "", "red", "ground", .20, "beach"),
    ("potted_plant", "1FAB4", "potted plant|plant|houseplant", "plant", "", "", "ground", .28, "living_room bedroom city"),
    ("yarn", "1F9F6", "ball of yarn/balls of yarn|yarn ball", "thing", "", "", "ground", .18, "living_room bedroom"),
    ("fountain", "26F2", "fountain|water fountain", "", "", "", "ground", .32, "city park"),
    ("hat", "1F3A9", "top hat|hat", "thing", "", "", "ground", .22, "bedroom living_room"),
    ("boot", "1F97E", "boot|hiking boot|shoe", "shoe", "", "brown", "ground", .20, "mountains bedroom"),
    ("fish", "1F41F", "fish/fish|small fish/small fish", "animal", "", "blue", "water", .20, "sea lake"),
    ("buoy", "1F6DF", "life ring|buoy|float", "thing", "", "red", "water", .20, "sea lake"),
    ("lotus", "1FAB7", "water lily/water lilies|lotus flower", "plant", "", "pink", "water", .20, "lake"),
    ("butterfly", "1F98B", "butterfly/butterflies|moth", "insect", "", "blue", "sky", .20, "garden park farm forest"),
    ("eagle", "1F985", "eagle|hawk", "bird", "", "", "sky", .24, "mountains desert lake sea"),
    ("dove", "1F54A", "dove|bird|pigeon", "bird", "", "white", "sky", .22, "city sea street beach snow"),
    ("small_plane", "2708", "jet|airliner", "aircraft/aircraft", "", "", "sky", .24, "city desert mountains snow"),
    ("fork", "1F374", "fork and knife/forks and knives|silverware/silverware", "", "", "", "table", .24, "restaurant"),
    ("glass", "1F377", "glass of wine/glasses of wine|wine glass/wine glasses", "drink", "", "", "table", .28, "restaurant"),
    ("soda", "1F964", "soda|paper cup|soft drink", "drink", "", "white", "table", .28, "restaurant office"),
    ("bottle", "1F37E", "bottle|wine bottle", "drink", "", "", "table", .30, "restaurant kitchen"),
    ("vase", "1F3FA", "vase|jar", "dish/dishes", "", "orange", "table", .28, "kitchen"),
    ("candle", "1F56F", "candle|lit candle", "light", "", "", "table", .26, "restaurant kitchen"),
    ("bouquet", "1F490", "bouquet of flowers/bouquets of flowers|flowers/flowers", "plant", "", "", "table", .28, "restaurant kitchen office"),
    ("tomato", "1F345", "tomato/tomatoes|ripe tomato/ripe tomatoes", "food/food", "", "", "table", .20, "kitchen"),
    ("lemon", "1F34B", "lemon|citrus fruit", "fruit/fruit", "", "", "table", .20, "kitchen"),
    ("strawberry", "1F353", "strawberry/strawberries|berry/berries", "fruit/fruit", "", "", "table", .20, "kitchen restaurant"),
    ("carrot", "1F955", "carrot|orange carrot", "food/food", "", "", "table", .22, "kitchen"),
    ("bread", "1F35E", "loaf of bread/loaves of bread|bread loaf/bread loaves", "food/food", "", "", "table", .24, "kitchen restaurant"),
    ("knife", "1F52A", "knife/knives|kitchen knife/kitchen knives", "thing", "", "", "table", .25, "kitchen"),
    ("bowl", "1F963", "bowl|bowl of cereal/bowls of cereal", "dish/dishes", "", "white", "table", .24, "kitchen"),
    ("mouse", "1F5B1", "computer mouse/computer mice|mouse/mice", "device", "", "", "table", .18, "office:2"),
    ("clock", "23F0", "alarm clock|clock", "device", "", "", "table", .24, "office"),
    ("cell_phone", "1F4F1", "cell phone|smartphone|phone", "device", "", "", "table", .22, "office restaurant"),
    ("scissors", "2702", "scissors/scissors|pair of scissors/pairs of scissors", "thing", "", "red", "table", .22, "office"),
    ("glasses", "1F453", "glasses/glasses|eyeglasses/eyeglasses", "thing", "", "", "table", .18, "office"),
)
# fmt: on

_CATEGORIES = (
    ("person", PEOPLE),
    ("animal", ANIMALS),
    ("vehicle", VEHICLES),
    ("food", FOOD),
    ("furniture", HOUSEHOLD),
)


def _plural(name: str) -> str:
    if name.endswith(("s", "x", "ch", "sh")):
        return name + "es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


def _split(names: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    pairs = [name.split("/") for name in names.split("|") if name]
    singulars = tuple(pair[0] for pair in pairs)
    return singulars, tuple(pair[1] if len(pair) > 1 else _plural(pair[0]) for pair in pairs)


_BOTH = frozenset(
    (
        *("dog", "cat", "bird", "bicycle", "car", "sailboat", "kite", "chair", "tent", "umbrella"),
        *("duck", "scooter", "guitar", "teddy_bear", "rabbit", "rooster", "apple", "coffee"),
        *("banana", "book"),
    )
)
"""Main entities that also stand beside others."""


def _entity(row: Row, category: str, role: str) -> Entity:
    key, codepoint, names, generic, activities, recolour, placement, height, places = row
    singulars, plurals = _split(names)
    weights = (place.split(":") for place in places.split())
    return Entity(
        key=key,
        codepoint=codepoint,
        names=singulars,
        plurals=plurals,
        generic=_split(generic)[0],
        activities=tuple(a for a in activities.split("|") if a),
        recolour=recolour or None,
        category=category,
        placement=placement,
        height=height,
        settings={w[0]: float(w[1]) if len(w) > 1 else 1.0 for w in weights},
        roles=frozenset({role, "secondary"} if key in _BOTH else {role}),
    )


ENTITIES: dict[str, Entity] = {
    row[0]: _entity(row, category, "main") for category, rows in _CATEGORIES for row in rows
} | {row[0]: _entity(row, "thing", "secondary") for row in SECONDARY}
"""All entities by key."""
