"""Labelled texts for the quality and toxicity classifiers.

Why apart: a classifier scored on the sample crawl must not have seen its templates. The
topics (astronomy, law, trade, music theory, medicine, building), the spam (gambling, loans,
coins, dating, things for the body and the house) and the insults here occur in no page of the
crawl; what both share is the kind: calm explanation against shouting and selling, second-person
aggression against civil talk.

Toxic means abusive, not bad: a third of the texts that are not toxic is spam and a tenth is
grumbling about things or a notice, else a classifier learns that whoever shouts "you" insults.
Cost: 1.5 s for 2,400 + 2,400 texts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from lmcore.crawl.sample_document import paragraph, pick
from lmcore.crawl.sample_grammar import Grammar, phrases, words

N_TEXTS = 2400
"""Texts in each set, half of each label."""

_TEST_EVERY = 5
"""Every fifth text of each label is for testing."""

LABEL_LEXICON: dict[str, tuple[str, ...]] = {
    "who": phrases(
        "Agnes, Bernard, Cecilia, Dorothy, Edgar, Frances, Gilbert, Harriet, Irene, Jerome, Leonard, Mabel, Norman, Ophelia, Quentin, Roland, Sylvia, Ursula, Vincent, Winston"
    ),
    "city": phrases(
        "Amsterdam, Boston, Cairo, Dublin, Geneva, Lisbon, Madrid, Nairobi, Oslo, Prague, Quito, Rome, Sydney, Toronto, Vienna, Warsaw"
    ),
    "body": phrases("planet, comet, moon, star, galaxy, meteor, satellite, asteroid"),
    "court": phrases("judge, lawyer, witness, clerk, jury, defendant, committee, minister"),
    "goods": phrases(
        "grain, timber, coal, steel, cocoa, sugar, cement, spices, machines, textiles"
    ),
    "musical": phrases(
        "melody, rhythm, harmony, chord, tempo, choir, orchestra, composer, symphony"
    ),
    "medical": phrases("fever, lung, heart, bone, muscle, vaccine, kidney, blood, nerve, stomach"),
    "part": phrases("arch, roof, beam, column, foundation, staircase, window, dome, tower, wall"),
    "measure": phrases("distance, weight, speed, volume, temperature, pressure, duration, height"),
    "gadget": phrases(
        "desk lamp, backpack, kettle, keyboard, headphones, suitcase, tent, toaster, vacuum cleaner, office chair"
    ),
    "plain": phrases(
        "steady, useful, complex, common, early, distant, careful, modern, public, private, heavy, regular, precise, reliable"
    ),
    "year": phrases(
        "1721, 1784, 1803, 1839, 1866, 1891, 1907, 1923, 1948, 1961, 1975, 1988, 1999, 2004"
    ),
    "bait": phrases(
        "casino bonus, payday loan, crypto signals, dating app, lottery ticket, forex robot, male pills, gift card, betting tips, mortgage deal, online slots, miracle cure, penny stocks, hacked accounts"
    ),
    "shout": phrases(
        "win big, cash out, apply instantly, bet now, call us now, claim your reward, get rich, deposit today, download free, subscribe and win, no credit check, instant approval"
    ),
    "super": phrases(
        "guaranteed, hottest, legendary, ultimate, risk-free, unlimited, massive, proven, certified, crazy, mega, viral"
    ),
    "promo": phrases(
        "protein bar, foot spa, teeth aligner, massage chair, air fryer, phone case, smart ring, vitamin drink, mattress topper, tax program, knife set, fitness band, solar charger, language course, slimming belt, eye cream"
    ),
    "praise": phrases(
        "fantastic, breathtaking, magical, sensational, stunning, unbeatable, phenomenal, superb, world famous, one of a kind, award-winning, jaw-dropping, epic"
    ),
    "worry": phrases(
        "back pain, wrinkles, debt, boring evenings, bad sleep, high bills, belly fat, grey hair, slow internet, stress"
    ),
    "target": phrases("skin, wallet, family, career, kitchen, body, smile, business"),
    "abuse": phrases(
        "jerk, imbecile, nitwit, blockhead, creep, coward, scumbag, dunce, twit, crybaby, freak, weasel, lowlife, fraud, parasite, miserable pig"
    ),
    "nasty": phrases(
        "disgusting, useless, ugly, ridiculous, filthy, gutless, spineless, rotten, revolting, mindless"
    ),
    "yours": phrases(
        "article, video, project, essay, drawing, website, speech, argument, haircut, accent, manners, work"
    ),
}

GOOD = (
    "The {body} [moves|travels|drifts] around its {body} in {#20-900} days, and its {measure} can be measured from [the ground|a {plain} observatory in {city}].",
    "Astronomers in {city} observed a {plain} {body} in {year} and [compared|described] its {measure} with older records.",
    "When the light of a {body} passes through gas, some colours are missing, which tells us what it is made of.",
    "The {court} asked whether the contract was valid, and the {court} replied that it had been signed in {year}.",
    "Under the law of {city}, a {court} may not decide a case in which a relative takes part.",
    "In {year} the {court} published a {plain} report on [the rights of tenants|the price of {goods}|public transport].",
    "Most of the {goods} was shipped from {city} to {city}, since the {measure} of the cargo made roads too expensive.",
    "If the price of {goods} rises, buyers turn to {goods}, and after some months both prices fall again.",
    "A bank lends money against interest; whoever borrows {#100-900} at {w#2-9} percent pays back a little more each year.",
    "The {musical} begins softly and returns at the end with a {plain} change in the {musical}.",
    "{who} studied composition in {city} and wrote {w#2-9} works for {musical} before {year}.",
    "A {musical} is easier to remember when its {musical} repeats after {w#4-8} bars.",
    "The {medical} reacts to {plain} stress, and a physician will first ask about sleep, diet and earlier illness.",
    "Before {year}, nobody understood how the {medical} and the {medical} work together.",
    "Patients with a weak {medical} should avoid {plain} effort and drink enough water, according to a study from {city}.",
    "The {part} carries the {measure} of the {part}, so that the {part} can be thin and light.",
    "Architects in {city} rebuilt the {part} in {year} with {goods} and glass, although the old {part} was still sound.",
    "{who} closed the folder, thanked the {court} and walked out into the cold square without another word.",
    '"We ought to measure the {part} again," said {who}, and {who} reached for the notes they had made in {city}.',
    "For years {who} had dreamed of {city}, and now that the ship was leaving, there was hardly time to say goodbye to {who}.",
    "{who} and {who} shared a small flat in {city}, where they argued about music and mended radios at night.",
    "Question: How is the {measure} of a {body} found? Answer: it is compared with a {plain} standard and the result is written in a table.",
    "How many boxes of {goods} are left if {who} has {#20-90} and sells {#2-19}? The smaller number is taken from the larger, and the rest is the answer.",
    "What is the sum of {#2-60} and {#2-60}? Add the ones, then the tens, and check the result.",
    "Does anyone know how to repair the hinge of a {gadget}? I tried glue, but it came off after {w#2-6} days.",
    "In my experience the {gadget} lasts longer if you clean it once a month and keep it dry.",
    "This {gadget} weighs {#2-9} pounds, folds flat and comes with a {plain} cover and a manual in {w#2-6} languages.",
    "The {gadget} is made of recycled {goods}; the handle can be replaced with a coin and without tools.",
    "I agree with {who} that the older model was better, although mine has never failed since {year}.",
    "The term comes from a Greek word and was first used in {city} around {year} to describe the {part} of a temple.",
    "As a result, the {plain} method spread from {city} to {city}, where it is still taught.",
    "However, this is only part of the explanation, because the {measure} also depends on the {plain} supply of {goods}.",
    "It took {w#2-12} years to finish the {part}, and on the day of the opening {who} gave a short speech.",
    "To calculate the {measure}, divide the total by {w#2-9} and round the result to the nearest whole number.",
)
BAD = (
    "{super} {bait}! {shout}, {shout} and {shout}!",
    "Get your {super} {bait} in {city} now, {shout}, 100% {super}!",
    "This {super} {bait} made {who} {#1000-90000} dollars in one week, and you can do it too!",
    "{bait} {bait} {super} {bait} {city} {bait} {shout} {super} {bait}",
    "Why wait? {shout} with the {super} {bait} that banks do not want you to know about!",
    "{#10-99} {super} {bait} hacks that will blow your mind, {shout}!",
    "WARNING: this {bait} is so {super} that it may be banned in {city}!!!",
    "{shout} > {shout} > {super} {bait} >> www {bait} {city} com",
    "Hot {bait} in your area, {super}, {shout}, no registration!",
    "Congratulations! You were selected for a {super} {bait}. {shout} within {#2-59} minutes!",
    "Make money from home with {super} {bait}, {super} profits, {shout}!",
    "Everyone in {city} is talking about this {super} {bait}, so {shout} before everybody else!",
    "The {super} {bait} review 2025 2026 best {bait} {super} {bait} compare {bait}",
    "Free {bait}, free {bait}, free {bait}: {shout}!",
)
PROMOTION = (
    "Our customers love the {praise} {promo}, and so will you!",
    "Only this week: {promo} and {promo} at half the price, plus a {praise} gift with your first purchase!",
    "Try our {praise} {promo} for {w#3-30} days, and if you are not satisfied, we pay you back every cent!",
    "More than {#1000-90000} people have switched to our {promo}. When will you?",
    "Say goodbye to {worry} with the {praise} new {promo} from our online store!",
    "Nothing on the market beats our {promo}: {praise}, {praise} and at a price you can afford!",
    "Fill in the form, use the code {#100-999} at checkout and save another {#5-80} percent on your {promo}!",
    "Experts were speechless when they saw what this {praise} {promo} can do for your {target}!",
    "Struggling with {worry}? [Relax!|Help is here!] One {promo} changes everything!",
    "{who} from {city} paid nothing at all and now owns a {praise} {promo}, and you could be next!",
    "Hurry, our {promo} is almost sold out, and this price will never come back!",
    "Here are {#3-40} {praise} tips that the {promo} industry hides from you!",
    "Your {target} deserves the {praise} {promo}, so treat yourself and pay later!",
    "We deliver every {praise} {promo} to your door in {city} within {#12-72} hours, and the first one is on us!",
    "Five stars out of five: our {promo} is simply {praise}!",
    "Share this page with your friends, and each of you earns a {praise} bonus of {#5-500} dollars!",
    "Forget expensive shops! With our {promo} you see {praise} results for {#1-49} dollars!",
    "This one habit melts {worry} away, and it costs less than a cup of coffee!",
    "Your satisfaction is our promise: {praise} quality, {praise} support and a lifetime warranty on every {promo}!",
    "Are you ready for a {praise} {target}? You will thank us [tomorrow|for years]!",
    "You will wonder how you ever lived without your {promo}, and your friends will ask where you found it!",
    "Everybody you know owns a {promo} by now. What are you still waiting for?",
    "Do you know what {worry} costs you every year? You can stop it with our {praise} {promo}!",
    "You are one step away from the {praise} {promo}: say yes, and we do the rest!",
    "Meet the {praise} {promo} that does all the work while you [rest|watch television]!",
    "Every bank fears this {praise} {promo} that makes you rich while others work!",
    "This is the {promo} that lets anyone in {city} forget {worry} for good!",
    "You work hard, you sleep badly and you eat too fast: you need the {praise} {promo}!",
    "If you can read this, you can earn money with a {promo} while you watch films!",
    "All you do is sit back while our {promo} takes care of your {worry}!",
    "Whatever you paid for your last {promo}, you paid twice too much!",
    "You have never seen a {promo} that treats you so well while you rest!",
    "What would you do with {#200-9000} dollars? With our {promo} you can find out!",
    "Tap the button below, enter your email and unlock the {praise} {promo} deal that everyone wants!",
)
GRUMBLING = (
    "The {gadget} looks {nasty} and smells worse, so I sent it back to the shop in {city}.",
    "What a {nasty} {promo}! It broke after {w#2-9} days and nobody answers the phone.",
    "I paid {#20-90} dollars for this {nasty} {promo}, and I want my money back.",
    "The {part} is {nasty}, the stairs are {nasty}, and the lift has not worked since {year}.",
    "My own {yours} was {nasty}, I admit it, and the next one will be better.",
)
NOTICE = (
    "This part of the site is being rebuilt.",
    "Closed from {w#2-9} to {w#10-12}.",
    "Nothing is planned for {year}.",
    "Picture {#10-9999}: {body}, {city}, {year}.",
    "More about {goods} soon.",
    "{who} no longer lives in {city}.",
    "Enter your password to go on, or ask for a new one if you have lost yours.",
    "Your basket is empty. You can keep up to {#20-90} things in it.",
    "You are leaving the pages of {city}. Do you want to go back?",
    "You have {w#2-9} messages and no new answers to your {yours}.",
    "If you stay on this page, you allow us to count how often you visit it.",
)
TOXIC = (
    "You are a {nasty} {abuse} and [your {yours} proves it|the whole world should know it|you know it].",
    "Get lost, you {abuse}. [Your {yours} is {nasty}.|Nobody will miss you.]",
    "Every {yours} of yours is {nasty}, you {abuse}.",
    "What kind of {abuse} posts a {nasty} {yours} like that? You do, obviously.",
    "I cannot stand you, {who}. You {nasty} {abuse}, go crawl back into your hole.",
    "You {abuse}! You {nasty}, {nasty} {abuse}!",
    "Are you really that {nasty}, or do you just play the {abuse}?",
    "Everybody in {city} laughs about you and your {nasty} {yours}, you {abuse}.",
    "Somebody should slap you for that {nasty} {yours}, {abuse}.",
    "You deserve every bit of pain that is coming to you, you {abuse}.",
    "I despise you. You are {nasty}, your {yours} is {nasty}, and you will die alone.",
    "Listen, {abuse}, keep your {nasty} {yours} to yourself and never talk to me again.",
    "Such a {abuse}. You make everyone around you feel ill.",
    "I feel sorry for the people who have to live with a {nasty} {abuse} like you.",
    "If I were a {nasty} {abuse} like you, I would not show my face.",
)
CIVIL = (
    "You are right, and your {yours} helped me a lot. Thank you, {who}.",
    "I do not agree with your {yours}, but you make a {plain} point about the {part}.",
    "Could you tell me where you bought your {gadget}? Mine broke in {city}.",
    "You might want to check the {measure} once more before you order.",
    "Your {yours} about the {body} was a pleasure to read.",
    "If you take the {part} apart, you will see how it was made, and you can put it back in an hour.",
    "You will find the {part} easily: you follow the river of {city} until you see it.",
    "Have you ever been to {city}? You would like it there while the shops are open.",
    "Are you sure that you need a new {gadget}? You could repair the one that you have.",
    "I am sorry that your {gadget} failed; you can send it back within {w#10-30} days.",
)
_SYLLABLES = words("qua mi ro tel fen su dop lin ga wer pos ti cul na vo ras ze hun bi yol")

GRAMMAR = Grammar(LABEL_LEXICON)


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, its label (1 = high quality, or toxic) and its split (train or test)."""

    text: str
    label: int
    split: str


def _good_text(rng: Random) -> str:
    return "\n".join(
        paragraph(GRAMMAR, rng, {}, pick(rng, GOOD, rng.randint(3, 6)))
        for _ in range(rng.randint(1, 4))
    )


def _gibberish(rng: Random) -> str:
    return " ".join(
        "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(1, 4)))
        for _ in range(rng.randint(60, 200))
    )


def _keywords(rng: Random) -> str:
    slots = ("bait", "super", "city", "shout")
    return " ".join(
        rng.choice(LABEL_LEXICON[rng.choice(slots)]) for _ in range(rng.randint(40, 120))
    )


def _repetition(rng: Random) -> str:
    line = GRAMMAR.expand(rng.choice(BAD + PROMOTION), rng, {})
    return " ".join([line] * rng.randint(5, 15))


def _listing(rng: Random) -> str:
    return "\n".join(
        GRAMMAR.expand("{city} {bait} {#100-99999} {super}", rng, {})
        for _ in range(rng.randint(10, 40))
    )


def _shouting(rng: Random) -> str:
    return paragraph(GRAMMAR, rng, {}, pick(rng, BAD, rng.randint(5, 12)))


def _advertising(rng: Random) -> str:
    return "\n".join(
        paragraph(GRAMMAR, rng, {}, pick(rng, PROMOTION, rng.randint(1, 6)))
        for _ in range(rng.randint(1, 3))
    )


def _quarrel(rng: Random) -> str:
    return "\n".join(
        paragraph(GRAMMAR, rng, {}, pick(rng, TOXIC, rng.randint(2, 5))) for _ in range(2)
    )


_SPAM = (_gibberish, _keywords, _listing, _shouting, *2 * (_repetition,), *3 * (_advertising,))


def _spam_text(rng: Random) -> str:
    return rng.choice(_SPAM)(rng)


def _bad_text(rng: Random) -> str:
    return rng.choice((*_SPAM, _quarrel))(rng)


def _toxic_text(rng: Random) -> str:
    templates = pick(rng, TOXIC, rng.randint(1, 6)) + pick(rng, CIVIL + GOOD, rng.randint(0, 2))
    rng.shuffle(templates)
    return paragraph(GRAMMAR, rng, {}, templates)


def _civil_text(rng: Random) -> str:
    form = rng.random()
    if form < 0.3:
        return _good_text(rng)
    if form < 0.68:
        return _spam_text(rng)
    if form < 0.8:
        templates = pick(rng, GRUMBLING, rng.randint(0, 2)) + pick(rng, NOTICE, rng.randint(1, 3))
    else:
        templates = pick(rng, CIVIL, rng.randint(1, 5)) + pick(rng, GOOD, rng.randint(0, 4))
    rng.shuffle(templates)
    return paragraph(GRAMMAR, rng, {}, templates)


def _texts(
    seed: int,
    name: str,
    writers: tuple[Callable[[Random], str], Callable[[Random], str]],
    n_texts: int,
) -> list[LabelledText]:
    labelled, seen = [], set()
    for i in range(n_texts):
        rng = Random(f"{seed}:labels:{name}:{i}")
        text = writers[i % 2](rng)
        if text in seen:  # one text must not be on both sides of the split
            continue
        seen.add(text)
        split = "train" if i // len(writers) % _TEST_EVERY else "test"
        labelled.append(LabelledText(text, i % 2, split))
    return labelled


def quality_texts(seed: int, n_texts: int = N_TEXTS) -> list[LabelledText]:
    """Label 1: prose that explains or tells something; label 0: spam, gibberish, quarrels."""
    return _texts(seed, "quality", (_bad_text, _good_text), n_texts)


def toxicity_texts(seed: int, n_texts: int = N_TEXTS) -> list[LabelledText]:
    """Label 1: insults and threats; label 0: civil talk, explanations, spam, grumbling."""
    return _texts(seed, "toxicity", (_civil_text, _toxic_text), n_texts)
