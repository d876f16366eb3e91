"""Menus, cookie banners, footers and adverts of the sample sites in every language."""

from dataclasses import dataclass

from lmcore.crawl.sample_grammar import phrases


@dataclass(frozen=True, slots=True)
class Interface:
    """The words of a site that are not its content."""

    menu: tuple[str, ...]
    cookies: tuple[str, ...]
    accept: str
    related_heading: str
    related: tuple[str, ...]
    rights: str
    legal: tuple[str, ...]
    ad_label: str
    ads: tuple[str, ...]
    newsletter: str


INTERFACES = {
    "en": Interface(
        menu=phrases(
            "Home, About us, Contact, News, Archive, Gallery, Shop, Help, Events, Log in, Sign up, Topics, Letters, Search"
        ),
        cookies=(
            "This website uses cookies to give you the best experience. By continuing you accept our cookie policy.",
            "We use cookies and similar technologies to analyse traffic and to show you relevant adverts.",
            "We value your privacy. We and our 214 partners store and access information on your device.",
        ),
        accept="Accept all",
        related_heading="You may also like",
        related=phrases(
            "Ten quiet places for the weekend, What to read this month, Letters to the editor, The best photos of the week, A short guide for beginners, Behind the scenes, From our archive, Most read this week"
        ),
        rights="All rights reserved.",
        legal=("Terms of use", "Privacy policy", "Imprint"),
        ad_label="Advertisement",
        ads=(
            "Get 20% off garden furniture today",
            "Fly south for less this winter",
            "New phones from $9 a month",
            "Compare home insurance in two minutes",
        ),
        newsletter="Subscribe to our newsletter",
    ),
    "de": Interface(
        menu=phrases(
            "Startseite, Über uns, Kontakt, Aktuelles, Archiv, Galerie, Laden, Hilfe, Termine, Anmelden"
        ),
        cookies=(
            "Diese Website verwendet Cookies. Mit der weiteren Nutzung stimmen Sie dem zu.",
            "Wir nutzen Cookies, um unser Angebot zu verbessern.",
        ),
        accept="Alle akzeptieren",
        related_heading="Das könnte Sie auch interessieren",
        related=phrases(
            "Zehn Ausflüge für das Wochenende, Briefe an die Redaktion, Bilder der Woche, Aus unserem Archiv, Tipps für Anfänger"
        ),
        rights="Alle Rechte vorbehalten.",
        legal=("Impressum", "Datenschutz", "Nutzungsbedingungen"),
        ad_label="Anzeige",
        ads=("Gartenmöbel jetzt 20 % günstiger", "Strom wechseln und sparen"),
        newsletter="Newsletter abonnieren",
    ),
    "fr": Interface(
        menu=phrases(
            "Accueil, À propos, Contact, Actualités, Archives, Galerie, Boutique, Aide, Agenda, Connexion"
        ),
        cookies=(
            "Ce site utilise des cookies. En poursuivant, vous acceptez leur utilisation.",
            "Nous utilisons des cookies pour améliorer votre visite.",
        ),
        accept="Tout accepter",
        related_heading="À lire aussi",
        related=phrases(
            "Dix promenades pour le dimanche, Courrier des lecteurs, Les photos de la semaine, Dans nos archives, Conseils aux débutants"
        ),
        rights="Tous droits réservés.",
        legal=("Mentions légales", "Confidentialité", "Conditions"),
        ad_label="Publicité",
        ads=("Meubles de jardin à -20 %", "Comparez les assurances"),
        newsletter="Abonnez-vous à notre lettre",
    ),
    "es": Interface(
        menu=phrases(
            "Inicio, Quiénes somos, Contacto, Noticias, Archivo, Galería, Tienda, Ayuda, Agenda, Entrar"
        ),
        cookies=(
            "Este sitio utiliza cookies. Si continúa navegando, acepta su uso.",
            "Usamos cookies para mejorar su experiencia.",
        ),
        accept="Aceptar todo",
        related_heading="También le puede interesar",
        related=phrases(
            "Diez paseos para el domingo, Cartas al director, Las fotos de la semana, De nuestro archivo, Consejos para principiantes"
        ),
        rights="Todos los derechos reservados.",
        legal=("Aviso legal", "Privacidad", "Condiciones"),
        ad_label="Publicidad",
        ads=("Muebles de jardín con descuento", "Compare seguros en dos minutos"),
        newsletter="Suscríbase a nuestro boletín",
    ),
    "it": Interface(
        menu=phrases(
            "Pagina iniziale, Chi siamo, Contatti, Notizie, Archivio, Galleria, Negozio, Aiuto, Eventi, Accedi"
        ),
        cookies=(
            "Questo sito utilizza i cookie. Continuando accetti il loro uso.",
            "Usiamo i cookie per migliorare la tua visita.",
        ),
        accept="Accetta tutto",
        related_heading="Potrebbe interessarti",
        related=phrases(
            "Dieci gite per la domenica, Lettere alla redazione, Le foto della settimana, Dal nostro archivio, Consigli per principianti"
        ),
        rights="Tutti i diritti riservati.",
        legal=("Note legali", "Riservatezza", "Condizioni"),
        ad_label="Pubblicità",
        ads=("Mobili da giardino in offerta", "Confronta le assicurazioni"),
        newsletter="Iscriviti alla newsletter",
    ),
    "pt": Interface(
        menu=phrases(
            "Início, Sobre nós, Contacto, Notícias, Arquivo, Galeria, Loja, Ajuda, Agenda, Entrar"
        ),
        cookies=(
            "Este site utiliza cookies. Ao continuar, aceita a sua utilização.",
            "Usamos cookies para melhorar a sua visita.",
        ),
        accept="Aceitar tudo",
        related_heading="Também lhe pode interessar",
        related=phrases(
            "Dez passeios para domingo, Cartas ao diretor, As fotos da semana, Do nosso arquivo, Conselhos para principiantes"
        ),
        rights="Todos os direitos reservados.",
        legal=("Aviso legal", "Privacidade", "Condições"),
        ad_label="Publicidade",
        ads=("Móveis de jardim com desconto", "Compare seguros em dois minutos"),
        newsletter="Subscreva o nosso boletim",
    ),
    "nl": Interface(
        menu=phrases(
            "Beginpagina, Over ons, Contact, Nieuws, Archief, Galerij, Winkel, Hulp, Agenda, Inloggen"
        ),
        cookies=(
            "Deze website gebruikt cookies. Door verder te gaan stemt u daarmee in.",
            "Wij gebruiken cookies om uw bezoek te verbeteren.",
        ),
        accept="Alles accepteren",
        related_heading="Misschien ook interessant",
        related=phrases(
            "Tien wandelingen voor de zondag, Brieven van lezers, Foto van de week, Uit ons archief, Tips voor beginners"
        ),
        rights="Alle rechten voorbehouden.",
        legal=("Colofon", "Privacy", "Voorwaarden"),
        ad_label="Advertentie",
        ads=("Tuinmeubelen nu met korting", "Vergelijk verzekeringen"),
        newsletter="Schrijf u in voor de nieuwsbrief",
    ),
    "pl": Interface(
        menu=phrases(
            "Strona główna, O nas, Kontakt, Aktualności, Archiwum, Galeria, Sklep, Pomoc, Wydarzenia, Zaloguj się"
        ),
        cookies=(
            "Ta strona używa plików cookie. Korzystając z niej, wyrażasz na to zgodę.",
            "Używamy ciasteczek, aby ulepszać nasz serwis.",
        ),
        accept="Zaakceptuj wszystko",
        related_heading="Zobacz także",
        related=phrases(
            "Dziesięć wycieczek na niedzielę, Listy do redakcji, Zdjęcia tygodnia, Z naszego archiwum, Porady dla początkujących"
        ),
        rights="Wszelkie prawa zastrzeżone.",
        legal=("Nota prawna", "Prywatność", "Regulamin"),
        ad_label="Reklama",
        ads=("Meble ogrodowe taniej o 20 %", "Porównaj ubezpieczenia"),
        newsletter="Zapisz się na biuletyn",
    ),
    "ru": Interface(
        menu=phrases(
            "Главная, О нас, Контакты, Новости, Архив, Галерея, Магазин, Помощь, События, Войти"
        ),
        cookies=(
            "Этот сайт использует файлы cookie. Продолжая, вы соглашаетесь с этим.",
            "Мы используем cookie, чтобы улучшить сайт.",
        ),
        accept="Принять все",
        related_heading="Вам может понравиться",
        related=phrases(
            "Десять прогулок на выходные, Письма читателей, Фотографии недели, Из нашего архива, Советы для начинающих"
        ),
        rights="Все права защищены.",
        legal=("Правовая информация", "Конфиденциальность", "Условия"),
        ad_label="Реклама",
        ads=("Садовая мебель со скидкой", "Сравните страховки"),
        newsletter="Подпишитесь на рассылку",
    ),
    "zh": Interface(
        menu=phrases("首页, 关于我们, 联系方式, 新闻, 档案, 图库, 商店, 帮助, 活动, 登录"),
        cookies=(
            "本网站使用小型文本文件，继续浏览即表示您同意。",
            "我们使用本地存储来改善您的体验。",
        ),
        accept="全部接受",
        related_heading="您可能还喜欢",
        related=phrases("周末的十个好去处, 读者来信, 本周图片, 往期文章, 初学者指南"),
        rights="版权所有。",
        legal=("法律声明", "隐私政策", "使用条款"),
        ad_label="广告",
        ads=("花园家具八折优惠", "两分钟比较保险"),
        newsletter="订阅我们的通讯",
    ),
    "ja": Interface(
        menu=phrases(
            "ホーム, 私たちについて, お問い合わせ, ニュース, 記録, 写真, 店, ヘルプ, 行事, ログイン"
        ),
        cookies=(
            "このサイトはクッキーを使用しています。続けると同意したことになります。",
            "より良いサービスのためにクッキーを使います。",
        ),
        accept="すべて同意する",
        related_heading="こちらもおすすめ",
        related=phrases(
            "週末の十の散歩道, 読者からの手紙, 今週の写真, 過去の記事から, 初心者への助言"
        ),
        rights="無断転載を禁じます。",
        legal=("利用規約", "個人情報保護", "運営者情報"),
        ad_label="広告",
        ads=("庭の家具が二割引", "保険を二分で比較"),
        newsletter="会報を購読する",
    ),
}

SITE_NAMES = {
    "en": phrases(
        "The Daily Lantern, Garden Post, River Notes, Open Kitchen, The Quiet Reader, Field and Fable, Maple Street Journal, Hill Country News, Workshop Weekly, The Blue Gate, Northern Review, Little Encyclopedia, Market Square, Harbor Times, Green Almanac, Family Table, Paper Boat, Stone and Tree, The Town Crier, Evening Leaf, Handmade Life, Curious Minds, Old Roads, The Reading Room"
    ),
    "de": phrases("Der Tagesbote, Gartenblatt, Heimatnachrichten, Die Lesestube, Stadt und Land"),
    "fr": phrases(
        "Le Petit Messager, La Gazette du Jardin, Les Nouvelles du Pays, Le Cahier Vert, Ville et Campagne"
    ),
    "es": phrases("El Mensajero, La Hoja Verde, Noticias del Valle, El Cuaderno, Ciudad y Campo"),
    "it": phrases(
        "Il Messaggero del Borgo, La Foglia, Notizie di Valle, Il Quaderno, Terra e Mare"
    ),
    "pt": phrases("O Mensageiro, A Folha Verde, Vale Hoje, O Caderno, Cidade e Campo"),
    "nl": phrases("De Dorpsbode, Het Groene Blad, Nieuws van de Kust, De Leeskamer, Stad en Land"),
    "pl": phrases("Goniec Codzienny, Zielony Liść, Wieści z Doliny, Czytelnia, Miasto i Wieś"),
    "ru": phrases("Утренний вестник, Зелёный лист, Новости края, Читальный зал, Город и деревня"),
    "zh": phrases("晨光日报, 绿叶周刊, 山谷新闻, 读书人, 城乡之间"),
    "ja": phrases("朝の便り, 緑の葉, 谷間新聞, 読書室, 町と里"),
}
