"""Forum threads, product pages and questions of general knowledge."""

from random import Random

from lmcore.crawl.sample_document import Document, paragraph, pick
from lmcore.crawl.sample_encyclopedia import ANIMALS, THINGS, WHYS
from lmcore.crawl.sample_grammar import Facts, Grammar, table
from lmcore.crawl.sample_words import LEXICON

GRAMMAR = Grammar(LEXICON)

PROBLEMS = table(
    "x symptom cause remedy check",
    """
my bicycle|the chain slips when I go uphill|a worn chain|put on a new chain and clean the wheels|whether the links have become longer
my tomato plants|the lower leaves turn yellow|too much water|water them less and cut off the yellow leaves|whether the soil smells sour
my old radio|there is a loud hum after ten minutes|a tired condenser|have the condenser changed by somebody who knows how|whether the hum changes with the volume
my bread|it comes out flat and heavy|old yeast|buy fresh yeast and let the dough rise twice|whether the yeast makes bubbles in warm water
our stove|it smokes whenever the wind blows from the west|a blocked chimney|call the sweep and keep the door closed|whether a candle flickers in front of the door
my sewing machine|the thread breaks after a few stitches|a bent needle|put in a new needle and thread it again|whether the needle has a scratch
our cat|she does not eat since we moved|a new and strange place|leave her alone in one quiet room for a week|whether she drinks enough
my guitar|it is out of tune every morning|dry air in the room|keep it in its case with a damp cloth|whether the strings are old
the garden gate|it cannot be closed in winter|wet wood that swells|plane off a little wood and paint it|whether the hinges are loose
my knees|they hurt after a long run|worn shoes|rest for two weeks and buy better shoes|whether the pain comes on one side only
our bees|they leave the hive too early|a lack of space|give them a second box in spring|whether there are cells for a new queen
my telescope|the stars look like small clouds|dew on the lens|let it cool outside for an hour and use a shade|whether the lens is clean
the old clock|it stops every night at three|thick oil|have it cleaned and move it away from the wall|whether it stands straight
my jam|it does not set|fruit that was too ripe|cook it again with some lemon juice|whether a drop stays firm on a cold plate
the boat|there is water in it after each trip|a loose plank|dry it and fill the gap with tar|whether the water tastes of salt
""",
)
QUESTION = (
    "Hello everybody, I have a problem with {x}: {symptom}. It began {w#2-9} days ago. Has anyone seen this before?",
    "I am new here and not very good at this. I need help with {x}, because {symptom}. What should I do?",
    "Good {daytime}! Since last {weekday} I have had trouble with {x}. In short, {symptom}, and I do not know why.",
    "Perhaps somebody in {town} can help. It is about {x}. Again and again, {symptom}, and I have tried everything.",
)
MORE = (
    "I asked a {job}, but he only [laughed|shook his head|told me to buy a new one].",
    "My {relative} says that it has always been like that, but I do not believe it.",
    "I do not have much money, so a simple answer would be best.",
    "I read two books about it and am now even more confused.",
    "By the way, we live near a {wild}, if that is of any importance.",
    "Thank you in advance. I will send a {food2} to whoever solves this!",
)
ANSWERS = (
    "I had the same last {season}. In my case it was {cause}. You should {remedy}.",
    "That sounds like {cause} to me. First check {check}, and then tell us.",
    "Do not worry, this is very common. {symptom2}, and nearly always the reason is {cause}.",
    "I do not agree. It may be {cause}, but it may be the weather, too. In {month} everything is different.",
    "The answer before mine is right. My {relative} is a {job} and always says: {remedy}, and be patient.",
    "Have you looked {check}? That is the first thing I would do, before you spend any money.",
    "We had that in {town} {time_ago}, and it took us {w#2-9} weeks to find out. It was {cause}, believe it or not.",
    "A friend of mine found a picture of it in an old book from the {building}. There it says that {cause} is to blame.",
    "If nothing helps, ask {person} in {town}. {w#9-40} years as a {job} have taught him more than any book.",
    "Just a small remark: it is better to {remedy} than to do nothing and hope.",
    "I would wait until {weekday}. Many things get better if one leaves them alone and drinks {drink}.",
)
THANKS = (
    "Thank you all! I did as you said, and it was {cause}. Now everything works, and I am {feeling}.",
    "So, I have looked {check}, and the answer was yes. I will {remedy} on {weekday}.",
    "What a {adj_person} group of people you are. The problem is solved, and my {relative} is {feeling} too.",
    "A short report after {w#2-6} weeks: it was {cause}. I am sorry that I doubted it.",
)

PRODUCTS = table(
    "x stuff use1 use2 size1 strong care",
    """
wooden lunch box|light beech wood|carry bread and fruit to work|keep pencils in order|twenty centimetres long|a lid that closes with a soft click|wipe it with a damp cloth and a drop of oil
enamel teapot|steel with white enamel|make tea for six people|water small plants|as tall as a bottle|a handle that stays cool|wash it by hand and dry it well
garden lantern|brass and clear glass|light the way to the door|sit outside until late|thirty centimetres high|a roof that keeps out rain|clean the glass with vinegar once a month
wool blanket|pure wool from mountain sheep|read in bed on cold nights|have a picnic on damp grass|two metres long|a seam that does not fray|air it outside instead of washing it
hand saw|hardened steel and oak|cut branches and boards|build toys with children|as long as an arm|teeth that stay sharp for years|rub the blade with wax after use
leather satchel|thick brown leather|carry books and papers|travel for a weekend|wide enough for a folder|two pockets and a strong buckle|treat it with grease in autumn
rain jacket|waxed cotton|walk in any weather|work in the garden|available in five sizes|a hood that does not slip|never iron it and hang it in the shade
clay bread pot|baked red clay|keep bread fresh for a week|store apples and onions|large enough for two loaves|a lid with a small opening for air|scrub it with hot water but no soap
folding chair|ash wood and canvas|sit at the lake or in the tent|have an extra seat for guests|flat as a book when closed|joints of brass that do not rust|keep it dry in winter
alarm clock|painted metal with a real bell|wake up without a telephone|teach a child to read the time|no larger than a hand|a spring that runs for thirty hours|wind it up each evening at the same hour
kitchen scale|steel with a round dial|weigh flour and fruit|send parcels|as wide as a plate|a needle that can be set to zero|do not leave heavy things on it
bird feeder|cedar wood|watch birds from the window|feed them in the cold months|as large as a shoe box|a roof that opens from above|clean it with hot water before winter
fountain pen|dark resin and a steel point|write letters and notes|draw fine lines|made for small and large hands|a point that glides over paper|rinse it with water when you change the ink
rucksack|strong canvas and leather|hike for three days|bring home the shopping|room for thirty litres|straps with thick wool felt|brush it when it is dry
""",
)
PITCH = (
    "This {x} is made of {stuff} by a small workshop in {town}.",
    "Our {x} is for everybody who wants to {use1} and not think about it for the next {w#5-20} years.",
    "For {w#9-60} years the {surname} family in {town} has made this {x} from {stuff}.",
    "A good {x} should do one thing well. This one helps you to {use1}.",
)
DETAILS = (
    "You can use it to {use1}, but also to {use2}.",
    "It is {size1} and has {strong}.",
    "The maker uses {stuff}, which grows more beautiful with age.",
    "It comes in {color}, {color} and {color}, and each piece looks a little different.",
    "To keep it in good shape, {care}.",
    "What we like best is {strong}: a small thing that makes a difference every day.",
    "It weighs {w#2-9} hundred grams and is packed in paper, without any plastic.",
    "Each {x} is checked by hand before it leaves {town}, and the name of the worker is written inside.",
    "If a part breaks, you can order it alone, and any {job} will know how to put it in.",
    "We have used one ourselves since {month}, and apart from a scratch it looks like new.",
    "It is a useful present for a {relative} who likes {hobby}.",
    "The first {x} of this kind was sold at the {event} in {town} {time_ago}.",
)
REVIEWS = (
    "{name} from {town} writes: I bought it to {use1}, and it does exactly that. I am {feeling}.",
    "{name} from {town} writes: it took {w#3-12} days to arrive, but it was worth the wait.",
    "{name} from {town} writes: it is a bit {size} for me, so I gave it to my {relative}, who loves it.",
    "{name} from {town} writes: I was not sure about {stuff}, but after {w#2-9} months I would not want anything else.",
    "{name} from {town} writes: my old one lasted {w#10-30} years, and I hope that this one will do the same.",
    "{name} from {town} writes: the color is more {color} than in the picture. Otherwise it is a {adj_good} {x}.",
    "{name} from {town} writes: we use it to {use2}, and the whole family is {feeling} with it.",
)

_ANIMAL_QA = (
    "What do {xs} eat?|{xs} eat {food}.", "Where does the {x} live?|The {x} lives in {home}.",
    "What is the nest or home of a {x} like?|Its home is {nest}.", "What are the young of a {x} called?|The young of a {x} are called {young}.",
    "What can a {x} do especially well?|A {x} can {skill}.", "Which sense is the best one of a {x}?|It relies above all on {sense}.",
    "What kind of animal is the {x}?|The {x} is a {kind}, and a {trait} one.",
)  # fmt: skip
_THING_QA = (
    "Where does {x} come from?|As far as we know, it comes from {origin}.", "What is {x}?|It is {is}, {made}.",
    "What do people use {x} for?|They use it to {use}.", "What is good about {x}?|Its great advantage is that {good}.",
    "Is there anything bad about {x}?|Yes, {bad}.",
)  # fmt: skip
_WHY_QA = (
    "What causes {x}?|The cause is {cause}.", "How does {x} begin?|It begins like this: {first}.",
    "What is a good example of something like {x}?|Think of {example}.", "What happens last, when we speak of {x}?|In the end {result}.",
)  # fmt: skip
_ASKERS = (
    "{name}, who is {w#5-12} years old, wants to know:",
    "A {job} from {town} asks:",
    "The next question was asked by {person}:",
    "Here is a question that we get every {season}:",
    "In a letter from {town} we read:",
    "On the way to the {building} {name} asked:",
)
_COMMENTS = (
    "You can read more about it in the {building} of {town}.",
    "{person}, who has studied it for {w#4-30} years, told us so.",
    "Many {group} get this wrong, so do not be {badfeeling} if you did not know.",
    "We first wrote about it {time_ago}, and nothing has changed since.",
    "If you do not believe it, go out on a {adj_good} {daytime} and see for yourself.",
    "That is what it says in the old {subject} book of my {relative}.",
    "It is one of those things that everyone in {town} learns at school.",
    "Some people say something else, but they are mistaken.",
)


def write_forum(rng: Random) -> Document:
    """A thread: a question, four to eight answers, and thanks."""
    facts: Facts = dict(rng.choice(PROBLEMS))
    facts |= {
        "symptom2": "One day it simply begins",
        "food2": rng.choice(("cake", "jar of jam", "postcard")),
    }
    posts = [
        paragraph(GRAMMAR, rng, facts, [rng.choice(QUESTION), *pick(rng, MORE, rng.randint(1, 3))])
    ]
    answers = pick(rng, ANSWERS, rng.randint(5, 9))
    while answers:
        size = rng.randint(1, 2)
        posts.append(paragraph(GRAMMAR, rng, facts, answers[:size]))
        answers = answers[size:]
    posts.append(paragraph(GRAMMAR, rng, facts, pick(rng, THANKS, rng.randint(1, 2))))
    asker, *others = (f"{n.lower()}{rng.randint(1, 99)}" for n in pick(rng, LEXICON["name"], 6))
    authors = [asker, *(rng.choice(others) for _ in posts[2:]), asker]
    title = GRAMMAR.expand("[Trouble|Problem|Help needed|Question] with {x}", rng, facts)
    return Document(title, [("post", text) for text in posts], authors=authors)


def write_product(rng: Random) -> Document:
    """A shop's description of one product with what customers write about it."""
    facts: Facts = dict(rng.choice(PRODUCTS))
    details = pick(rng, DETAILS, rng.randint(6, 9))
    half = len(details) // 2
    blocks = [
        ("p", paragraph(GRAMMAR, rng, facts, [*pick(rng, PITCH, 2), *details[:half]])),
        ("p", paragraph(GRAMMAR, rng, facts, details[half:])),
    ]
    if rng.random() < 0.5:
        blocks.append(("h2", "What customers say"))
    blocks += [("p", GRAMMAR.expand(t, rng, facts)) for t in pick(rng, REVIEWS, rng.randint(3, 5))]
    return Document(GRAMMAR.expand("{x} {surname}", rng, facts), blocks)


def write_questions(rng: Random) -> Document:
    """Questions about animals, things and nature, with answers."""
    blocks = []
    comments = pick(rng, _COMMENTS, len(_COMMENTS))
    askers = pick(rng, _ASKERS, len(_ASKERS))
    for i in range(rng.randint(6, 10)):
        rows, templates = rng.choice(((ANIMALS, _ANIMAL_QA), (THINGS, _THING_QA), (WHYS, _WHY_QA)))
        facts = dict(rng.choice(rows))
        question, answer = rng.choice(templates).split("|")
        question = GRAMMAR.expand(question, rng, facts)
        answer = GRAMMAR.expand(answer, rng, facts)
        if i < len(askers):
            question = f"{GRAMMAR.expand(askers[i], rng, {})} {question}"
        if i < len(comments):
            answer += " " + GRAMMAR.expand(comments[i], rng, {})
        blocks.append(("p", f"{question} {answer}"))
    title = GRAMMAR.expand(
        "[Questions from {town}|You ask, we answer|{weekday} questions|Ask the {job}|Good questions, short answers]",
        rng,
        {},
    )
    return Document(title, blocks, authors=[GRAMMAR.expand("{person}", rng, {})])
