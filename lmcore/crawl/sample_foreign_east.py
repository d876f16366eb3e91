"""Words and sentences of the sample pages in Polish, Russian, Chinese and Japanese."""

from lmcore.crawl.sample_foreign_west import Foreign
from lmcore.crawl.sample_grammar import phrases

_PL: Foreign = (
    {
        "imie": phrases(
            "Łucja, Piotr, Małgorzata, Stanisław, Zofia, Wojciech, Agnieszka, Józef, Hanna, Kazimierz, Bożena, Tomasz"
        ),
        "gdziem": phrases(
            "w Zielonej Górce, w Starym Młynie, w Nowym Dworze, w Białym Brzegu, w Lipowej, w Kamiennej, w Dębinie, w Źródlanej"
        ),
        "kto": phrases(
            "stary piekarz, młody leśnik, nasz sąsiad, rybak z wyspy, wiejski lekarz, ogrodnik, dziadek, listonosz, kowal, nauczyciel muzyki"
        ),
        "co": phrases(
            "zardzewiały klucz, starą książkę, list bez adresu, koszyk grzybów, niebieski kapelusz, nowy rower, mały obraz, mapę, skrzypce"
        ),
        "gdzie": phrases(
            "w lesie, nad rzeką, na rynku, w kuchni, za kościołem, obok dworca, w ogrodzie, pod starym dębem, przy młynie"
        ),
        "kiedy": phrases(
            "rano, jesienią, dawno temu, w niedzielę, po deszczu, wiosną, podczas wakacji, pod wieczór, zeszłej zimy"
        ),
        "jak": phrases("spokojnie, trudno, wesoło, zwyczajnie, pięknie, dziwnie, zimno, wygodnie"),
        "jedzenie": phrases(
            "świeży chleb, zupę grzybową, szarlotkę, biały ser, pieczoną rybę, pierogi z kapustą, ciasto ze śliwkami"
        ),
        "rzeczy": phrases(
            "jabłka, orzechy, książki, kwiaty, zioła, ptaki, stare opowieści, zdjęcia, znaczki"
        ),
    },
    (
        "Dzień {gdziem}",
        "{imie} opowiada",
        "Wiadomości z okolicy",
        "Spacer: {gdzie}",
        "{rzeczy} i {rzeczy}",
    ),
    (
        "{kiedy} {kto} spacerował {gdzie} i znalazł {co}.",
        "{imie} i {imie} mieszkają {gdziem} od [trzech|siedmiu|dwunastu|dwudziestu] lat, bo żyje się tam {jak}.",
        "{kto} kupił {co}, chociaż [miał mało pieniędzy|nikt o to nie prosił|było już późno].",
        "Nikt nie wiedział, dlaczego {kto} czekał {gdzie} [na deszczu|z walizką|bez płaszcza|od samego świtu].",
        "{gdziem} {kiedy} jada się {jedzenie} i wszyscy są zadowoleni.",
        "Widzieliśmy {gdzie} {rzeczy} i {rzeczy}, a to była [niespodzianka|wielka rzadkość|radość dla wszystkich].",
        "„Jutro będzie lepsza pogoda”, powiedział {kto} i spojrzał [w niebo|na chmury|przez okno].",
        "Żeby przygotować {jedzenie}, potrzeba cierpliwości, dobrych składników i [godziny czasu|gorącego pieca|pół dnia].",
        "Dawniej żyło się {gdzie} {jak}, a dziś jest tam po prostu {jak}.",
        "{imie} chce {kiedy} pojechać w góry, żeby znaleźć {co}.",
        "Dzieci bawiły się {gdzie}, kiedy {kto} przygotowywał {jedzenie}.",
        "Nie wolno zapominać, że {rzeczy} to [prawdziwy skarb|część naszej historii|nie wszystko|wspólna własność].",
        "Gdy zapadła noc, {gdzie} słychać było [cichą muzykę|bicie dzwonów|głos sowy|szum wody].",
        "{kto} zna każdą drogę w okolicy, bo {kiedy} zawsze coś się tam dzieje.",
        "Minęło [pięć|sześć|siedem|dziesięć] tygodni, zanim {kto} naprawił {co}.",
        "Gmina postanowiła zbudować {gdzie} [most|szkołę|muzeum|plac zabaw].",
        "Może {imie} wróci {kiedy} i przyniesie {co}.",
        "Kto lubi {rzeczy}, ten {gdzie} na pewno znajdzie [przyjaciela|szczęście|odpowiedź|coś nowego].",
        "To był dzień, którego {imie} nie zapomni, a {kto} myślał tak samo.",
        "Na koniec wszyscy byli szczęśliwi, a {kto} podał gościom {jedzenie}.",
    ),
)
_RU: Foreign = (
    {
        "name": phrases(
            "Анна, Пётр, Мария, Николай, Ольга, Сергей, Татьяна, Алексей, Елена, Фёдор, Надежда, Григорий"
        ),
        "town": phrases(
            "в Берёзовке, в Старом Городе, в Заречье, в Сосновке, в Каменке, в Дубровке, в Озёрном, в Ключах"
        ),
        "who": phrases(
            "старый пекарь, молодой лесник, наш сосед, рыбак с острова, сельский врач, садовник, дедушка, почтальон, кузнец, учитель музыки"
        ),
        "what": phrases(
            "ржавый ключ, старую книгу, письмо без адреса, корзину грибов, синюю шляпу, новый велосипед, маленькую картину, карту, скрипку"
        ),
        "where": phrases(
            "в лесу, у реки, на рынке, на кухне, за церковью, возле вокзала, в саду, под старым дубом, около мельницы"
        ),
        "when": phrases(
            "утром, осенью, много лет назад, в воскресенье, после дождя, весной, во время каникул, под вечер, прошлой зимой"
        ),
        "how": phrases("спокойно, трудно, весело, просто, красиво, странно, холодно, удобно"),
        "food": phrases(
            "свежий хлеб, грибной суп, яблочный пирог, домашний сыр, жареную рыбу, блины с мёдом, кашу с ягодами"
        ),
        "things": phrases(
            "яблоки, орехи, книги, цветы, травы, птицы, старые сказки, фотографии, марки"
        ),
    },
    (
        "Один день {town}",
        "Рассказывает {name}",
        "Новости нашего края",
        "Прогулка {where}",
        "{things} и {things}",
    ),
    (
        "{when} {who} гулял {where} и нашёл {what}.",
        "{name} и {name} живут {town} уже [пять|семь|двенадцать|двадцать] лет, потому что там живётся {how}.",
        "{who} купил {what}, хотя [денег было мало|никто об этом не просил|было уже поздно].",
        "Никто не знал, почему {who} ждал {where} [под дождём|с чемоданом|без пальто|с самого утра].",
        "{when} {town} готовят {food}, и все остаются довольны.",
        "Мы увидели {where} то, что любят все: это {things} и {things}, [большая редкость|радость для детей|настоящее чудо].",
        "«Завтра погода будет лучше», сказал {who} и посмотрел [на небо|на облака|в окно].",
        "Чтобы приготовить {food}, нужны терпение, хорошие продукты и [один час|горячая печь|половина дня].",
        "Раньше {where} было {how}, а теперь там совсем не так {how}.",
        "{name} хочет {when} поехать в горы, чтобы найти {what}.",
        "Дети играли {where}, пока {who} готовил {food}.",
        "Нельзя забывать, что {things} — это [настоящее богатство|часть нашей истории|ещё не всё|дело вкуса].",
        "Когда стемнело, {where} было слышно [тихую музыку|звон колоколов|крик совы|шум воды].",
        "{who} знает здесь каждую дорогу, ведь {when} тут всегда что-нибудь происходит.",
        "Прошло [пять|шесть|семь|десять] недель, прежде чем {who} починил {what}.",
        "Жители решили построить {where} [мост|школу|музей|детскую площадку].",
        "Может быть, {name} вернётся {when} и привезёт {what}.",
        "Кому нравятся {things}, тот {where} обязательно найдёт [друга|своё счастье|ответ|что-то новое].",
        "Этот день {name} не забудет никогда, и {who} думает так же.",
        "В конце концов все были счастливы, и {who} предложил гостям {food}.",
    ),
)
_ZH: Foreign = (
    {
        "name": phrases("小明, 李华, 王芳, 张伟, 陈静, 刘洋, 赵敏, 孙丽, 周强, 吴兰"),
        "town": phrases("青山镇, 柳河村, 东湖市, 石桥镇, 梅花村, 白云县, 南岸, 古城"),
        "who": phrases("老面包师, 年轻的老师, 园丁, 邻居, 渔夫, 小女孩, 医生, 奶奶, 邮递员, 木匠"),
        "what": phrases(
            "一把旧钥匙, 一本古书, 一封没有名字的信, 一篮樱桃, 一顶蓝帽子, 一辆新自行车, 一幅画, 一张地图, 一把小提琴"
        ),
        "where": phrases(
            "在森林里, 在河边, 在市场上, 在厨房里, 在寺庙后面, 在车站旁边, 在花园里, 在大树下, 在桥上"
        ),
        "when": phrases(
            "早上, 秋天的时候, 很多年以前, 星期天, 下雨之后, 春天, 放假的时候, 傍晚, 去年冬天"
        ),
        "adj": phrases("安静, 困难, 快乐, 简单, 有用, 美丽, 奇怪, 有名, 舒服"),
        "food": phrases("新鲜的面包, 蘑菇汤, 苹果派, 红烧鱼, 炒饭, 饺子, 豆腐和青菜"),
        "things": phrases("苹果, 核桃, 书, 花, 药草, 鸟, 古老的故事, 照片, 邮票"),
    },
    ("{town}的一天", "{name}的故事", "{town}新闻", "关于{things}和{things}", "{when}的散步"),
    (
        "{when}，{who}{where}散步，发现了{what}。",
        "{name}和{name}在{town}住了[三|七|十二|二十]年，因为那里的生活很{adj}。",
        "{who}买了{what}，虽然[他没有多少钱|没有人要他买|时间已经很晚了]。",
        "谁也不知道为什么{who}{where}等了[一整天|两个小时|那么久]。",
        "{town}的人{when}喜欢吃{food}，大家都很满意。",
        "我们{where}看到了{things}和{things}，这真是[一个惊喜|很少见的事|让人高兴]。",
        "“明天的天气会更好，”{who}一边说，一边看着[天空|云|窗外]。",
        "要做{food}，需要耐心、好的材料和[一个小时|热的炉子|半天时间]。",
        "以前{where}的日子很{adj}，现在却更加{adj}了。",
        "{name}想{when}去{town}，在那里寻找{what}。",
        "孩子们{where}玩耍的时候，{who}正在准备{food}。",
        "我们不应该忘记，{things}是[大家的宝贝|历史的一部分|很容易坏的|非常重要的]。",
        "天黑以后，{where}可以听到[轻轻的音乐|钟声|猫头鹰的叫声|流水的声音]。",
        "{who}认识{town}和{town}之间的每一条路，因为{when}总会发生一些事情。",
        "{name}用了[两|四|五|十]个星期才修好{what}。",
        "{town}决定{where}建[一座桥|一所学校|一个博物馆|一个图书馆]。",
        "也许{name}{when}会回来，并且带来{what}。",
        "喜欢{things}的人，{where}一定能找到[朋友|幸福|答案|新的东西]。",
        "{name}说，那是{adj}的一天，{who}也这么想。",
        "最后大家都很高兴，{who}请所有的人吃{food}。",
    ),
)
_JA: Foreign = (
    {
        "name": phrases("太郎, 花子, 健一, 美咲, 直樹, さくら, 大輔, 由美, 翔太, あかり"),
        "town": phrases("青山町, 柳川村, 東湖市, 石橋町, 梅の里, 白雲村, 南浜, 古城町"),
        "who": phrases(
            "年老いたパン屋さん, 若い先生, 庭師, 隣の人, 漁師, 小さな女の子, お医者さん, おばあさん, 郵便屋さん, 大工さん"
        ),
        "what": phrases(
            "古い鍵, 昔の本, 名前のない手紙, さくらんぼのかご, 青い帽子, 新しい自転車, 小さな絵, 地図, バイオリン"
        ),
        "where": phrases(
            "森の中で, 川のそばで, 市場で, 台所で, お寺の裏で, 駅の前で, 庭で, 大きな木の下で, 橋の上で"
        ),
        "when": phrases(
            "朝早く, 秋になると, 何年も前に, 日曜日に, 雨のあとで, 春に, 休みの間に, 夕方, 去年の冬に"
        ),
        "adj": phrases(
            "静かな, 難しい, 楽しい, 簡単な, 役に立つ, 美しい, 不思議な, 有名な, 便利な"
        ),
        "food": phrases(
            "焼きたてのパン, きのこの汁, りんごのケーキ, 焼き魚, おにぎり, うどん, 豆腐と野菜"
        ),
        "things": phrases("りんご, くるみ, 本, 花, 薬草, 鳥, 古い物語, 写真, 切手"),
    },
    ("{town}の一日", "{name}の話", "{town}のニュース", "{things}と{things}について", "{adj}散歩"),
    (
        "{when}、{who}は{where}{what}を見つけました。",
        "{name}と{name}は{town}に[三|七|十二|二十]年住んでいます。そこは{adj}町だからです。",
        "{who}は{what}を買いましたが、[お金はあまりありませんでした|誰にも言いませんでした|もう遅い時間でした]。",
        "なぜ{who}が{where}[一日中|二時間も|ずっと]待っていたのか、誰も知りませんでした。",
        "{town}では{when}{food}を食べます。みんなとても喜びます。",
        "私たちは{where}{things}と{things}を見ました。それは[思いがけないこと|珍しいこと|うれしいこと]でした。",
        "「明日はもっといい天気になるでしょう」と{who}は[空|雲|窓の外]を見ながら言いました。",
        "{food}を作るには、根気とよい材料と[一時間|熱いかまど|半日の時間]が必要です。",
        "昔は{adj}暮らしでしたが、今はもっと{adj}毎日です。",
        "{name}は{when}{town}へ行って、{what}を探したいと思っています。",
        "子どもたちが{where}遊んでいる間に、{who}は{food}を用意しました。",
        "{things}は[みんなの宝物|歴史の一部|とても大切なもの|壊れやすいもの]だということを忘れてはいけません。",
        "暗くなると、{where}[静かな音楽|鐘の音|ふくろうの声|水の音]が聞こえました。",
        "{who}は{town}と{town}の間の道を全部知っています。{when}いつも何かが起こるからです。",
        "{name}が{what}を直すのに[二|四|五|十]週間かかりました。",
        "{town}は{where}[橋|学校|博物館|図書館]を作ることに決めました。",
        "もしかすると{name}は{when}戻ってきて、{what}を持ってくるかもしれません。",
        "{things}が好きな人は、{where}きっと[友だち|幸せ|答え|新しいもの]を見つけます。",
        "それは{adj}一日だった、と{name}は言い、{who}もそう思いました。",
        "最後にはみんな幸せになり、{who}は{food}をごちそうしました。",
    ),
)

EAST: dict[str, Foreign] = {"pl": _PL, "ru": _RU, "zh": _ZH, "ja": _JA}
"""Language code to its words and sentences."""
