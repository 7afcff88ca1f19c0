"""Captions that exercise the metrics, and an environment that exercises Java."""

HYPOTHESES = {
    391895: "a man riding a wave on a surfboard",
    2: "Two dogs playing in the grass, with a red ball!",
    3: "A kitchen with a stove and a refrigerator.",
    4: "a dog",
    5: "the cats are sitting on a couch in the U.S.",
    6: "ein Café mit 日本 flags (two of them)",
    7: "a large big automobile is driving down the street street street street",
    8: "it's 5 p.m. -- a clock tower; nobody's there...",
    9: "",
    11: "1 1/2 pizzas and 3/4 of a cake on it",
    10: "a small brown puppy lies on a blue sofa below a fence below a fence",
}
REFERENCES = {
    391895: ["A surfer rides a big wave.", "a man on a surfboard riding a wave", "Man surfing."],
    2: ["two puppies play with a ball on the lawn", "Dogs are playing in the grass."],
    3: ["A kitchen with a stove and a refrigerator.", "an oven and fridge in a kitchen."],
    4: ["A black dog sits beside a small bicycle in the park", "dog by a bike"],
    5: ["Cats on a sofa (it's blue)", "a couple of kittens sit on the sofa -- sleeping"],
    6: ["a cafe with Japanese flags", "Café 日本"],
    7: ["a big car drives down the road", "a vehicle driving along a street"],
    8: ["a clock shows 5 pm", "A tower with a clock, seen in the afternoon."],
    9: ["a red kite in the sky", "kites"],
    11: ["one and a half pizza", "1 1/2 pizzas with half a cake, i.e. cakes"],
    10: ["a little dog is lying on a couch", "The brown puppy sleeps on a blue sofa."],
}

# What a German desktop, and one that sets Java options for everything, does to Java programs.
GERMAN = {
    "LC_ALL": "de_DE.UTF-8",
    "LANG": "de_DE.UTF-8",
    "_JAVA_OPTIONS": "-Duser.language=de -Duser.country=DE",
    "JAVA_TOOL_OPTIONS": "-Duser.language=de -Dfile.encoding=ISO-8859-1",
}
