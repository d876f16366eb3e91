from pathlib import Path

import fasttext
import pytest

from lmcore.curate.fasttext_training import train_in_subprocess
from lmcore.curate.language import UNDETERMINED, detect, detector
from lmcore.curate.language_codes import to_code
from lmcore.curate.language_training import (
    member_files,
    read_sentences,
    train_language_model,
)
from lmcore.errors import InputError

PAGES = {
    "en": "The old lighthouse keeper walked down to the harbour every morning, and the children who played "
    "there asked him about the storms that he had seen from the tower.",
    "de": "Der alte Leuchtturmwärter ging jeden Morgen zum Hafen hinunter, und die Kinder, die dort spielten, "
    "fragten ihn nach den Stürmen, die er vom Turm aus gesehen hatte.",
    "fr": "Le vieux gardien du phare descendait chaque matin vers le port, et les enfants qui y jouaient lui "
    "demandaient de raconter les tempêtes qu'il avait vues depuis la tour.",
    "es": "El viejo guardián del faro bajaba cada mañana al puerto, y los niños que jugaban allí le "
    "preguntaban por las tormentas que había visto desde la torre.",
    "it": "Il vecchio guardiano del faro scendeva ogni mattina al porto, e i bambini che giocavano lì gli "
    "chiedevano delle tempeste che aveva visto dalla torre.",
    "pt": "O velho guardião do farol descia todas as manhãs até ao porto, e as crianças que brincavam ali "
    "perguntavam-lhe pelas tempestades que ele não tinha visto da torre.",
    "nl": "De oude vuurtorenwachter liep elke ochtend naar de haven, en de kinderen die daar speelden "
    "vroegen hem naar de stormen die hij vanaf de toren had gezien.",
    "sv": "Den gamle fyrvaktaren gick ner till hamnen varje morgon, och barnen som lekte där frågade honom "
    "om stormarna som han hade sett från tornet och inte kunde glömma.",
    "fi": "Vanha majakanvartija käveli joka aamu satamaan, ja lapset, jotka leikkivät siellä, kysyivät "
    "häneltä myrskyistä, joita hän oli nähnyt tornista.",
    "pl": "Stary latarnik schodził co rano do portu, a dzieci, które się tam bawiły, pytały go o burze, "
    "które widział z wieży i których nie mógł zapomnieć.",
    "tr": "Yaşlı fener bekçisi her sabah limana inerdi ve orada oynayan çocuklar ona kuleden gördüğü "
    "fırtınaları sorarlardı, çünkü bu hikâyeler çok güzeldi.",
    "ru": "Старый смотритель маяка каждое утро спускался в гавань, и дети, которые там играли, спрашивали "
    "его о бурях, которые он видел с башни.",
    "uk": "Старий доглядач маяка щоранку спускався до гавані, і діти, які там гралися, питали його про "
    "бурі, що він бачив з вежі.",
    "zh": "老灯塔看守人每天早晨都走到港口，在那里玩耍的孩子们问他从塔上看到过的暴风雨。",
    "ja": "年老いた灯台守は毎朝港へ下りて行き、そこで遊んでいた子どもたちは塔から見た嵐について尋ねました。",
    "ko": "늙은 등대지기는 매일 아침 항구로 내려갔고, 그곳에서 놀던 아이들은 그가 탑에서 본 폭풍에 대해 물었다.",
    "ar": "كان حارس المنارة العجوز ينزل إلى الميناء كل صباح، وكان الأطفال الذين يلعبون هناك يسألونه عن العواصف.",
    "el": "Ο γέρος φαροφύλακας κατέβαινε κάθε πρωί στο λιμάνι και τα παιδιά τον ρωτούσαν για τις καταιγίδες.",
    "he": "שומר המגדלור הזקן ירד כל בוקר אל הנמל, והילדים ששיחקו שם שאלו אותו על הסערות שראה.",
    "hi": "बूढ़ा प्रकाशस्तंभ रक्षक हर सुबह बंदरगाह पर जाता था और वहाँ खेलने वाले बच्चे उससे तूफानों के बारे में पूछते थे।",
    "th": "คนเฝ้าประภาคารชราเดินลงไปที่ท่าเรือทุกเช้า และเด็กที่เล่นอยู่ที่นั่นถามเขาเรื่องพายุ",
}


@pytest.mark.parametrize("language", sorted(PAGES))
def test_detect_prose_of_a_language_is_named_with_a_high_score(language: str) -> None:
    detected, score = detect(PAGES[language])
    assert detected == language
    assert 0.65 <= score <= 1.0


@pytest.mark.parametrize("text", ["", " \n ", "123 456 --- 7.8 €"])
def test_detect_without_letters_is_undetermined(text: str) -> None:
    assert detect(text) == (UNDETERMINED, 0.0)


@pytest.mark.parametrize(
    "text",
    ["xq zv jk 33 wr pft lk mm XXL", "sdf lkj wer oiu xcv mnb qwe poi zxc", "SELECT a, b FROM t"],
)
def test_detect_without_prose_scores_low(text: str) -> None:
    assert detect(text)[1] < 0.65


def test_detect_english_page_with_a_chinese_name_stays_english() -> None:
    assert detect(PAGES["en"] + " It was called 灯塔 (lighthouse).")[0] == "en"


@pytest.mark.parametrize("other", ["el", "he", "th", "zh"])
def test_detect_page_half_in_another_script_is_no_page_of_either(other: str) -> None:
    quarter = len(PAGES["en"]) * 3 // 4 // (3 if other == "zh" else 1)
    mixed = PAGES["en"] + " " + (PAGES[other] * 3)[:quarter]
    _, score = detect(mixed)
    assert score < 0.65
    language, score = detect(f"{PAGES['en']} {PAGES['en']} {PAGES[other][:12]}")
    assert language == "en"
    assert score > 0.65


def test_detect_blanks_and_newlines_change_nothing() -> None:
    assert detect(PAGES["de"].replace(" ", "\n\n ")) == detect(PAGES["de"])


@pytest.fixture(scope="module")
def lid_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lid")
    lines = [
        f"__label__{language} {PAGES[language]}"
        for language in ("en", "de", "fr")
        for _ in range(40)
    ]
    (folder / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    # ten threads fill the whole matrix: fastText initialises a tenth per thread
    model = fasttext.train_supervised(
        str(folder / "train.txt"),
        dim=8,
        epoch=20,
        minn=2,
        maxn=3,
        bucket=1000,
        thread=10,
        verbose=0,
    )
    model.save_model(str(folder / "lid.bin"))
    return folder / "lid.bin"


def test_detector_with_a_fasttext_model_reads_past_newlines(lid_model: Path) -> None:
    detect_with_model = detector(lid_model)
    for language in ("en", "de", "fr"):
        # the first line alone says nothing: only a reader of the whole page can tell
        detected, score = detect_with_model("123\n\n" + PAGES[language].replace(" ", "\n"))
        assert detected == language
        assert 0.0 < score <= 1.0


def test_detector_with_a_fasttext_model_empty_text_is_undetermined(lid_model: Path) -> None:
    assert detector(lid_model)(" \n") == (UNDETERMINED, 0.0)


def test_detector_with_a_quantised_model_names_languages_as_rules_do(
    lid_model: Path, tmp_path: Path
) -> None:
    text = tmp_path / "train.txt"
    lines = (lid_model.parent / "train.txt").read_text(encoding="utf-8")
    for short, long in (("en", "eng_Latn"), ("de", "deu_Latn"), ("fr", "fra")):
        lines = lines.replace(f"__label__{short} ", f"__label__{long} ")
    text.write_text(lines, encoding="utf-8")
    settings = {"dim": 8, "epoch": 20, "minn": 2, "maxn": 3, "bucket": 2000}
    train_in_subprocess(text, tmp_path / "lid.bin", settings)
    model = fasttext.load_model(str(tmp_path / "lid.bin"))
    model.quantize(input=str(text), retrain=False, cutoff=500, verbose=0)
    model.save_model(str(tmp_path / "lid.ftz"))
    for language in ("en", "de", "fr"):
        assert detector(tmp_path / "lid.ftz")(PAGES[language])[0] == language
    assert [to_code(label) for label in ("zh", "cmn_Hans", "bho")] == ["zh", "zh", "bho"]


def test_trained_language_model_repeats_names_languages_and_is_read_by_fasttext(
    tmp_path: Path,
) -> None:
    sentences = []
    for language, three in (("en", "eng"), ("de", "deu"), ("fr", "fra"), ("ru", "rus")):
        words = PAGES[language].split()
        sentences += [(" ".join(words[i : i + 6]), three) for i in range(min(len(words) - 6, 60))]
    sentences.append(("solus", "lat"))  # too few to learn from
    settings = {"dim": 8, "epoch": 15, "lr": 0.5, "minn": 1, "maxn": 3, "bucket": 5000}
    for name in ("a", "b"):
        train_language_model(sentences, tmp_path / name, settings)
    files = member_files(tmp_path / "a")
    assert [path.name for path in files] == ["language_0.bin", "language_1.bin"]
    for path in files:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    detect_with_trained = detector(None, files)
    for language in ("en", "de", "fr", "ru"):
        detected, score = detect_with_trained(PAGES[language])
        assert detected == language
        assert score > 0.5
        theirs = fasttext.load_model(str(files[1])).predict(
            [PAGES[language].split("\n")[0].lower()]
        )
        assert to_code(theirs[0][0][0].removeprefix("__label__")) == language
    assert detect_with_trained("123") == (UNDETERMINED, 0.0)


def test_train_language_model_too_little_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 0 languages of 1"):
        train_language_model([("one text", "eng")], tmp_path)
    with pytest.raises(InputError, match="langid"):
        read_sentences([])


def test_detector_missing_or_foreign_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        detector(tmp_path / "lid.176.bin")
    (tmp_path / "text.bin").write_text("no model at all")
    with pytest.raises(InputError, match="supervised fastText"):
        detector(tmp_path / "text.bin")
