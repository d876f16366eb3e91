"""Articles of the sample crawl: recipes, instructions, journeys, town news, matches, memories.

Each form is a list of sections; a section is a pool of sentences of which some are told.
"""

from random import Random

from lmcore.crawl.sample_document import Document, paragraph, pick
from lmcore.crawl.sample_grammar import Facts, Grammar, table
from lmcore.crawl.sample_words import BOYS, GIRLS, LEXICON

GRAMMAR = Grammar(LEXICON)

Section = tuple[int, int, tuple[str, ...]]
"""At least and at most so many sentences, from this pool."""

DISHES = table(
    "dish base second spice vessel step end",
    """
potato soup|potatoes|leeks|nutmeg|a large pot|simmer everything until the potatoes fall apart|a spoon of cream
apple cake|apples|flour and butter|cinnamon|a round tin|press the slices of apple into the dough|a little sugar on top
bean stew|white beans|carrots|thyme|a heavy pot|let the beans cook slowly for two hours|a slice of dark bread
mushroom rice|rice|mushrooms|parsley|a wide pan|add warm broth, one ladle at a time|grated cheese
vegetable pie|leeks and carrots|eggs and milk|pepper|a flat dish|pour the eggs over the vegetables|a green salad
tomato sauce|ripe tomatoes|onions|basil|a small pot|stir now and then, so that nothing burns|a plate of noodles
honey biscuits|flour|honey|ginger|a baking tray|roll out the dough and cut out stars|a cup of tea
fish in paper|fresh fish|lemons|dill|a sheet of baking paper|fold the paper into a tight parcel|new potatoes
lentil salad|lentils|spring onions|mustard|a deep bowl|pour the dressing over the warm lentils|a boiled egg
pumpkin bread|pumpkin|flour and yeast|fennel seeds|a long tin|let the dough rise in a warm place|salted butter
onion soup|onions|broth|bay leaves|an iron pot|fry the onions until they are golden|toast with cheese
plum dumplings|plums|potato dough|cinnamon|a pot of boiling water|wrap every plum in a piece of dough|melted butter
oat porridge|oats|milk|salt|a small pot|stir until it thickens|berries and honey
chicken with herbs|a chicken|garlic|rosemary|a roasting dish|turn it once and baste it with its own juice|baked potatoes
cucumber salad|cucumbers|yoghurt|mint|a glass bowl|salt the slices and press out the water|a piece of flat bread
""",
)
RECIPE: tuple[Section, ...] = (
    (2, 3, (
        "This recipe for {dish} comes from {person} in {town}, who [learned it from|got it from] {his} {relative} {time_ago}.",
        "When {weather}, there is nothing better than {dish}.",
        "{dish} is [simple|cheap|quick] and [always a success|good for many guests|even better on the next day].",
        "You need {base}, {second} and a little {spice}, and that is almost all.",
        "It is enough for {w#2-8} people and takes about {w#20-90} minutes.",
        "In {town} {dish} is eaten on {weekday}s, and each family does it a little differently.",
        "My {relative} never measured anything, and yet the {dish} was the same each time.",
    )),
    (3, 5, (
        "First wash the {base} and cut everything into {size} pieces.",
        "Take {vessel} and [warm|grease] it well before you begin.",
        "Put in the {base}, and after {w#3-12} minutes add the {second}.",
        "Then {step}. [Be patient|Do not leave the kitchen now|This is the most important moment].",
        "Season it with {spice} and salt, but [taste it first|not too early|with a careful hand].",
        "Meanwhile you can lay the table or [read a page|drink some {drink}|talk to your guests].",
        "After {w#10-40} minutes the whole {room} smells of {spice}.",
        "If it becomes too dry, add {w#2-5} spoons of water.",
        "Let it rest for {w#5-15} minutes under a clean cloth.",
    )),
    (2, 4, (
        "Serve it with {end} while it is hot.",
        "What is left over keeps until {weekday} in a cool {room}.",
        "Children like it with {fruit}, grown-ups prefer {end}.",
        "[Some cooks|Our neighbours|Many people in {town}] leave out the {spice} and take more of the {second}.",
        "{name}, who is {w#5-12}, said that it was the best {dish} in the world.",
        "Whoever has {base} in the garden will make it again and again from {month} to {month}.",
        "Do not worry if it looks {size} or {color}: what counts is the taste.",
        "With {food} before it and {drink} after it, {dish} becomes a feast.",
    )),
)  # fmt: skip

PROJECTS = table(
    "thing verb main tool1 tool2 tricky test place",
    """
a bird house|build|six thin boards|a saw|a hammer|the roof must lean forward, so that the rain runs off|a bird should fit through the hole, but no cat|on a tree two metres above the ground
a wooden bench|build|two logs and a thick board|a saw|a drill|both legs must have exactly the same height|it should not rock when two people sit on it|under the old tree
a warm scarf|knit|four balls of wool|two needles|a pair of scissors|the number of stitches must stay the same|it should go twice around the neck|in a drawer with lavender
a kite|make|two light sticks and strong paper|a knife|a pot of glue|the sticks must cross at a right angle|it should rise with the first breath of wind|on an open field
a clay bowl|form|a lump of soft clay|both hands|a wet sponge|the wall must be equally thick all around|it should ring when you knock on it|on the kitchen shelf
a herb bed|plant|young herbs and good soil|a spade|a watering can|tall plants must not take the light from small ones|the soil should feel damp, not wet|on the sunny side of the house
a bookshelf|build|five planks and some screws|a drill|a spirit level|the planks must be cut to the same length|a marble should not roll on it|in the living room
a paper lantern|fold|coloured paper and thin wire|a pair of scissors|a ruler|the folds must be sharp|it should hang straight|over the garden table
a rag doll|sew|old cloth and a handful of wool|a needle|a thimble|the seams must be small and tight|an arm should not come off when you pull|on the pillow of a child
a compost heap|start|leaves, grass and kitchen waste|a fork|a wheelbarrow|wet and dry layers must take turns|it should smell of forest, not of rot|in the shade behind the house
a candle|pour|old wax and a cotton wick|a pot|a glass|the wick must stay in the middle|it should burn for an hour without a flicker|at the window in winter
a bicycle tube|mend|a patch and some glue|a bucket of water|a piece of sandpaper|the rubber must be clean and dry|no bubble should rise under water|back on the wheel
""",
)
HOWTO: tuple[Section, ...] = (
    (2, 3, (
        "Have you ever wanted to {verb} {thing}? It is easier than it looks.",
        "To {verb} {thing}, you need {main}, {tool1} and {tool2}.",
        "{person} from {town} shows us how to {verb} {thing}. {he} has done it for {w#3-40} years.",
        "A free {daytime} is enough to {verb} {thing}, if you have everything ready.",
        "There are many ways to {verb} {thing}, and this is the one we like best.",
        "Last {season} we tried to {verb} {thing} with the {group} of {town}, and nearly everyone managed it.",
    )),
    (3, 6, (
        "Begin with the {main2}. Lay out everything on the {furniture} and look for faults.",
        "Use {tool1} [slowly|with care|only when nobody stands close to you].",
        "Now comes the tricky part: {tricky}.",
        "Measure twice and cut once, as every {job} will tell you.",
        "When you need {tool2}, ask somebody to hold the other end.",
        "Do not hurry. [Most mistakes are made in the last ten minutes|A break with {drink} does wonders|{virtue} is the best tool].",
        "If something goes wrong, [take it apart and start again|ask a {job}|put it aside until {weekday}].",
        "Those who have no {tool3} can borrow one from a neighbour.",
        "After about {w#2-6} hours you will see that it takes shape.",
        "Leave it alone over night, so that it can settle.",
        "You can paint it {color} or {color}, or leave it as it is.",
    )),
    (2, 4, (
        "In the end, test your work: {test}.",
        "The best place for it is {place}.",
        "The material costs no more than {w#5-30} dollars, and much of it can be found in the {room}.",
        "{name} made a {size} one for {his} {relative}, and it has lasted for {w#2-15} years.",
        "Nothing you can buy is as good as {thing} you made yourself.",
        "And if it looks a little {size}, never mind: {tricky2}.",
        "Clean {tool1} before you put it away, and the next job will be half as hard.",
        "Send us a picture when you are done. The {size} ones are often the nicest.",
    )),
)  # fmt: skip

TRAVEL: tuple[Section, ...] = (
    (2, 3, (
        "{town:1} lies between the {wild} and the {wild}, about {w#2-9} hours from {town:2} by {vehicle}.",
        "Not many travellers stop in {town:1}, and that is [a pity|part of its charm].",
        "We came to {town:1} on a {weekday} in {month:1}. {weather}.",
        "[Those|People] who visit {town:1} for the first time look for the {building:1}, which [is {w#2-8} hundred years old|stands on a hill|can be seen from far away].",
        "The old name of {town:1} means nothing more than a {wild} with {plant}.",
        "{town:1} has {#200-9000} inhabitants, {w#2-12} inns and one {building:1}.",
    )),
    (4, 6, (
        "In the morning we walked through the narrow streets to the {building:1} and listened to {sound}.",
        "At the market you can buy {fruit}, {veg}, and things made of {material}.",
        "The {job} on the corner sells {food}, and he tells a story with every piece.",
        "A path leads along the {wild:1} to a {size} chapel. It takes {w#30-90} minutes, and good shoes are needed.",
        "In the {building} there is a collection of old {clothes2}, given by a {job} in the {century} century.",
        "Children will like the {wild:1}, where one can [swim|row a boat|look for {wildanimal}s|fly a kite].",
        "In {season} the {plant} are in bloom and the air smells of {smell}.",
        "On {weekday}s the {building:1} is closed, but the garden is always open.",
        "We slept in a {size} room above a {shop}. The bed was hard, the view was {adj_good}.",
        "An old {job} showed us the way and asked for nothing but a little talk.",
        "It began to rain, so we drank {drink} under the roof of the {building} with some other {group}.",
        "From the tower one sees as far as {town:2}, if the day is clear.",
    )),
    (2, 4, (
        "In the evening we ate {food} and {food}, which is what everyone eats there in {month:1}.",
        "The {event} takes place in {month}, and then all beds are taken.",
        "There are {w#2-6} trains a day from {town:2}, the last one at {w#6-10} in the evening.",
        "When we left, {weather}, and we promised to come back.",
        "If you have only one day, see the {building:1} and the {wild:1}, and leave out the rest.",
        "What I remember best is {sound} and the smell of {smell}.",
        "A room costs between {w#30-60} and {w#70-95} dollars a night, with {food} in the morning.",
        "Take your time. {town:1} is a place for people with {virtue}.",
    )),
)  # fmt: skip

NEWS: tuple[Section, ...] = (
    (2, 3, (
        "{town:1}. The {building:1} of {town:1} will be [repaired|painted|enlarged|opened again] in {month:1}.",
        "On {weekday} evening the council of {town:1} decided to [repair|save|enlarge|sell] the old {building:1}.",
        "{#40-900} people came to the {event:1} in {town:1} last {weekday}, more than in any year before.",
        "For {w#3-20} years the {group} of {town:1} have waited for a new {building:1}. Now it is there.",
        "The {event:1} of {town:1} has found a new home in the {building:1}.",
        "{person:1}, the {job} of {town:1}, has been given a prize for {his} work with the {group:1}.",
    )),
    (4, 6, (
        '"We are very {feeling}," {said} {person:2}, who [leads the project|is responsible for the {building:1}|has worked for it since {month}]. "It was possible {because_good}."',
        "The work costs about {#20-900} thousand dollars. Half of it comes from the town, the rest from {group}.",
        "Not everybody agrees. {person:3} fears that there will be too much traffic near the {wild}.",
        "The plans can be seen in the {building} until {weekday}.",
        "During the work the {vehicle} will stop in front of the {building} instead.",
        "Pupils of the local school have painted {w#10-40} pictures of the {building:1}, and they hang in the {shop}.",
        "The mayor thanked all the {group} and gave the {job} a {object}.",
        "{person:2} remembers how it looked {w#20-60} years ago, when {group} still met there every {weekday}.",
        "There was music by the school band, {food} from the {job} and a race for children along the {wild}.",
        "The only trouble was the weather: {weather}, and the tents had to be tied down.",
        "A first attempt {time_ago} had failed, since there was no money for the roof.",
    )),
    (1, 3, (
        "The next meeting is on {weekday} at {w#5-8} in the {building}. Everybody is welcome.",
        "Whoever wants to help should bring a {tool} and good shoes.",
        "The opening is planned for {month:1}, {because_good2}.",
        "More about this will be said at the {event} in {month}.",
        "In {town:2} they did the same {time_ago}, and nobody there regrets it.",
        "Until then the old rooms in the {building} can be used.",
    )),
)  # fmt: skip

MATCH: tuple[Section, ...] = (
    (2, 3, (
        "{town:1} beat {town:2} by {high} to {low} on {weekday}, in front of {#100-5000} people.",
        "It was the {#11-19}th meeting of {town:1} and {town:2}, and a {adj_good} one.",
        "With a {high} to {low} against {town:2}, the {sport:1} team of {town:1} has reached the final of the {season} cup.",
        "Nobody had expected it, but {town:1} won {high} to {low} against {town:2}.",
        "{weather} when the {sport:1} teams of {town:1} and {town:2} entered the ground.",
    )),
    (4, 6, (
        "{p1} scored the first point after {w#2-20} minutes, with a little luck.",
        "In the first half {town:2} was stronger, but {p2} stopped almost everything.",
        "Then {p3} passed to {p1}, and {p1} did not miss.",
        "At half time the trainer asked for more {virtue}, and his words were heard.",
        "Shortly before the end {p3} fell, held {his} knee, and had to leave the ground.",
        "{town:2} fought back and came as close as one point.",
        "The spectators sang, and somebody beat a drum until the last minute.",
        "{p2}, who is only {w#15-19}, played as if {he} had never done anything else.",
        "Two of the best players of {town:2} were ill, which explains something, but not everything.",
        "The ground was wet, and several players slipped in the second half.",
        "After a quick change on the left, {p4} came in and turned the game.",
    )),
    (2, 3, (
        '"We won as a team," {said} {p1} afterwards, with a towel around {his} neck.',
        "The trainer of {town:2} shook hands with everybody and praised the winners.",
        "Next {weekday} {town:1} plays in {town}, and {p3} will be back.",
        "In the table {town:1} now stands in {place} place, with {w#20-50} points.",
        "Afterwards both teams ate {food} together in the {building}.",
        "The referee, a {job} from {town}, had an easy day.",
        "For {p4} it was the last game: {he} will move to {town} to study {subject}.",
    )),
)  # fmt: skip

MEMORY: tuple[Section, ...] = (
    (2, 3, (
        "My {relative:1} kept a {object:1} on the {furniture}, and none of us was allowed to touch it.",
        "When I was {w#5-12}, we lived in {town:1}, in a {size} house near the {wild:1}.",
        "Every family has its stories. Ours is about my {relative:1}, the {building} and a {pet}.",
        "Yesterday I found an old photograph of {town:1} between the pages of a book.",
        "I have never forgotten the {season} in which my {relative:1} came to live with us.",
        "There were {w#4-9} of us at the table, and the rule was that nobody spoke before the {food} was served.",
    )),
    (4, 7, (
        "In the {daytime} we heard {sound}, and that meant that it was time to come in.",
        "My {relative:1} was a {job}, with {adj_person} eyes and hands that smelled of {smell}.",
        "On {weekday}s there was {food}, whether we liked it or not.",
        "My brother {boy} was more {adj_person} than I was, and he always got the blame.",
        "We had no money for toys, so we made a {object} out of {material}.",
        "Once {weather} for a whole week, and the {wild:1} came up to our door.",
        "In the {room} stood a {furniture} in which {girl}, my sister, hid her {fruit}.",
        "The {job} across the street gave us {fruit} if we carried his {tool} home.",
        "At night I lay awake and counted {plant} on the wallpaper.",
        "I learned {hobby} from my {relative:1}, who had learned it from a {job} in {town}.",
        "Nobody ever explained why there was an empty chair beside the {furniture}.",
        "At school I was afraid of {subject}, but I loved {subject}, and I was {feeling} when it rained.",
        "We went to the {event} every year, all of us in one {vehicle}.",
    )),
    (2, 4, (
        "Today the house belongs to a {job}, and there are {plant} where the {pet} used to sleep.",
        "I still have the {object}. It stands in my {room}, and my children may touch it.",
        "Sometimes I smell {smell}, and I am {w#6-12} years old again.",
        "What we had was little, but there was {virtue} in it.",
        "I wish I had asked more questions. Perhaps that is why I write this down.",
        "My daughter asks whether all of it is true. Most of it is, I tell her.",
        "Last {month} I went back. {weather}, and I did not know a single face.",
        "If I could have one day back, it would be {nice_thing} with my {relative:1}.",
    )),
)  # fmt: skip

HISTORY: tuple[Section, ...] = (
    (2, 3, (
        "{town:1} was founded in the {century} century by {group} who had come over the {wild}.",
        "The oldest letter that mentions {town:1} was written in {#1402-1599} by a {job}.",
        "Before there was a {building:1}, {town:1} was no more than {w#5-30} huts beside a {wild:1}.",
        "The history of {town:1} is the history of its {building:1}.",
        "Few towns of its size have seen as much as {town:1}, and yet its {building:1} still stands.",
    )),
    (4, 7, (
        "The people lived from {veg}, from fish and from what the {wild:1} gave them.",
        "In {#1600-1699} a fire destroyed {w#20-90} houses. The {group} built them again, this time of {material2}.",
        "A {job} named {person:1} wrote down everything that happened, even the price of {fruit}.",
        "In {#1700-1799} the first {building:1} was opened. It had {w#2-6} rooms and a clock that was always late.",
        "The winter of {#1700-1799} was so cold that the {wild:1} froze and wolves were heard at night.",
        "When the road to {town:2} was built, merchants came with {material}, {material} and news.",
        "For {w#10-60} years {town:1} and {town:2} quarrelled about a bridge. In the end both paid half of it.",
        "In {#1840-1899} the railway arrived, and with it the first factory, which made {clothes2} and {material} goods.",
        "The great flood of {#1850-1899} reached the second step of the {building:1}. A line on the wall still shows it.",
        "A school for girls was opened in {#1860-1899}, against the will of the {job}, as the records say.",
        "Many young people left for {town:2}, where they became {job}s or {job}s.",
        "In {#1900-1950} electric light came, and old {person:2} lit the last of the gas lamps.",
    )),
    (2, 3, (
        "Today visitors can see the old walls, {w#3-9} gates and the {building:1}.",
        "The {event} on the first {weekday} of {month} reminds people of those times.",
        "Much has been lost, but {person:3} has collected {#100-900} photographs of the old streets.",
        "History, says {person:3}, is what remains when everyone has told his own story.",
        "The name of {person:1} is forgotten by most, though a {size} street still bears it.",
        "In the {building} one can read the old letters, if one asks the {job} for the key.",
    )),
)  # fmt: skip

_FORMS: dict[str, tuple[tuple[str, ...], tuple[Section, ...]]] = {
    "recipe": (("{dish}", "{dish} for a {weekday}", "How to cook {dish}", "{dish} as in {town}"), RECIPE),
    "howto": (("How to {verb} {thing}", "{thing} in one {daytime}", "We {verb} {thing}"), HOWTO),
    "travel": (("A day in {town:1}", "{town:1} and its {wild:1}", "To {town:1} by {vehicle}", "Weekend in {town:1}"), TRAVEL),
    "news": (("News from {town:1}", "{town:1} and its {building:1}", "The {event:1} of {town:1}"), NEWS),
    "match": (("{town:1} wins against {town:2}", "{high} to {low}", "A {adj_good} day for {town:1}"), MATCH),
    "memory": (("My {relative:1}", "The house by the {wild:1}", "What I remember", "A {season} in {town:1}"), MEMORY),
    "history": (("{town:1} in old times", "The old {building:1}", "A short history of {town:1}"), HISTORY),
}  # fmt: skip


_IN_ORDER = ("recipe", "howto", "history")
"""Forms whose sentences stand in order of time."""


def _facts(form: str, rng: Random) -> Facts:
    female = rng.random() < 0.5
    facts = {"he": "she" if female else "he", "his": "her" if female else "his"}
    if form == "recipe":
        facts |= rng.choice(DISHES)
    elif form == "howto":
        facts |= rng.choice(PROJECTS)
        facts |= {
            "main2": facts["main"],
            "tool3": facts["tool1"].split(" ", 1)[-1],
            "tricky2": "your own hands made it",
        }
    elif form == "match":
        low = rng.randint(0, 5)
        players = rng.sample(GIRLS if female else BOYS, 4)
        facts |= {f"p{i}": name for i, name in enumerate(players, 1)}
        facts |= {
            "low": str(low),
            "high": str(low + rng.randint(1, 4)),
            "place": rng.choice(("first", "second", "third", "fourth")),
        }
    facts |= {
        "clothes2": rng.choice(("hats", "coats", "shoes", "gloves", "bells")),
        "material2": rng.choice(("stone", "brick", "clay")),
    }
    facts["because_good2"] = rng.choice(
        ("if nothing goes wrong", "weather permitting", "just before the holidays")
    )
    return facts


def write_article(rng: Random) -> Document:
    """An article of 130 to 350 words in one of seven forms."""
    form = rng.choice(tuple(_FORMS))
    titles, sections = _FORMS[form]
    facts = _facts(form, rng)
    title = GRAMMAR.expand(rng.choice(titles), rng, facts)
    blocks: list[tuple[str, str]] = []
    for least, most, pool in sections:
        templates = pick(rng, pool, rng.randint(least + 2, most + 3))
        if form in _IN_ORDER:
            templates.sort(key=pool.index)
        cut = rng.randint(2, 4) if len(templates) > 4 else len(templates)
        groups = [group for group in (templates[:cut], templates[cut:]) if group]
        blocks += [("p", paragraph(GRAMMAR, rng, facts, group)) for group in groups]
    return Document(title, blocks, authors=[GRAMMAR.expand("{person}", rng, {})])
