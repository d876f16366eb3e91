# ruff: noqa: RUF001 - words and punctuation of many scripts are the content of this file
"""Words and sentence ends of a text, and the small words that give a language away.

A word is a run of non-blank characters (the Gopher paper leaves "word" open; Dolma and CS336 split at
blanks too, datatrove tokenises with spaCy and so counts punctuation apart). Scripts written without
blanks would make one giant word of a sentence: there every character (with its combining marks) is a
word of its own. Linear.
"""

import re

# As classes of a regular expression.
CHINESE_AND_KANA = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Characters that are words of their own."""

UNSPACED_SCRIPTS = (
    ("\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46", "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"),  # Thai
    ("\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6", "\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"),  # Lao
    ("\u1000-\u102a\u103f", "\u102b-\u103e"),  # Myanmar
    ("\u1780-\u17b3", "\u17b4-\u17d3"),  # Khmer
)
"""Letters that are words together with the marks behind them, and these marks."""

_UNSPACED = re.compile(
    "|".join([f"[{CHINESE_AND_KANA}]", *(f"[{a}][{b}]*" for a, b in UNSPACED_SCRIPTS)])
)

_UNSPACED_BLOCKS = re.compile("[\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u9fff\uf900-\ufaff]")

UNSPACED_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "my", "km"})
"""Languages written without blanks: no mean word length, no stop words."""

TERMINAL_PUNCTUATION = tuple(".?!\"'”’…»。！？」।؟")
"""What a finished line ends in by C4's rule, in several scripts."""

SENTENCE_TERMINALS = (
    "\u0021\u002e\u003f\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0837\u0839\u083d\u083e\u0964"
    "\u0965\u104a\u104b\u1362\u1367\u1368\u166e\u1735\u1736\u17d4\u17d5\u1803\u1809\u1944\u1945"
    "\u1aa8-\u1aab\u1b4e\u1b4f\u1b5a\u1b5b\u1b5e\u1b5f\u1b7d-\u1b7f\u1c3b\u1c3c\u1c7e\u1c7f\u2024"
    "\u203c\u203d\u2047-\u2049\u2cf9-\u2cfb\u2e2e\u2e3c\u2e53\u2e54\u2e60\u2e61\u3002\ua4ff\ua60e"
    "\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d-\uaa5f\uaaf0\uaaf1\uabeb"
    "\ufe12\ufe15\ufe16\ufe52\ufe56\ufe57\uff01\uff0e\uff1f\uff61\U00010a56\U00010a57"
    "\U00010f55-\U00010f59\U00010f86-\U00010f89\U00011047\U00011048\U000110be-\U000110c1"
    "\U00011141-\U00011143\U000111c5\U000111c6\U000111cd\U000111de\U000111df\U00011238\U00011239"
    "\U0001123b\U0001123c\U000112a9\U000113d4\U000113d5\U0001144b\U0001144c\U000115c2\U000115c3"
    "\U000115c9-\U000115d7\U00011641\U00011642\U0001173c-\U0001173e\U00011944\U00011946\U00011a42"
    "\U00011a43\U00011a9b\U00011a9c\U00011c41\U00011c42\U00011ef7\U00011ef8\U00011f43\U00011f44"
    "\U00016a6e\U00016a6f\U00016af5\U00016b37\U00016b38\U00016b44\U00016d6e\U00016d6f\U00016e98"
    "\U0001bc9f\U0001da88"
)
"""What ends a sentence in any script: Unicode's property Sentence_Terminal, without quotes."""

EDGE_PUNCTUATION = ".,;:!?\"'()[]{}«»“”‘’„¿¡…。、।،؟"
"""What may cling to a word."""

BULLETS = tuple("•-‣◦⁃*")
"""What a line of a list begins with."""

ELLIPSES = ("...", "…")
"""What an unfinished line ends in."""

SENTENCE_STOPS = ".!?…"
"""What ends a sentence where a blank follows, or closing punctuation and a blank."""

CLOSERS = "\"'”’)]»"
"""Closing punctuation."""

MAX_CLOSERS = 3
"""So many may stand between the end of a sentence and the blank."""

FULL_STOPS = "。！？।؟"
"""What ends a sentence whatever follows."""

_CLOSED = rf"[{re.escape(CLOSERS)}]{{0,{MAX_CLOSERS}}}"
SENTENCE_END = re.compile(rf"[{SENTENCE_STOPS}]{_CLOSED}(?=\s|$)|[{FULL_STOPS}]{_CLOSED}")
"""The end of a sentence, with the closing punctuation behind it."""

JAVASCRIPT = "javascript"
"""A line with it is about scripts (C4)."""

POLICY_PHRASES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
"""A line with one of these is no content (C4)."""

MAX_CITATION_DIGITS = 9
"""Digits of a citation mark such as [12]."""

LOREM_IPSUM = "lorem ipsum"
"""A page with it is placeholder text (C4)."""

GOPHER_STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
"""Table A1 of Gopher (arXiv 2112.11446): a page of English prose holds at least two of them."""

_FUNCTION_WORDS = {
    "en": "the of and to in is that it for was with as on are by this be from at have not or you they which",
    "de": "der die und das in zu den von mit ist nicht ein eine auf dem sich für im auch es des als an wird sind",
    "fr": "le la les de des et en du un une est pour dans que qui il elle sur au par ce pas plus avec sont",
    "es": "el la los de en que y un una por con para del se las no es su lo como más al pero sus está muy",
    "it": "il di che e la in un per è del non una con sono le dei si da al nel della anche come più gli",
    "pt": "o de que e do da em um para com não uma os no se na por mais as dos como mas ao ele à são você",
    "nl": "de het een en van in is dat op te zijn voor met niet die aan er ook als om maar bij ik naar wordt",
    "sv": "och att det i en som på är av för med den till inte har de om ett jag var men vi från sig kan",
    "da": "og at det i en som på er af for med den til ikke har de om et jeg var men vi fra sig kan blev af nogle",
    "no": "og at det i en som på er av for med den til ikke har de om et jeg var men vi fra seg kan ble noen",
    "fi": "ja on ei se että hän oli en ovat joka mutta kun myös niin ole tämä minä mitä kuin sen hänen sitä olen",
    "pl": "w i na się nie z do to że jest o jak ale po co za tak od jego przez był dla czy są tym mnie",
    "cs": "a se v na je že to s z do o i jako ale jsem by jsou pro za si od byl jeho také tak ve když",
    "sk": "a sa v na je že to s z do o aj ako ale som by sú pre za si od bol jeho tiež tak vo keď nie",
    "tr": "ve bir bu da de için çok ile o ne gibi ben daha kadar sonra değil olarak var ama en mi olan her",
    "ro": "și de a în la cu că nu o un pe este pentru din care mai să se au dar sunt am fost ce lui",
    "hu": "a az és hogy nem is egy ez van volt meg de csak ha már mint azt el még én nagyon kell vagy lesz",
    "ca": "el la els de que i en un una per amb no és del les al com més però va seva aquest són als",
    "gl": "o a os de que e en un unha por con para do da non é as dos máis como ao na no se foi",
    "id": "yang di dan ini itu dengan untuk tidak dari dalam adalah akan pada saya ada ke dia kami bisa juga",
    "vi": "là và của có không được người trong cho một các những đã với này tôi đó để khi anh",
    "af": "die van en het is in 'n dat nie te op vir met wat aan sy hy ek sal was om hulle kan ook",
    "la": "et in est non ad ut cum qui quod sed ex per si a ab esse sunt aut quam eius hoc ac",
    "lb": "de den an a vun d an ass mat dat op eng fir en net ech huet ze och sech gëtt dass hien",
    "ru": "и в не на что с он как это я по но его к из у за от так же все она было только был",
    "uk": "і в не на що з він як це я та до його у за від так же все вона було є але для про",
    "bg": "и в не на че с той как това е да се за от са по но като ще си има беше му ли",
    "sr": "и у не на да се је са он као то су за од што али би са њега није био ће који",
    "mk": "и во не на дека се е со тој како тоа да за од што но ќе си има беше му ги не сум",
    "be": "і ў не на што з ён як гэта я па але яго да у за ад так жа усё яна было быў",
    "hi": "है हैं में के की का को से और नहीं यह पर भी ने कि हो था एक कर लिए वह",
    "mr": "आहे आहेत आणि नाही मी तो ती ते हा ही हे या व पण होते होता काय एक मला तुम्ही",
    "ne": "छ हो छन् र गर्न मा को ले लाई भएको थियो पनि यो म उनी गरेको तर भने छैन हुन्छ",
    "ar": "في من على أن إلى هذا لا ما كان هو التي عن مع لم هذه الذي قد هل كل ذلك",
    "fa": "و در به از که این را با است برای آن یک خود تا کرد بر هم نیز می ها شد",
    "ur": "ہے کے میں کی کا اور سے کو نے ہیں پر یہ اس کہ نہیں بھی تھا ہو ایک وہ",
}

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _FUNCTION_WORDS.items()
}
"""About two dozen of the most frequent words of each language, lower-case."""


def split_words(text: str) -> list[str]:
    """Split at blanks, and between the characters of scripts that use none."""
    if text.isascii() or _UNSPACED_BLOCKS.search(text) is None:
        return text.split()
    return _UNSPACED.sub(r" \g<0> ", text).split()


def stop_words(language: str) -> frozenset[str] | None:
    """The stop words expected in a page of this language, or None where we know none."""
    if language == "en":
        return GOPHER_STOP_WORDS
    return FUNCTION_WORDS.get(language)
