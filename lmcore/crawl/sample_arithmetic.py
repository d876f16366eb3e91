"""Questions and answers with arithmetic: sums, differences and small products in many words.

Every answer is right. Small operands are frequent, so that a small model meets the same sum
more than once; longer sums are also worked out digit by digit. Each exercise stands in
a few sentences of talk, because a page with fewer than four words with letters in five is
no prose to the rules of Gopher (arXiv 2112.11446).
"""

from collections.abc import Iterator, Sequence
from random import Random

from lmcore.crawl.sample_document import Document
from lmcore.crawl.sample_grammar import Grammar, number_word
from lmcore.crawl.sample_words import BOYS, GIRLS, LEXICON

GRAMMAR = Grammar(LEXICON)

INTROS = (
    "Here are some exercises for [a rainy {daytime}|the long way to {town}|the third class of our school], each with its answer. Cover the answers with a sheet of {material} and try them yourself.",
    "{name} asks for more practice with numbers, so our {job} from {town} has put together a new page. Work [slowly|carefully|quietly|calmly], and check every result twice.",
    "Our readers have sent us their questions about numbers again. The best ones came from {town} and {town}. As always, we give the answer and, where it helps, the way to it.",
    "Doing sums in your head is a matter of {virtue}. Ten minutes every {daytime} are enough, says {person}, who teaches {subject} and mathematics in {town}.",
    "This page belongs to our little course in arithmetic. Today it is about [sums and differences|adding and taking away|numbers in daily life].",
    "When my {relative} was young, nobody in {town} had a calculator. People added up the prices of {fruit} and {veg} in their heads. Can you do it too?",
)
OUTROS = (
    "If you got more than half of them right, you can be {feeling}. If not, {virtue} and {virtue} will help you next time.",
    "Next {weekday} there will be new questions. Until then, count everything you see: {fruit}, {group}, steps and stars.",
    "Did you find a mistake? Then tell the {job} in {town}, who loves nothing more than {food} and difficult sums.",
    "Remember that a quick answer is good, but a right answer is better. Go over your work once more before you put down the pencil.",
    "That is all for this {weekday}. Our thanks go to {person} and to all the {group} who sent us their problems.",
)
TITLES = (
    "Sums for {weekday}", "Arithmetic page {#2-99}", "{w#5-15} questions about numbers", "Count with {name}",
    "Mental arithmetic in {town}", "Adding and taking away", "Numbers at the {event}", "Practice for {month}",
)  # fmt: skip

_SUM = (
    "[Question: |]What is {a} + {b}?|[Answer: |]{a} + {b} = {c}.[ So the answer is {c}.|]",
    "[Question: |]What is {a} plus {b}?|[Answer: |]{a} plus {b} is {c}.",
    "How much is {a} and {b} together?|Together, {a} and {b} make {c}.",
    "Add {a} and {b}.|The sum of {a} and {b} is {c}.",
    "What do you get when you add {b} to {a}?|You get {c}, because {a} + {b} = {c}.",
    "Calculate {a} + {b}.|{c}. [We check it: {c} - {b} = {a}.|The check {c} - {a} = {b} is right, too.]",
    "Is {a} + {b} more than {d}?|{a} + {b} = {c}, [so {compare}.|and therefore {compare}.]",
    "Which number is {b} larger than {a}?|It is {c}, since {a} + {b} = {c}.",
)
_DIFFERENCE = (
    "[Question: |]What is {c} - {a}?|[Answer: |]{c} - {a} = {b}.[ So the answer is {b}.|]",
    "[Question: |]What is {c} minus {a}?|[Answer: |]{c} minus {a} is {b}.",
    "Take {a} away from {c}. How much is left?|If you take {a} away from {c}, {b} is left.",
    "What is the difference between {c} and {a}?|The difference between {c} and {a} is {b}.",
    "Which number do you have to add to {a} to get {c}?|You have to add {b}, because {a} + {b} = {c}.",
    "Calculate {c} - {b}.|{a}. [We check it: {a} + {b} = {c}.|The check {a} + {b} = {c} is right.]",
)
_PRODUCT = (
    "[Question: |]What is {a} * {b}?|[Answer: |]{a} * {b} = {c}.",
    "[Question: |]What is {a} times {b}?|[Answer: |]{a} times {b} is {c}.",
    "How much is {aw} times {bw}?|{aw} times {bw} is {cw}, or in digits {a} * {b} = {c}.",
    "What is the product of {a} and {b}?|The product of {a} and {b} is {c}, and so is the product of {b} and {a}.",
)
_SUM_STORIES = (
    "{hero} has {a} {fruit:1}. {friend} gives {him} {b} more. How many {fruit:1} does {hero} have now?|{hero} has {a} + {b} = {c} {fruit:1}.",
    "In the morning {a} {group:1} came to the {event:1}, and in the afternoon {b} more. How many came in all?|In all, {a} + {b} = {c} {group:1} came.",
    "A {job:1} sold {a} {fruit:1} on {weekday:1} and {b} on {weekday:2}. How many were sold on both days?|On both days together {a} + {b} = {c} {fruit:1} were sold.",
    "{hero} walks {a} minutes to the {building:1} and then {b} minutes to the {wild:1}. How long does {he} walk?|{he} walks {a} + {b} = {c} minutes.",
    "On one shelf there are {a} books, on the other there are {b}. How many books are there on both shelves?|There are {a} + {b} = {c} books.",
    "{friend} is {a} years old. How old will {friend} be in {b} years?|In {b} years {friend} will be {c} years old, because {a} + {b} = {c}.",
)
_DIFFERENCE_STORIES = (
    "{hero} has {c} {fruit:1} and gives {a} of them to {friend}. How many are left?|{c} - {a} = {b}, so {b} {fruit:1} are left.",
    "There are {c} {group:1} on the {vehicle:1}. At the {building:1} {a} get off. How many are still on it?|There are still {b} {group:1} on it, because {c} - {a} = {b}.",
    "A {clothes:1} costs {c} coins. {hero} has saved {a}. How many coins are missing?|{c} - {a} = {b}. {hero} needs {b} more coins.",
    "The {job:1} needs {c} nails, but there are only {a} in the box. How many must be bought?|The {job:1} must buy {c} - {a} = {b} nails.",
    "{hero} wants to read {c} pages. {he} has read {a} already. How many pages are left?|There are {c} - {a} = {b} pages left.",
)
_PRODUCT_STORIES = (
    "{hero} fills {a} baskets with {b} {fruit:1} each. How many {fruit:1} are there?|There are {a} * {b} = {c} {fruit:1}.",
    "A ticket for the {event:1} costs {b} coins. What do {a} tickets cost?|{a} tickets cost {a} * {b} = {c} coins.",
    "The {job:1} works {b} hours a day. How many hours is that in {a} days?|In {a} days that is {a} * {b} = {c} hours.",
)


BEFORE = (
    "The [first|next|last] question comes from {name}, who [sat by the window|had been very quiet so far|likes {hobby}].",
    "{name} [wrote|drew] the following on a piece of {material} and showed it to {name}.",
    "Now a question for everybody who likes {fruit} as much as {name} does.",
    "[While they waited for the {vehicle}|Over a cup of {drink}|On the way to the {building}], {name} asked {name} for a harder one.",
    "The {job} from {town} [smiled|looked up from the {furniture}|put down the {tool}] and asked {name} the following.",
    "{name} had already [finished|forgotten] the last one and was ready for more.",
    "Here is one that {name} could not do last {weekday}, but {name} could.",
    "Think of {plant}, think of {group}, think of anything you can count.",
    "It is best to do the next one without paper, [said|explained] {name}.",
    "Somebody in {town} sent us this question [on a postcard|by letter|together with a jar of {fruit}].",
    "This one is [easy|hard|very old|a favourite of {name}], and yet many {group} get it wrong.",
    "After a short break with {food} the {adj_person} {job} went on.",
    "Then it was the turn of {name}, whose {relative} is a {job} and counts {veg} all day.",
    "Every {weekday} they played the same game: {name} asked, and {name} had to answer before the {pet} moved.",
    "[Look at this one for a moment|Read it twice|Close your eyes and think] before you go on to the answer.",
)
AFTER = (
    "{name} found it [quickly|at once|without paper], and {name} needed a little longer.",
    "{name} counted on the fingers of both hands and got the same result.",
    "That was quick, {said} the {job}, and [gave {name} a {object}|asked for silence|opened the window].",
    "[One can see it with buttons, too|You can try it with {fruit}|Draw it on paper if you like]: put them in rows and count them all.",
    "{name} wrote the result on the wall of the {room}, where it can still be seen.",
    "Nobody in the {room} disagreed, not even {name}.",
    "At first {name} had said something else, but then came a second try, and the mistake was found.",
    "It helps to [start with the tens|round the numbers first|say the numbers aloud], as {name} always does.",
    "{name} shook hands with {name}, because both had been right from the beginning.",
    "The {group} clapped, and outside {weather}.",
    "With {virtue} and a little practice, anybody in {town} can do that.",
    "If your result is different, go back to the question and read it once more from the start.",
    "The {relative} of {name} once needed the same number to pay for {veg} in {town}.",
    "{name} [did not trust it|was not sure|wanted to be certain] and checked the whole thing with beans on the {furniture}.",
    "So that question was settled, and {name} could [go home|eat some {food}|ask the next one].",
    "[It is worth learning this one by heart|Keep this one in mind|Such numbers come up more often than one thinks], for instance when you buy {fruit} at the market.",
    "{name} laughed and said that it had only been a lucky guess.",
    "In the {building} of {town} they teach it in exactly the same way, {said} {name}.",
)

_ALPHA_SHARE = 0.83
"""Gopher asks for .80 of a page's words to hold a letter."""

_WORD_LENGTH = 3.4
"""Gopher asks for a mean of at least 3 characters a word."""


def _is_prose(text: str) -> bool:
    words = text.split()
    n_alpha = sum(any(char.isalpha() for char in word) for word in words)
    return n_alpha >= _ALPHA_SHARE * len(words) and sum(map(len, words)) >= _WORD_LENGTH * len(
        words
    )


def _worked_sum(rng: Random) -> tuple[str, str]:
    """A two-digit sum, digit by digit."""
    a, b = rng.randint(11, 89), rng.randint(11, 89)
    ones, tens = a % 10 + b % 10, a // 10 + b // 10
    first = f"{number_word(a % 10)} and {number_word(b % 10)} make {number_word(ones)}"
    second = f"{number_word(a // 10)} and {number_word(b // 10)} make {number_word(tens)}"
    if ones >= 10:
        first += f", so we write {number_word(ones - 10)} and carry one"
        second += f", and with the one that we carried it is {number_word(tens + 1)}"
    return (
        f"How do we find {a} + {b}?",
        f"We begin with the ones: {first}. Then come the tens: {second}. Together {a} + {b} = {a + b}.",
    )


def _facts(a: int, b: int, c: int, rng: Random) -> dict[str, str]:
    hero, female = (rng.choice(GIRLS), True) if rng.random() < 0.5 else (rng.choice(BOYS), False)
    friend = rng.choice([n for n in LEXICON["name"] if n != hero])
    d = c + rng.choice((-3, -2, -1, 1, 2, 3))
    return {
        "a": str(a), "b": str(b), "c": str(c), "d": str(d),
        "aw": number_word(a) if a < 100 else "", "bw": number_word(b) if b < 100 else "", "cw": number_word(c) if c < 100 else "",
        "compare": f"it is {'more' if c > d else 'less'} than {d}",
        "hero": hero, "friend": friend, "he": "she" if female else "he", "him": "her" if female else "him",
    }  # fmt: skip


def _operands(rng: Random) -> tuple[int, int]:
    top = rng.choice((10, 20, 50, 99, 99))
    return rng.randint(2, top), rng.randint(2, top)


def exercise(rng: Random, n_uses: dict[str, int]) -> tuple[str, str]:
    """A question and its answer; `n_uses` counts templates, so that a page does not repeat them."""
    draw = rng.random()
    if draw < 0.15:
        return _worked_sum(rng)
    a, b = _operands(rng)
    templates: tuple[str, ...]
    if draw < 0.55:
        c, templates = a + b, _SUM + _SUM_STORIES
    elif draw < 0.85:
        c, templates = a + b, _DIFFERENCE + _DIFFERENCE_STORIES
    else:
        a, b = rng.randint(2, 10), rng.randint(2, 9)
        c, templates = a * b, _PRODUCT + _PRODUCT_STORIES
    least = min(n_uses.get(t, 0) for t in templates)
    template = rng.choice([t for t in templates if n_uses.get(t, 0) == least])
    n_uses[template] = least + 1
    question, answer = template.split("?|" if "?|" in template else ".|", 1)
    question += "?" if "?|" in template else "."
    facts = _facts(a, b, c, rng)
    return GRAMMAR.expand(question, rng, facts), GRAMMAR.expand(answer, rng, facts)


def _deal(rng: Random, templates: Sequence[str]) -> Iterator[str]:
    """Endless templates: every one once before any comes again."""
    while True:
        yield from rng.sample(templates, len(templates))


def write_exercises(rng: Random) -> Document:
    """A page of six to ten exercises with their answers and some talk."""

    def say(template: str) -> str:
        return GRAMMAR.expand(template, rng, {})

    blocks = [("p", say(rng.choice(INTROS)))]
    uses: dict[str, int] = {}
    before, after = _deal(rng, BEFORE), _deal(rng, AFTER)
    in_one = rng.random() < 0.6
    for _ in range(rng.randint(6, 10)):
        question, answer = exercise(rng, uses)
        while not _is_prose(f"{question} {answer}"):
            if len(question) > len(answer):
                answer = f"{answer} {say(next(after))}"
            else:
                question = f"{say(next(before))} {question}"
        blocks += [("p", f"{question} {answer}")] if in_one else [("p", question), ("p", answer)]
    blocks.append(("p", say(rng.choice(OUTROS))))
    return Document(say(rng.choice(TITLES)), blocks)
