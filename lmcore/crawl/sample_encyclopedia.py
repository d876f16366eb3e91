"""Encyclopedia pages of the sample crawl: word tables of facts, and sentences that use them.

A fact (what an owl eats, how clay is worked) is the same on every page that mentions it,
so that a model can learn it; the sentences around it change.
"""

import re
from random import Random

from lmcore.crawl.sample_document import Document, paragraph, pick
from lmcore.crawl.sample_grammar import Facts, Grammar, table
from lmcore.crawl.sample_words import LEXICON

GRAMMAR = Grammar(LEXICON)

ANIMALS = table(
    "x xs kind home food trait nest young sense skill",
    """
fox|foxes|mammal|woods and fields|mice and berries|clever|a den under the ground|cubs|hearing|catch a mouse under the snow
owl|owls|bird|old trees and barns|mice and small birds|silent|a hole in a tree|chicks|night vision|turn its head almost all the way round
hedgehog|hedgehogs|mammal|gardens and hedges|beetles and worms|prickly|a heap of leaves|hoglets|smell|roll itself into a ball
squirrel|squirrels|mammal|forests and parks|nuts and seeds|quick|a round nest of twigs|kittens|sight|jump from branch to branch
badger|badgers|mammal|woods on soft soil|worms and roots|strong|a large sett with many rooms|cubs|smell|dig a tunnel in one night
otter|otters|mammal|clean rivers|fish and frogs|playful|a hole in the river bank|pups|touch|swim under water for minutes
heron|herons|bird|lakes and marshes|fish and frogs|patient|a platform of sticks in a tall tree|chicks|sight|stand on one leg for an hour
robin|robins|bird|gardens and woods|insects and berries|bold|a cup of moss and grass|chicks|sight|sing even in winter
frog|frogs|amphibian|ponds and wet meadows|flies and snails|slippery|the water of a pond|tadpoles|sight|jump many times its own length
beaver|beavers|mammal|slow rivers|bark and leaves|hard-working|a lodge of branches and mud|kits|smell|build a dam across a stream
wolf|wolves|mammal|large forests|deer and wild boar|social|a den between rocks|pups|smell|follow a track for days
bear|bears|mammal|mountain forests|berries, roots and fish|heavy|a cave or a hollow tree|cubs|smell|sleep through the winter
bat|bats|mammal|caves and attics|moths and mosquitoes|shy|a dark roof where it hangs upside down|pups|hearing|fly in complete darkness
bee|bees|insect|meadows and gardens|nectar and pollen|busy|a hive of wax|larvae|smell|tell others the way to flowers by a dance
ant|ants|insect|forests and gardens|seeds and small insects|strong|a hill with many tunnels|larvae|smell|carry many times its own weight
swan|swans|bird|lakes and quiet rivers|water plants|graceful|a large nest of reeds|cygnets|sight|stay with one partner for life
eagle|eagles|bird|high mountains|hares and fish|powerful|a huge nest on a cliff|eaglets|sight|see a mouse from a great height
seal|seals|mammal|cold coasts|fish and squid|curious|a sandbank or a sheet of ice|pups|touch|dive for half an hour
whale|whales|mammal|all the oceans|krill and small fish|enormous|no home but the open sea|calves|hearing|sing songs that travel for miles
dolphin|dolphins|mammal|warm seas|fish and squid|playful|no home but the open sea|calves|hearing|find fish by listening to echoes
salmon|salmon|fish|rivers and the sea|insects and small fish|strong|a bed of gravel in a cold river|fry|smell|find the way back to the river where it was born
snail|snails|mollusc|damp gardens|leaves and fruit|slow|its own shell|tiny snails|touch|sleep in its shell when the weather is dry
spider|spiders|arachnid|houses and hedges|flies and moths|patient|a web of silk|spiderlings|touch|spin a thread stronger than steel
butterfly|butterflies|insect|sunny meadows|nectar|delicate|the leaf on which its eggs are laid|caterpillars|taste|taste with its feet
crow|crows|bird|towns and fields|almost anything|clever|a nest of sticks in a high tree|chicks|sight|use a stick as a tool
stork|storks|bird|wet meadows near villages|frogs and grasshoppers|loyal|a wheel of sticks on a roof|chicks|sight|fly to a warm country every autumn
hare|hares|mammal|open fields|grass and herbs|fast|a shallow hollow in the grass|leverets|hearing|run faster than a horse
mole|moles|mammal|soft ground under meadows|worms|nearly blind|a maze of tunnels|pups|touch|dig with its hands like a swimmer
camel|camels|mammal|dry deserts|thorny plants|patient|no fixed place|calves|smell|live for a week without water
penguin|penguins|bird|cold southern coasts|fish and krill|social|a heap of stones on the ice|chicks|sight|swim as if it were flying
elephant|elephants|mammal|savannas and forests|grass, leaves and bark|wise|no fixed place|calves|smell|remember a water hole for years
tortoise|tortoises|reptile|warm dry hills|leaves and flowers|slow|a hollow under a bush|hatchlings|smell|live for more than a hundred years
""",
)
ANIMAL_SENTENCES = (
    (
        "The {x} is a {trait} {kind} that lives in {home}.",
        "{xs} are animals of {home}. [Many people know them|They have been known] as {trait} creatures[ since ancient times|].",
        "[Few|Not many] animals are as {trait} as the {x}, which [makes its home in|is found in|prefers] {home}.",
    ),
    (
        "[It feeds on|Its food consists of|It lives on] {food}[, which it finds mostly {at}|, and in a hungry season it takes what it can get|].",
        "{xs} eat {food}. [An adult|A grown {x}] [spends|needs] {w#3-9} hours a day [looking for|finding] enough of it.",
        "Its home is {nest}. [There it rests|There it hides from danger|There it keeps out of the rain] during the {hour}.",
        "[Its best sense is|It relies above all on] {sense}, [and this is how it finds {food}|which helps it {at}|so it notices danger early].",
        "A {x} can {skill}. [Scientists in {town} have studied this for {w#3-20} years|No other animal of its size can do that|Children love to watch it].",
        "In {season:1} {xs} [are easy to see|stay out of sight|move to other places], [because there is more food|because the nights are long|because they look after their {young}].",
        "The {young} are born in {nest2} and stay with their mother for {w#3-12} {unit}. She teaches them how to find {food}.",
        "A {x} has {w#2-7} {young} at a time, and only {w#1-2} of them [may live|will live] to see the next {season}.",
        "It is most active in the {hour}, when [few people are about|the air is cool|its food is easy to find].",
        "The voice of a {x} is [seldom heard|quite soft|surprisingly loud], and [some {group} take it for|it may remind you of] {sound}.",
        "A {x} [seldom|hardly ever] lives for more than {w#4-30} years in the wild, though one in {town} is said to have been much older.",
    ),
    (
        "People and {xs} [have not always been friends|have lived side by side for centuries]. [Farmers used to chase them away|In some villages they were thought to bring luck], but today they are [protected|welcome guests] in {town}.",
        "The greatest danger for the {x} is [the loss of|traffic near|dry years in] {home}. [A hedge, a pond or an old tree|Even a small wild corner] in every garden would help.",
        "If you want to watch {xs}, go out in the {hour}, sit still and [be quiet|wait|do not wear bright colors]. {virtue} is all you need.",
        "In old stories the {x} is {trait}, and [it tricks the wolf|it helps a lost child|it brings a message to the king].",
        "{person} from {town} has counted {xs} for {w#5-30} years. {w#10-19} were seen last {season}, [more than ever before|fewer than the year before].",
        "A hurt {x} should not be [fed|touched|taken home]. It is better to call [a vet|the animal shelter in {town}|somebody who knows].",
    ),
)

THINGS = table(
    "x is made use origin good bad part",
    """
bread|a food|baked from flour, water, salt and yeast|eat with almost every meal|ancient Egypt|it fills people and keeps for days|it becomes hard after a while|the crust
cheese|a food|made from milk that has been left to thicken|eat with bread|herding peoples of long ago|it keeps much longer than milk|it has a strong smell|the rind
honey|a food|made by bees from the nectar of flowers|sweeten tea and cakes|the forests of the stone age|it never goes bad|it sticks to everything|the wax
tea|a drink|made from dried leaves and hot water|warm the hands and wake the mind|China|it is cheap and refreshing|it grows bitter if it stands too long|the leaf
chocolate|a sweet|made from roasted cocoa beans and sugar|comfort the sad and reward the brave|Central America|it melts on the tongue|it melts in the pocket, too|the bean
salt|a mineral|won from sea water or from mines|keep food from spoiling|the coasts of warm seas|a pinch of it changes a whole meal|too much of it makes us thirsty|the crystal
paper|a material|made from wood fibres and water|write, print and wrap|China|it is light and cheap|it burns and tears easily|the fibre
glass|a material|melted from sand in a hot furnace|make windows, bottles and lenses|the Near East|light passes through it|it breaks when it falls|the surface
wool|a material|cut from sheep once a year|knit warm clothes|the hills where sheep were first kept|it is warm even when wet|moths like to eat it|the yarn
clay|a material|dug from river banks and baked in an oven|form pots and bricks|every place where people settled|it can take any shape|it cracks if it dries too fast|the glaze
the clock|a machine|built from wheels, springs and hands|measure time|the towers of old monasteries|it never forgets the hour|it has to be wound up|the spring
the compass|an instrument|built around a magnetic needle|find the north|China|it works at night and in fog|iron objects confuse it|the needle
the bicycle|a vehicle|built from a frame, two wheels and a chain|travel without an engine|the workshops of Europe|it needs nothing but our legs|it offers no roof in the rain|the chain
the telescope|an instrument|built from two lenses or a mirror|look at the stars|the Netherlands|it brings distant things near|it shows only a small piece of the sky|the lens
the printing press|a machine|built from a frame, a screw and metal letters|make many copies of a page|Mainz|it made books cheap|every letter had to be set by hand|the letter
the windmill|a machine|built from wood, with four long sails|grind grain and pump water|Persia|the wind costs nothing|it stands still on calm days|the sail
the candle|a light|made from wax around a wick|light a room|ancient Rome|it needs no wire|it must never be left alone|the wick
soap|a product|boiled from fat and ash|wash hands and clothes|Babylon|it carries dirt away with the water|it burns in the eyes|the foam
the piano|an instrument|built from strings, hammers and eighty-eight keys|play music soft or loud|Italy|it can sing ten notes at once|it has to be tuned every year|the key
the violin|an instrument|built from thin wood and four strings|play music|Italy|it sounds almost like a voice|it takes years to learn|the bow
the bridge|a building|built from wood, stone or steel|cross a river or a valley|fallen trees over streams|it joins what was apart|floods may carry it away|the arch
the lighthouse|a building|built as a high tower with a strong lamp|warn ships of rocks|Alexandria|its light is seen for many miles|its keeper led a lonely life|the lamp
the umbrella|a thing of daily life|made from cloth over thin ribs|stay dry in the rain|the courts of Asia|it folds up small|the wind turns it inside out|the handle
the map|a drawing|drawn with care from many measurements|find the way|ancient clay tablets|it shows a whole country on one sheet|it grows old when roads change|the scale
the potato|a vegetable|grown under the ground|cook, bake or fry|the mountains of Peru|it grows even in poor soil|its green parts are poisonous|the root
rice|a grain|grown in fields under water|feed half of the world|the great rivers of Asia|it keeps for years when dry|it needs a great deal of water|the grain
the apple|a fruit|grown on trees that live for decades|make juice, jam and pies|the mountains of Kazakhstan|it keeps through the winter|a single bad one spoils the others|the core
the kite|a toy|made from paper, sticks and a long string|play with the wind|China|it rises higher than any tree|it gets caught in branches|the tail
""",
)
THING_SENTENCES = (
    (
        "{x} is {is}, {made}.",
        "[Hardly anything|Few things] in daily life [seems|seem] as simple as {x}, {is} {made}.",
        "[What would we do without|Imagine a world without] {x}? It is {is} that people [in every country|in {town} as elsewhere|of all ages] use to {use}.",
    ),
    (
        "People use {x} to {use}. [In {town} it is part of every day|Even small children know that|This has hardly changed in {w#2-9} hundred years].",
        "It comes from {origin}, [as far as we know|though other places claim it as well|and traders carried it from there to the rest of the world].",
        "Its great advantage is that {good}. [Its weakness is that|On the other hand,] {bad}.",
        "It is {made}, [which takes {w#2-12} hours|and this asks for {virtue}|and every {job} has a way of doing it].",
        "The most important part is {part}. [A good {job} looks at it first|Without it, nothing works|It decides about the quality].",
        "In the {century} century {x} [was still expensive|became common in towns|was made in small workshops], and [only the rich could have it|people began to {use} as never before|whole streets lived from it].",
        "A {job} in {town} still [works|makes it] in the old way. [The work begins at {w#4-7} in the morning|It takes {w#3-9} years to learn|His {relative} taught him how].",
        "There are {w#3-30} kinds of it. [Some are {size}|Some are cheap|Some are mild], others are [rare|dear|strange|strong], and [experts|old people] can tell them apart [with closed eyes|at a glance].",
        "Because {good}, [it soon spread from town to town|travellers took it along|nobody wanted to be without it].",
        "One should remember that {bad}. [A little care helps|Those who know this have less trouble].",
    ),
    (
        "The museum of {town} has a whole room about {x}. [Visitors can try it themselves|The oldest piece is {w#2-9} hundred years old].",
        "There is an old saying in {town}: he who has {x} does not need [gold|a doctor|luck].",
        "[Today|In our time] machines do most of the work, yet {x} is still [what it was|loved|needed]. Perhaps that is because {good}.",
        "{person} wrote a small book about {x}, [in which every page tells another story|with {w#20-90} pictures|and it has been read in every school of {town}].",
        "If you ever go to {origin2}, look out for {x}, and [ask how it is made|take some home].",
        "Next time you {use2}, think of [the long way|the many hands] behind {x}.",
    ),
)

WHYS = table(
    "x cause first then result example",
    """
rain|water vapour that cools in the air|the sun warms the sea and water rises as vapour|high up the vapour cools and forms tiny drops|the drops grow heavy and fall|a window that turns wet when water boils in the kitchen
the rainbow|sunlight that is split by drops of water|white light enters a drop|each colour is bent a little differently|we see the colours side by side in a great arc|a glass of water in the sun that throws colours on the table
wind|warm air that rises and cold air that takes its place|the sun heats the land more than the sea|the warm air becomes light and rises|cool air flows in from the side|the draught near a hot stove
thunder|air that is heated by lightning|a flash heats the air in an instant|the hot air spreads like an explosion|we hear a crack or a long roll|a paper bag that bursts with a bang
the tide|the pull of the moon|the moon draws the water of the sea towards itself|the earth turns under this bulge of water|the sea rises and falls twice a day|a bowl of soup that is carried and tips from side to side
frost|water that freezes on cold surfaces|the ground loses its warmth in a clear night|moist air touches the cold grass|tiny crystals of ice grow on every blade|the white layer in an old freezer
the seasons|the tilt of the earth|the earth travels around the sun once a year|its axis always points the same way|each half gets more sun for one part of the year|a lamp that lights a tilted ball
the echo|sound that is thrown back by a wall|a shout travels through the air|it meets a cliff or a large wall|it comes back to our ears a little later|a ball that bounces back from a door
rust|iron that joins with air and water|water settles on bare iron|oxygen joins with the metal|a brown crust grows and flakes off|an old nail in a wet garden
the night sky|the turning of the earth|one side of the earth always faces the sun|the earth turns once in a day|every place moves from light into darkness and back|an orange that turns in front of a candle
fog|air that is full of tiny drops|damp air cools down near the ground|vapour turns into drops too small to fall|we can hardly see the next house|our breath on a winter morning
floating|water that pushes upwards|a boat presses water aside|the water presses back from below|the boat sinks only until both forces are equal|a cork in a bath
the shadow|light that cannot pass through things|light travels in straight lines|a body stands in its way|behind the body it stays dark|a hand in front of a lamp
the spring|rain that comes back out of the ground|rain sinks into the soil|it meets a layer of rock or clay and flows along it|it comes to light at the foot of a hill|water that runs out of a flower pot
growing|light, water and air|a seed takes in water and swells|the root goes down and the shoot goes up|green leaves make sugar from light and air|a bean in a glass with wet paper
sleep|a body that needs time to mend itself|in the evening the brain grows tired|breathing and heart slow down|the brain sorts what it has seen during the day|a workshop that is cleaned at night
""",
)
WHY_SENTENCES = (
    (
        "Why is there such a thing as {x}? [The short answer is|In short, it is] {cause}.",
        "Everybody knows {x}, but [not everybody can explain it|few can say where it comes from]. It comes from {cause}.",
        "[Long ago|In the {century} century] people believed that {x} was the work of spirits. Today we know that it is due to {cause}.",
    ),
    (
        "It begins like this: {first}. Then {then}. In the end {result}.",
        "First {first}. [After that|Next] {then}, [and so|until] {result}.",
        "[Let us go step by step.|It takes three steps.] {first}. {then}. And finally, {result}.",
    ),
    (
        "You can see something like it at home: think of {example}.",
        "A good example is {example}. [It follows the same rule|The same thing happens there on a small scale].",
        "[The reason is simple:|We can say it in one sentence:] {x} needs {cause}, and without that there would be none.",
        "{name}, who is {w#6-12}, asked the {job} of {town} about {x}. He thought of {example} and said that it is just the same.",
        "In {season} one notices {x} more than in {season}, [as the {group} of {town} can tell|which is no accident].",
        "The {subject} teacher in {town} shows it with [a bowl|a lamp|a bottle] and some {drink}, and {result2}.",
        "Scholars have written about {x} for {w#2-9} hundred years. {person} measured it {w#3-9} times a day and filled {w#12-60} notebooks.",
        "That is also why {then}, [whatever the weather|day after day|even if nobody is watching].",
        "An old {job} said: if {first}, wait a little, and {result}.",
        "Not every question is answered. [How strong it will be|When it comes|How long it lasts] is [hard to say|a matter of chance], even for those who have studied it.",
    ),
    (
        "So the next time you notice {x}, remember {example}.",
        "[It is a good feeling|It makes one {feeling}] to understand {x}, for then {then2}.",
        "Try it yourself on a {adj_good} {daytime}, write down what you see, and compare it with what {name} from {town} found.",
        "Nature wastes nothing, and {x} is a part of that. Without it, [the {wild} would look different|there would be no {plant}|our year would be poorer].",
    ),
)

_TITLES = {
    "animal": (
        "The {x}",
        "{xs}: a short portrait",
        "Life of the {x}",
        "All about {xs}",
        "The {trait} {x}",
    ),
    "thing": (
        "{x}",
        "The story of {x}",
        "{x} and its history",
        "A short history of {x}",
        "How people came to {use}",
    ),
    "why": (
        "Why is there {x}?",
        "{x} explained",
        "How {x} comes about",
        "What is behind {x}?",
        "Science for everyone: {x}",
    ),
}
_TOPICS = (
    ("animal", ANIMALS, ANIMAL_SENTENCES),
    ("thing", THINGS, THING_SENTENCES),
    ("why", WHYS, WHY_SENTENCES),
)
_EXTRA: Facts = {
    "then2": "one looks at the world with other eyes",
    "result2": "the whole class understands it",
    "use2": "use it",
}
_SLOT = re.compile(r"\{([a-z0-9]+)\}")
_AT = ("near the water", "at dusk", "on the ground", "in the early morning", "between the leaves")


_LONG_FACT = 12
"""Facts longer than this many characters are told at most twice on a page."""


def _at_most_twice(templates: list[str], before: list[str], facts: Facts) -> list[str]:
    """Leaves out templates that would tell a long fact a third time."""
    told: dict[str, int] = {}
    kept = []
    for template in before + templates:
        slots = [key for key in _SLOT.findall(template) if len(facts.get(key, "")) > _LONG_FACT]
        if template in before or all(told.get(key, 0) < 2 for key in slots):
            kept.append(template)
            for key in slots:
                told[key] = told.get(key, 0) + 1
    return kept[len(before) :]


def write_encyclopedia(rng: Random) -> Document:
    """A page of 150 to 350 words about an animal, a thing or a question of nature."""
    topic, rows, sections = _TOPICS[rng.choice((0, 0, 1, 1, 2))]
    facts = dict(rng.choice(rows)) | _EXTRA
    facts |= {
        "at": rng.choice(_AT), "hour": rng.choice(("night", "early morning", "evening", "day")),
        "unit": rng.choice(("weeks", "months")), "nest2": rng.choice(("spring", "early summer", "a safe place")),
        "origin2": rng.choice(LEXICON["town"]),
    }  # fmt: skip
    title = GRAMMAR.expand(rng.choice(_TITLES[topic]), rng, facts)
    opening = [rng.choice(part) for part in sections[: 2 if topic == "why" else 1]]
    body = pick(rng, sections[2 if topic == "why" else 1], rng.randint(8, 12))
    closing = pick(rng, sections[-1], rng.randint(3, 5))
    taken = _at_most_twice(body + closing, opening, facts)
    taken, closing = [t for t in taken if t in body], [t for t in taken if t in closing]
    half = rng.randint(2, max(2, len(taken) - 2))
    groups = (opening + taken[:2], taken[2:half], taken[half:], closing)
    blocks = [("p", paragraph(GRAMMAR, rng, facts, group)) for group in groups if group]
    if rng.random() < 0.4:
        heading = GRAMMAR.expand(
            "[Notes|More about {x}|Good to know|What else there is to say]", rng, facts
        )
        blocks.insert(len(blocks) - 1, ("h2", heading))
    return Document(title, blocks, authors=[GRAMMAR.expand("{person}", rng, {})])
