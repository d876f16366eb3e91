"""Short stories of the sample crawl: a plot of six beats, told with changing words.

Each beat has several tellings, each telling has alternatives and named slots, and
generic beats (place, weather, feeling, talk, lesson) come between them, so that two
stories with the same plot share well under half of their word 5-grams.
"""

from random import Random

from lmcore.crawl.sample_document import Document, paragraph, pick
from lmcore.crawl.sample_grammar import Facts, Grammar
from lmcore.crawl.sample_plots import PLOTS
from lmcore.crawl.sample_words import BOYS, GIRLS, LEXICON

OPENINGS = (
    "[Once there was|There was once|Long ago there lived] a {adj_person} [girl|child|young person] named {hero}, who lived [in {town:1}|near the {wild} of {town:1}|in a {size} house in {town:1}] with {his} {relative:1}.",
    "{hero} was {w#6-14} years old and lived in {town:1}, [a {adj_good} little town|a {size} village|a place] between the {wild} and the {wild}. {hero} liked {hobby} and {hobby}.",
    "In {town:1} everybody knew {hero}. {he} was {adj_person} and [a little|very|rather] {adj_person}, and {he} {often} helped {his} {relative:1} in the {room}.",
    "Every {season}, {hero} [visited|stayed with|spent some weeks with] {his} {relative:1} in {town:1}. The house was {size} and smelled of {smell}.",
    "It was a {adj_good} {daytime} in {month}, and {weather}. {hero} sat [in the {room}|by the window|in front of the house] with a cup of {drink} and [listened to|thought of] {sound}.",
    "{hero} and {friend} had been friends for {w#2-7} years. They lived in {town:1} and [went to the same school|met every {weekday}|played by the {wild} together]. {hero} was {adj_person}, and {friend} was {adj_person}.",
    "The {job} of {town:1} had a [daughter|son|grandchild|helper] called {hero}. {he} loved {hobby}, but most of all {he} loved the {wild}.",
)
SETTINGS = (
    "That {daytime} {weather}, and the air smelled of {smell}.",
    "From the {room} one could hear {sound}.",
    "In {season} the {wild} near {town:1} was full of {plant}, and {wildanimal:9}s came [close to the houses|at night|to drink].",
    "It was {weekday}, and the {building} was [already closed|still open|full of {group}].",
    "[Outside|In the street|Behind the house] {weather}.",
    "The {relative:1} had made {food}, and the whole {room} smelled of {smell}.",
    "A {size} {pet} slept beside the {furniture}.",
    "On the {furniture} lay a {object} and a {clothes} that belonged to {his} {relative}.",
    "The road to the {building} was {size} and [muddy|quiet|steep|empty].",
    "It had been a long {daytime}, and {hero} was [hungry|tired|cold|not tired at all].",
)
TALK = (
    '"[What shall we do|What do you think|Where should we begin]?" asked {hero}. "[Let us wait|Let us try|Let us think first]," {said} {friend}.',
    '"You are very {adj_person}," {said} {friend}. {hero} [smiled|laughed|looked at the floor] and [said nothing|felt warm inside|shook {his} head].',
    '"Do not worry," {said} the {relative:1}. "[Everything takes time|Tomorrow is another day|A little {virtue} goes a long way]."',
    '"I am [not sure|a little {badfeeling}|so {feeling}]," {hero} {said}. "[But I will try|But we must go on|Please stay with me]."',
    '"Can you keep a secret?" asked {friend}. "[Of course I can|Always|I think so]," {said} {hero}.',
    '"Look!" cried {friend}. "[There is something behind the {furniture}|The {wild} is so {adj_good} today|It is almost {daytime}]."',
    '"Have you eaten?" asked the {relative:1}, and put [a plate of {food}|some {food} and {drink}] on the table.',
)
FEELINGS = (
    "{hero} felt {badfeeling} and {badfeeling}, because [nothing seemed to work|it was getting late|{he} did not know what to do].",
    "For a moment {hero} was {badfeeling}. Then {he} [took a deep breath|thought of {his} {relative:1}|counted to ten] and went on.",
    "{his} heart beat [fast|loudly], but {he} did not [turn back|give up|run away].",
    "{hero} was {feeling}, and {friend} was {feeling} too.",
    "Nobody said a word for a while. They only heard {sound}.",
    "{he} could not sleep that night and listened to {sound}.",
)
LESSONS = (
    '"Thank you," {said} {hero} [quietly|with a smile|at last]. "I could not have done it [alone|without you|without your help]."',
    "From that day on, {hero} knew that {virtue} is worth more than [gold|a new {object}|being first].",
    "{hero} never forgot that {daytime}. [Even years later|Whenever {weather}|Every {season}] {he} told the story of the {object:1}.",
    "And when {hero} went to bed, {he} was tired and {feeling}.",
    "Since then {hero} and {friend} have met every {weekday}, and they {often} eat {food} together.",
    'The {relative:1} looked at {hero} and said, "I am proud of you." That was [better than|worth more than] {nice_thing}.',
    "So {hero} learned that {virtue} and {virtue} [belong together|can change a bad day|make hard things easy].",
    "They all sat down, ate {food}, drank {drink} and [talked until it was dark|laughed about the whole adventure|told old stories].",
    "{town:1} was quiet again, and [only {sound} was left|the moon stood over the {wild}|the lamps were lit one by one].",
)

GRAMMAR = Grammar(LEXICON)

_PETS = (
    "Biscuit",
    "Pepper",
    "Snowball",
    "Captain",
    "Button",
    "Rusty",
    "Clover",
    "Pickle",
    "Shadow",
    "Muffin",
)


def _characters(rng: Random) -> Facts:
    girl, friend_girl = rng.random() < 0.5, rng.random() < 0.5
    hero = rng.choice(GIRLS if girl else BOYS)
    friend = rng.choice([n for n in (GIRLS if friend_girl else BOYS) if n != hero])
    elder_female = rng.random() < 0.5
    elder = rng.choice(
        ("grandmother", "aunt", "mother") if elder_female else ("grandfather", "uncle", "father")
    )
    facts = {
        "hero": hero,
        "friend": friend,
        "boyorgirl": "girl" if friend_girl else "boy",
        "relative:1": elder,
        "he3": "she" if elder_female else "he",
        "him3": "her" if elder_female else "him",
        "petname:1": rng.choice(_PETS),
    }
    for tag, female in (("", girl), ("2", friend_girl)):
        facts |= {
            f"he{tag}": "she" if female else "he",
            f"him{tag}": "her" if female else "him",
            f"his{tag}": "her" if female else "his",
        }
    return facts


def write_story(rng: Random) -> Document:
    """A story of 200 to 450 words."""
    facts = _characters(rng)
    name = rng.choice(list(PLOTS))
    beats = PLOTS[name]
    title = GRAMMAR.expand(name, rng, facts)
    opening = [rng.choice(OPENINGS)]
    between = pick(rng, SETTINGS, 3) + pick(rng, TALK, 4) + pick(rng, FEELINGS, 2)
    rng.shuffle(between)
    groups = [opening + between[:1] + [rng.choice(beats[0])]]
    cursor = 1
    for beat in beats[1:]:
        take = rng.choice((0, 1, 1, 2))
        groups.append([*between[cursor : cursor + take], rng.choice(beat)])
        cursor += take
    groups.append(pick(rng, LESSONS, rng.choice((1, 2))))
    if rng.random() < 0.5:  # fewer, longer paragraphs
        groups = [[t for g in groups[i : i + 2] for t in g] for i in range(0, len(groups), 2)]
    blocks = [("p", paragraph(GRAMMAR, rng, facts, group)) for group in groups]
    return Document(title, blocks, authors=[GRAMMAR.expand("{person}", rng, {})])
