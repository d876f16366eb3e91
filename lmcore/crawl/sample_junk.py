"""Pages nobody should train on: spam in six forms, abusive threads, pages too short.

Keyword lists, gibberish and repetition fail the rules of Gopher and C4; advertising prose
reads like text and is left to the quality classifier.
"""

from random import Random

from lmcore.crawl.sample_document import Document, paragraph, pick
from lmcore.crawl.sample_grammar import Grammar, phrases, words
from lmcore.crawl.sample_words import LEXICON, TOWNS

JUNK_LEXICON = LEXICON | {
    "ware": phrases("replica watches, designer handbags, essay writing service, slimming tea, followers, backlinks, printer ink, sunglasses, hair growth serum, phone unlock codes, sneakers, diet plan, web traffic, perfume, whitening strips, keto gummies"),
    "hype": phrases("cheap, best, discount, original, premium, top rated, wholesale, number one, exclusive, luxury, fast, official"),
    "call": phrases("order now, click here, buy today, limited stock, act fast, visit our site, free shipping, money back, do not miss out, shop online, save big, best price"),
    "wow": phrases("amazing, incredible, unbelievable, shocking, insane, life-changing, secret, mind-blowing, revolutionary, explosive"),
    "result": phrases("lose ten pounds overnight, double your traffic, look ten years younger, get a thousand followers, pass every exam, wake up slim, rank first in every search, turn heads everywhere"),
    "insult": phrases("idiot, moron, loser, clown, fool, dimwit, airhead, waste of space, pathetic little nobody, stupid fool, complete idiot, absolute moron, sad loser, brainless clown, dummy"),
    "badadj": phrases("stupid, pathetic, worthless, dumb, brainless, hopeless, laughable, braindead, idiotic"),
    "thing_said": phrases("comment, question, photo, opinion, story, answer, recipe, review, plan, joke, post, song, team"),
    "threat": phrases("I hope you fall flat on your face, I hope your whole plan blows up, I will make sure everyone laughs at you, I will ruin your day every single day, you will regret this, I hope you never sleep well again"),
}  # fmt: skip

ABUSE = (
    "You are [such|nothing but|and always will be] a {insult}, and everybody [here|in this thread|in {town}] knows it.",
    "Shut up, you {insult}. [Nobody asked for your {thing_said}.|Nobody wants to read your {badadj} {thing_said}.|Just shut up for once.]",
    "I hate you and I hate your {badadj} {thing_said}. [Go away.|Leave and never come back.|Do us all a favour and log off.]",
    "Only a {insult} like you could write such a {badadj} {thing_said}.",
    "How {badadj} can you be? My {pet} has more brains than you, you {insult}.",
    "{threat}, you {insult}.",
    "Look at this {insult}. [He thinks|She thinks] that this {badadj} {thing_said} is [clever|funny|worth our time].",
    "You {badadj} {insult}, [can you even read|did you ever finish school|who taught you to think]?",
    "Your {thing_said} is {badadj}, your {thing_said} is {badadj}, and you are a {insult}.",
    "Nobody likes you. [Not even your own friends|Not your neighbours|Nobody in this whole forum] can stand you, {insult}.",
    "What a {badadj} {thing_said}. You should be ashamed of yourself, you {insult}.",
    "{name} is a {insult} too, and so is everyone who agrees with that {badadj} {thing_said}.",
    "Do not bother to answer, {insult}. I will only laugh at you again.",
    "People like you make me sick. You ruin every {thing_said} you touch, you {badadj} {insult}.",
    "Cry about it, {insult}. [You lost|You were wrong|You always lose], and {threat}.",
    "I said it before and I say it again: you are a {badadj} {insult} with a {badadj} {thing_said}.",
)
CALMER = (
    "Can we please go back to the {hobby} now?",
    "I only asked about the {tool}, that is all.",
    "The moderators should close this thread before {weekday}.",
    "This started with a simple question about {hobby} in {town}.",
    "It was a {adj_good} {daytime} until I opened this page.",
)
AD_PROSE = (
    "Are you tired of paying too much for {ware}? [Then you have come to the right place!|Look no further!|Your search ends here!]",
    "Our {wow} {ware} will help you {result}, [guaranteed|in just {w#2-9} days|without any effort], or your money back!",
    "Thousands of happy customers already {call} and enjoy the {hype} {ware} in {town}.",
    "{hype} {ware} at {hype} prices: {call}, {call}, {call}!",
    "Doctors hate this {wow} trick that lets you {result} while you sleep!",
    "This {wow} offer ends in {#2-59} minutes, so {call} before it is gone forever!",
    "We are the {hype} supplier of {hype} {ware} and {hype} {ware} in {town} and worldwide.",
    "[Sign up|Register|Join] now, {call} and receive {#10-90}% off all {hype} {ware}!",
    "What {name} did next is {wow}: with our {ware} anybody can {result}!",
    "No questions asked, no hidden fees, only {hype} {ware}, {hype} service and {wow} results!",
    "You will not believe these {#5-30} {wow} ways to {result}. Number {#2-9} is {wow}!",
    "Our {ware} reviews say it all: {wow}, {wow}, {hype}, {call}!",
    "{call}! {call}! The {hype} {ware} of {town} are {wow} and {hype}.",
    "With one click you {result}, and {name} from {town} earned {#200-9000} dollars by sharing the link.",
)
_SHORT = (
    "This page about {hobby} in {town} is under construction.",
    "Coming soon: {food} by {person}.",
    "The {shop} in {town} is open on {weekday} from {w#7-11} to {w#2-6}.",
    "{person} has moved from {town} to {town}.",
    "Photo {#100-9999}: a {object} in {town}, {month}.",
    "No entries for {weekday}, {#1-28} {month}, in {town}.",
)
_LOREM = words(
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat duis aute irure in reprehenderit voluptate velit esse cillum fugiat nulla pariatur excepteur sint occaecat cupidatat non proident sunt culpa qui officia deserunt mollit anim id est laborum"
)
_ONSETS = words("b br c d dr f fl g gr h j k kl l m n p pl r s sk st t tr v w x z zh")
_RIMES = words("a ak am an ap e eb ex el i ib ix ol o op or u ug un uz y")

GRAMMAR = Grammar(JUNK_LEXICON)


def _keywords(rng: Random) -> list[str]:
    wares = pick(rng, JUNK_LEXICON["ware"], 3)
    lines = []
    for _ in range(rng.randint(3, 6)):
        keywords: list[str] = []
        for _ in range(rng.randint(15, 30)):
            keywords += [
                rng.choice(JUNK_LEXICON["hype"]),
                rng.choice(wares),
                rng.choice((rng.choice(TOWNS), "online", "2026", "buy", "sale", "near me")),
            ]
        lines.append(" ".join(keywords))
    return lines


def _gibberish(rng: Random) -> list[str]:
    def word() -> str:
        return "".join(rng.choice(_ONSETS) + rng.choice(_RIMES) for _ in range(rng.randint(1, 4)))

    def sentence() -> str:
        return " ".join(word() for _ in range(rng.randint(5, 14))).capitalize() + "."

    return [
        " ".join(sentence() for _ in range(rng.randint(4, 8))) for _ in range(rng.randint(3, 6))
    ]


def _repetition(rng: Random) -> list[str]:
    sentences = [GRAMMAR.expand(t, rng, {}) for t in pick(rng, AD_PROSE, 2)]
    return [
        " ".join(rng.choice(sentences) for _ in range(rng.randint(4, 8)))
        for _ in range(rng.randint(3, 7))
    ]


def _lorem(rng: Random) -> list[str]:
    def sentence() -> str:
        return " ".join(rng.choice(_LOREM) for _ in range(rng.randint(6, 16))).capitalize() + "."

    first = "Lorem ipsum dolor sit amet, consectetur adipiscing elit."
    return [
        " ".join([first, *(sentence() for _ in range(rng.randint(3, 6)))])
        for _ in range(rng.randint(2, 5))
    ]


def _listing(rng: Random) -> list[str]:
    ware = rng.choice(JUNK_LEXICON["ware"])
    return [
        f"{rng.choice(TOWNS)} {ware} {rng.choice(JUNK_LEXICON['hype'])} {rng.randint(100, 99999)}-{rng.randint(10, 99)} {rng.choice(JUNK_LEXICON['call'])}"
        for _ in range(rng.randint(25, 50))
    ]


def _advertising(rng: Random) -> list[str]:
    templates = pick(rng, AD_PROSE, rng.randint(9, 13))
    third = len(templates) // 3
    groups = [templates[:third], templates[third : 2 * third], templates[2 * third :]]
    return [paragraph(GRAMMAR, rng, {}, group) for group in groups]


_SPAM = (_keywords, _gibberish, _repetition, _lorem, _listing, _advertising, _advertising)
_LANGUAGE = {_gibberish: None, _lorem: "la"}


def write_spam(rng: Random) -> Document:
    """One of six forms of spam."""
    form = rng.choice(_SPAM)
    title = GRAMMAR.expand("{hype} {ware} {town} {call}", rng, {})
    return Document(title, [("p", text) for text in form(rng)], language=_LANGUAGE.get(form, "en"))


def write_abuse(rng: Random) -> Document:
    """A forum thread that is mostly insults (none of them about what somebody is born as)."""
    abuse = pick(rng, ABUSE, rng.randint(9, 14))
    calm = pick(rng, CALMER, rng.randint(1, 3))
    sentences = abuse + calm
    rng.shuffle(sentences)
    size = rng.randint(2, 4)
    groups = [sentences[i : i + size] for i in range(0, len(sentences), size)]
    posts = [("post", paragraph(GRAMMAR, rng, {}, group)) for group in groups]
    names = [f"{rng.choice(LEXICON['name']).lower()}{rng.randint(1, 999)}" for _ in range(3)]
    title = GRAMMAR.expand("[Re: |]{hobby} in {town}[ again| thread|]", rng, {})
    return Document(title, posts, authors=names)


def write_short(rng: Random) -> Document:
    """A page that says next to nothing."""
    text = GRAMMAR.expand(rng.choice(_SHORT), rng, {})
    return Document(GRAMMAR.expand("[Notice|Page {#2-90}|{town}]", rng, {}), [("p", text)])
