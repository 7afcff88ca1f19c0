"""What annotators call the things of the world, and what they say these do.

One row a kind of thing: names, most common first (`name/plural` where the plural is irregular);
hypernyms; activities. People, animals and vehicles have activities of their own; others are said
to stand or lie where they are (`POSTURES`).
"""

from __future__ import annotations


def _gerund(base: str) -> str:
    """ "sit" -> "sitting", "ride" -> "riding"."""
    if base == "lie":
        return "lying"
    if base in ("hop", "jog", "run", "sit", "strut", "swim", "trot"):
        return base + base[-1] + "ing"
    return base.removesuffix("e") + "ing"


# fmt: off
WORDS: dict[str, tuple[str, str, str]] = {
    # People
    "surfer": ("surfer|man/men|person/people|guy|male surfer", "", "riding a wave|surfing|on a surfboard|catching a wave|riding a surfboard|surfing a big wave|balancing on a board"),
    "swimmer": ("swimmer|man/men|person/people|guy|athlete", "", "swimming|doing the crawl|doing laps|taking a swim|swimming laps|going for a swim"),
    "rower": ("rower|man/men|person/people|guy|oarsman/oarsmen", "", "rowing a boat|paddling a boat|in a small boat|rowing|using oars|pulling at the oars|in a rowboat"),
    "cyclist": ("cyclist|person/people|bike rider|biker|man/men|bicyclist", "", "riding a bike|riding a bicycle|cycling|on a bike|pedaling along|biking"),
    "runner": ("runner|person/people|jogger|man/men|guy|sprinter", "", "running|jogging|going for a run|sprinting|out for a jog|working out"),
    "walker": ("man/men|person/people|pedestrian|guy|gentleman/gentlemen|walker", "", "walking|taking a walk|strolling|going for a walk|taking a hike|out for a stroll|on foot"),
    "skier": ("skier|person/people|man/men|guy|downhill skier", "", "skiing|skiing down a slope|on skis|riding skis|racing downhill|skiing down a hill|gliding on skis"),
    "snowboarder": ("snowboarder|person/people|boy|guy|boarder|man/men", "", "snowboarding|riding a snowboard|on a snowboard|doing a trick|snow boarding|balancing on a snowboard"),
    "golfer": ("golfer|man/men|person/people|guy|golf player", "", "playing golf|swinging a golf club|golfing|taking a swing|hitting a golf ball|holding a golf club"),
    "jockey": ("jockey|rider|person/people|man/men|horse rider|horseman/horsemen", "", "riding a horse|racing on a horse|on horseback|galloping on a horse|riding a race horse|on a brown horse"),
    "weightlifter": ("weightlifter|man/men|athlete|guy|strong man/strong men|weight lifter", "", "lifting weights|lifting a barbell|weight training|exercising|holding a barbell|raising a heavy bar"),
    "basketball_player": ("basketball player|player|athlete|man/men|guy|sportsman/sportsmen", "", "playing basketball|bouncing a ball|dribbling a ball|dribbling|playing with a ball|shooting hoops"),
    "gymnast": ("gymnast|girl|child/children|kid|young lady/young ladies|acrobat", "", "doing a cartwheel|doing gymnastics|turning a cartwheel|tumbling|upside down|performing a flip"),
    "juggler": ("juggler|clown|performer|man/men|entertainer|street artist", "", "juggling|juggling balls|performing|throwing balls|doing a juggling act|keeping balls in the air"),
    "dancer": ("dancer|woman/women|lady/ladies|girl|young woman/young women|female dancer", "", "dancing|doing a dance|performing a dance|posing|striking a pose|twirling around"),
    "climber": ("climber|person/people|mountaineer|man/men|rock climber", "", "climbing|climbing a rope|hanging from a rope|climbing up|scaling a wall|pulling up a rope"),
    "yogi": ("woman/women|person/people|girl|lady/ladies|young woman/young women|yoga teacher", "", "meditating|doing yoga|sitting cross legged|in a yoga pose|practicing yoga|relaxing"),
    # Animals
    "dog": ("dog|puppy/puppies|pup|hound|canine|doggy/doggies", "animal", "standing|walking|wagging its tail|waiting|strolling around|on all fours"),
    "cat": ("cat|kitty/kitties|kitten|feline|tabby/tabbies|pet cat", "animal", "standing|walking|looking around|prowling|posing|exploring"),
    "horse": ("horse|pony/ponies|stallion|mare|steed|colt", "animal", "running|galloping|trotting|standing|cantering|roaming"),
    "cow": ("cow|dairy cow|bull|steer|heifer|ox/oxen", "animal", "grazing|standing|eating grass|roaming|chewing|at pasture"),
    "pig": ("pig|hog|piglet|swine/swine|sow|farm pig", "animal", "standing|walking around|rooting around|foraging|wandering"),
    "sheep": ("sheep/sheep|lamb|ram|woolly sheep/woolly sheep|farm sheep/farm sheep", "animal", "grazing|standing|eating grass|roaming|feeding|wandering"),
    "goat": ("goat|billy goat|kid goat|horned goat|nanny goat", "animal", "standing|climbing around|grazing|roaming|looking ahead"),
    "rabbit": ("rabbit|bunny/bunnies|hare|bunny rabbit|cottontail", "animal", "sitting|hopping around|hopping|crouching|nibbling"),
    "duck": ("duck|mallard|drake|waterfowl/waterfowl|duckling", "bird", "swimming|floating|paddling|drifting|gliding"),
    "swan": ("swan|graceful swan|water bird|cygnet", "bird", "swimming|gliding gracefully|floating|drifting|paddling"),
    "rooster": ("rooster|chicken|cockerel|hen|fowl/fowl|farm bird", "bird", "standing|walking around|strutting|pecking|crowing"),
    "elephant": ("elephant|tusker|gray elephant|pachyderm", "animal", "standing|walking|raising its trunk|roaming|strolling"),
    "giraffe": ("giraffe|tall giraffe|spotted giraffe|long necked animal", "animal", "standing|looking ahead|stretching its neck|roaming|standing tall"),
    "zebra": ("zebra|striped zebra|striped animal|wild zebra", "animal", "standing|grazing|feeding|roaming|looking ahead"),
    "tiger": ("tiger|big cat|bengal tiger|striped tiger|jungle cat", "animal", "walking|prowling|hunting|stalking|on the prowl"),
    "monkey": ("monkey|ape|little monkey|chimp|primate", "animal", "playing|jumping around|hanging out|climbing around|goofing off"),
    "camel": ("camel|dromedary/dromedaries|pack animal|humped camel", "animal", "walking|standing|resting|trekking|roaming"),
    "penguin": ("penguin|little penguin|emperor penguin|flightless bird", "bird", "standing|waddling|waddling along|standing upright|standing around"),
    "flamingo": ("flamingo|pink bird|wading bird|pink flamingo", "bird", "standing|standing on one leg|wading|balancing on one leg|posing"),
    "deer": ("deer/deer|stag|buck|doe|elk/elk|fawn", "animal", "standing|looking up|roaming|listening|looking alert"),
    "turtle": ("turtle|tortoise|land turtle|reptile|box turtle", "animal", "crawling|resting|crawling along|moving slowly|basking"),
    "whale": ("whale|blue whale|giant whale|sea mammal", "animal", "swimming|diving|surfacing|spouting water|breaching"),
    "dolphin": ("dolphin|porpoise|bottlenose|marine animal", "animal", "jumping out of the water|leaping|jumping|doing a jump|splashing"),
    "parrot": ("parrot|macaw|tropical bird|parakeet|exotic bird", "bird", "sitting|resting|perched|squawking|perching"),
    "kangaroo": ("kangaroo|wallaby/wallabies|marsupial|roo", "animal", "hopping|standing|bouncing along|jumping|leaping around"),
    "bird": ("bird|little bird|sparrow|finch/finches|songbird|robin", "bird", "sitting|perched|resting|singing|chirping|perching"),
    "squirrel": ("squirrel|chipmunk|rodent|gray squirrel|little squirrel", "animal", "sitting|holding a nut|eating a nut|foraging|nibbling a nut"),
    # Vehicles
    "car": ("car|sedan|auto|automobile|hatchback|compact car", "vehicle", "parked|driving|on the move|stopped|rolling along|sitting"),
    "taxi": ("taxi|cab|taxi cab|taxicab", "vehicle", "parked|waiting|driving|stopped|looking for a fare"),
    "bus": ("bus/buses|city bus/city buses|coach/coaches|public bus/public buses|passenger bus/passenger buses", "vehicle", "parked|driving|stopped|making a stop|traveling|on the move"),
    "truck": ("truck|delivery truck|lorry/lorries|box truck|moving van", "vehicle", "parked|driving|stopped|making a delivery|hauling goods|on the move"),
    "tractor": ("tractor|farm tractor|farm machine|plow", "vehicle", "parked|working|plowing|driving|at work|sitting"),
    "bicycle": ("bicycle|bike|two wheeler|push bike|road bike", "vehicle", "parked|leaning|standing|propped up|on its kickstand"),
    "motorcycle": ("motorcycle|motorbike|bike|chopper bike|sport bike", "vehicle", "parked|standing|stopped|on its stand|on display"),
    "scooter": ("scooter|moped|motor scooter|vespa", "vehicle", "parked|standing|stopped|on its stand"),
    "train": ("train|steam engine|locomotive|steam train|railway engine", "vehicle", "passing by|traveling down the track|letting off steam|rolling by|chugging along|on its way"),
    "fire_engine": ("fire truck|fire engine|ladder truck|emergency vehicle|firetruck", "vehicle", "parked|on duty|on standby|stopped|responding"),
    "racing_car": ("race car|racing car|sports car|racer|formula car", "vehicle", "racing|speeding|zooming along|driving fast|speeding along"),
    "helicopter": ("helicopter|chopper|rescue helicopter|copter", "aircraft/aircraft", "flying|hovering|in flight|flying around|in the air"),
    "airplane": ("airplane|plane|small plane|propeller plane|aeroplane", "aircraft/aircraft", "flying|in the air|in flight|soaring|cruising|climbing high"),
    "sailboat": ("sailboat|boat|yacht|sailing boat|sailing ship", "boat", "sailing|floating|drifting|cruising|with its sails up|sailing along"),
    "speedboat": ("speedboat|motorboat|boat|power boat|motor boat", "boat", "speeding|cruising|speeding along|racing|moving fast"),
    "canoe": ("canoe|kayak|boat|rowboat|paddle boat", "boat", "floating|drifting|resting|bobbing"),
    "rocket": ("rocket|space rocket|spaceship|spacecraft/spacecraft|rocket ship", "vehicle", "flying|taking off|blasting off|shooting up|launching"),
    # Food
    "pizza": ("pizza|slice of pizza/slices of pizza|pizza slice|piece of pizza/pieces of pizza|pepperoni pizza|pie", "food/food", ""),
    "hamburger": ("hamburger|burger|cheeseburger|beef burger|patty on a bun/patties on buns", "food/food", ""),
    "sandwich": ("sandwich/sandwiches|sub|deli sandwich/deli sandwiches|snack|hoagie", "food/food", ""),
    "hot_dog": ("hot dog|sausage|frank|hotdog|sausage on a bun/sausages on buns", "food/food", ""),
    "cake": ("cake|birthday cake|dessert cake|pastry/pastries|frosted cake", "dessert", ""),
    "doughnut": ("donut|doughnut|glazed donut|sweet treat|frosted donut", "dessert", ""),
    "salad": ("salad|bowl of salad/bowls of salad|green salad|bowl of greens/bowls of greens|garden salad", "food/food", ""),
    "banana": ("banana|ripe banana|peeled banana|tropical snack", "fruit/fruit", ""),
    "apple": ("apple|piece of fruit/pieces of fruit|crisp apple|round apple", "fruit/fruit", ""),
    "pineapple": ("pineapple|tropical fruit/tropical fruits|fresh pineapple|spiky fruit/spiky fruits", "fruit/fruit", ""),
    "coffee": ("cup of coffee/cups of coffee|coffee/coffees|hot drink|mug of coffee/mugs of coffee|hot beverage|espresso", "drink", ""),
    "teapot": ("teapot|tea pot|kettle|tea kettle|pot of tea/pots of tea", "dish/dishes", ""),
    "ice_cream": ("bowl of ice cream/bowls of ice cream|ice cream/ice creams|sundae|ice cream sundae|frozen treat", "dessert", ""),
    # Furniture and other household things
    "sofa": ("couch/couches|sofa|lounge|loveseat|settee", "furniture/furniture", ""),
    "bed": ("bed|single bed|twin bed|mattress/mattresses|made bed", "furniture/furniture", ""),
    "chair": ("chair|wooden chair|seat|dining chair|plain chair", "furniture/furniture", ""),
    "television": ("television|tv|tv set|television set|old tv", "appliance", "turned off|sitting|switched off|on display"),
    "teddy_bear": ("teddy bear|stuffed bear|teddy|stuffed animal|plush bear|stuffed toy", "toy", "sitting|sitting up|slumped|propped up|seated"),
    "suitcase": ("suitcase|travel bag|bag|piece of luggage/pieces of luggage|travel case", "bag", ""),
    "laptop": ("laptop|computer|notebook computer|laptop computer|macbook", "device", "sitting|open|turned on|opened up|set up"),
    "telephone": ("telephone|phone|old phone|rotary phone|landline", "device", ""),
    "book": ("book|closed book|novel|hardcover book|textbook", "thing", "lying|closed|placed|resting"),
    "guitar": ("guitar|electric guitar|rock guitar|bass guitar", "instrument", "standing|leaning|on display|propped up"),
    "drum": ("drum|snare drum|drum with sticks/drums with sticks|percussion drum", "instrument", ""),
    "tent": ("tent|camping tent|pop up tent|camp tent|canvas tent", "shelter", "set up|pitched|standing|put up|erected"),
    "snowman": ("snowman/snowmen|snow man/snow men|frosty|frosty figure", "", "standing|smiling|with a smile|grinning|standing proudly"),
    "umbrella": ("beach umbrella|parasol|sunshade|sun umbrella|umbrella", "thing", "standing|open|opened up|stuck in the ground|set up"),
    "house": ("house|cottage|small house|cabin|family home", "building", "standing|sitting|situated|nestled|located"),
    "parachute": ("parachute|paraglider|chute|open parachute", "thing", "floating|gliding|descending|falling|drifting down"),
    "kite": ("kite|flying kite|diamond kite|kite with a tail/kites with tails", "toy", "flying|floating|soaring|in the air|high in the air"),
    # What only stands beside something
    "ball": ("soccer ball|ball|football|futbol", "ball", ""),
    "basketball": ("basketball|ball|basket ball|game ball", "ball", ""),
    "skateboard": ("skateboard|board|skate board|longboard", "toy", ""),
    "backpack": ("backpack|bag|rucksack|school bag|knapsack", "bag", ""),
    "handbag": ("handbag|purse|bag|leather bag|pocketbook", "bag", ""),
    "bucket": ("bucket|pail|plastic bucket|sand pail", "thing", ""),
    "basket": ("basket|picnic basket|wicker basket|woven basket", "thing", ""),
    "gift": ("gift|present|gift box/gift boxes|wrapped gift|wrapped box/wrapped boxes", "box/boxes", ""),
    "balloon": ("balloon|party balloon|helium balloon|floating balloon", "toy", ""),
    "tree": ("tree|leafy tree|big tree|shade tree|oak tree", "plant", ""),
    "pine": ("pine tree|fir tree|evergreen|conifer|spruce", "tree", ""),
    "palm": ("palm tree|palm|coconut tree|coconut palm", "tree", ""),
    "cactus": ("cactus/cacti|green cactus/green cacti|saguaro|desert plant", "plant", ""),
    "tulip": ("tulip|flower|blooming tulip|spring flower", "plant", ""),
    "rose": ("rose|flower|single rose|blossom", "plant", ""),
    "sunflower": ("sunflower|yellow flower|tall flower|giant sunflower", "plant", ""),
    "mushroom": ("mushroom|toadstool|fungus/fungi|spotted mushroom", "plant", ""),
    "mailbox": ("mailbox/mailboxes|letter box/letter boxes|mail box/mail boxes|post box/post boxes", "box/boxes", ""),
    "traffic_light": ("traffic light|stop light|traffic signal|signal light", "light", ""),
    "stop_sign": ("stop sign|sign|road sign|traffic sign", "sign", ""),
    "rock": ("rock|stone|boulder|large stone", "", ""),
    "log": ("log|tree trunk|fallen log|wooden log", "wood/wood", ""),
    "campfire": ("fire|campfire|bonfire|camp fire|burning fire", "", ""),
    "sled": ("sled|sleigh|toboggan|wooden sled", "toy", ""),
    "shell": ("shell|seashell|sea shell|conch/conches", "thing", ""),
    "crab": ("crab|little crab|crustacean|hermit crab", "animal", ""),
    "potted_plant": ("potted plant|plant|houseplant|plant in a pot/plants in pots|leafy plant", "plant", ""),
    "yarn": ("ball of yarn/balls of yarn|yarn ball|ball of wool/balls of wool|ball of thread/balls of thread", "thing", ""),
    "fountain": ("fountain|water fountain|stone fountain|park fountain", "", ""),
    "hat": ("top hat|hat|silk hat|tall hat", "thing", ""),
    "boot": ("boot|hiking boot|shoe|leather boot", "shoe", ""),
    "fish": ("fish/fish|small fish/small fish|little fish/little fish|swimming fish/swimming fish", "animal", ""),
    "buoy": ("life ring|buoy|rescue ring|life preserver|lifebuoy", "thing", ""),
    "lotus": ("water lily/water lilies|lotus flower|lily/lilies|lotus/lotuses", "plant", ""),
    "butterfly": ("butterfly/butterflies|moth|fluttering butterfly/fluttering butterflies|winged insect", "insect", ""),
    "eagle": ("eagle|hawk|bird of prey/birds of prey|falcon|bald eagle", "bird", ""),
    "dove": ("dove|bird|pigeon|flying bird|seagull", "bird", ""),
    "small_plane": ("jet|airliner|passenger jet|jumbo jet|jet plane", "aircraft/aircraft", ""),
    "fork": ("fork and knife/forks and knives|silverware/silverware|cutlery/cutlery|eating utensils/eating utensils", "", ""),
    "glass": ("glass of wine/glasses of wine|wine glass/wine glasses|goblet|filled wine glass/filled wine glasses", "drink", ""),
    "soda": ("soda|paper cup|soft drink|cup with a straw/cups with straws|cold drink", "drink", ""),
    "bottle": ("bottle|wine bottle|bottle of champagne/bottles of champagne|bottle of wine/bottles of wine", "drink", ""),
    "vase": ("vase|jar|urn|clay vase|pottery vase", "dish/dishes", ""),
    "candle": ("candle|lit candle|burning candle|wax candle", "light", ""),
    "bouquet": ("bouquet of flowers/bouquets of flowers|flowers/flowers|bunch of flowers/bunches of flowers|floral bouquet", "plant", ""),
    "tomato": ("tomato/tomatoes|ripe tomato/ripe tomatoes|fresh tomato/fresh tomatoes|garden tomato/garden tomatoes", "food/food", ""),
    "lemon": ("lemon|citrus fruit|sour lemon|fresh lemon", "fruit/fruit", ""),
    "strawberry": ("strawberry/strawberries|berry/berries|fresh strawberry/fresh strawberries|ripe berry/ripe berries", "fruit/fruit", ""),
    "carrot": ("carrot|orange carrot|raw carrot|root vegetable", "food/food", ""),
    "bread": ("loaf of bread/loaves of bread|bread loaf/bread loaves|baked bread/baked bread|loaf/loaves", "food/food", ""),
    "knife": ("knife/knives|kitchen knife/kitchen knives|sharp knife/sharp knives|chef knife/chef knives", "thing", ""),
    "bowl": ("bowl|bowl of cereal/bowls of cereal|soup bowl|cereal bowl", "dish/dishes", ""),
    "mouse": ("computer mouse/computer mice|mouse/mice|wireless mouse/wireless mice|pc mouse/pc mice", "device", ""),
    "clock": ("alarm clock|clock|desk clock|timepiece", "device", ""),
    "cell_phone": ("cell phone|smartphone|phone|mobile phone|cellphone", "device", ""),
    "scissors": ("scissors/scissors|pair of scissors/pairs of scissors|shears/shears|office scissors/office scissors", "thing", ""),
    "glasses": ("glasses/glasses|eyeglasses/eyeglasses|spectacles/spectacles|reading glasses/reading glasses", "thing", ""),
}
# fmt: on

POSTURES = {
    "food": "sitting|served|ready to eat|set out|placed|laid out",
    "furniture": "standing|sitting|placed|positioned|resting",
}
"""Activities of main things that have none of their own, by category."""

EPITHETS = {
    "person": "skilled|happy|brave|active|talented",
    "animal": "cute|lovely|wild|beautiful|adorable|curious|pretty",
    "vehicle": "shiny|modern|old|vintage|nice|cool|colorful|fancy",
    "food": "tasty|delicious|fresh|yummy|appetizing|homemade",
    "furniture": "nice|old|plain|simple|pretty|decorative|fancy|lovely",
}
"""Adjectives of taste, by category: they state nothing that is true or false of a scene."""

_BASES = (
    *("bask", "bounce", "chew", "climb", "crawl", "cruise", "cycle", "dance", "dive", "drift"),
    *("drive", "exercise", "explore", "feed", "float", "fly", "forage", "gallop", "glide", "graze"),
    *("hop", "hover", "hunt", "jog", "juggle", "jump", "lean", "leap", "lie", "meditate"),
    *("paddle", "perch", "pose", "prowl", "race", "relax", "rest", "ride", "roam", "roll", "row"),
    *("run", "sail", "sit", "ski", "smile", "snowboard", "soar", "speed", "stalk", "stand"),
    *("stroll", "strut", "surf", "swim", "trot", "waddle", "wade", "wait", "walk", "wander"),
)
BASES = {_gerund(base): base for base in _BASES}
"""Gerund -> verb, of activities that may be said in the present tense: "a dog stands"."""
