"""Words and sentences of the sample pages in German, French, Spanish, Italian, Portuguese, Dutch."""

from lmcore.crawl.sample_grammar import phrases

Foreign = tuple[dict[str, tuple[str, ...]], tuple[str, ...], tuple[str, ...]]
"""Lexicon, titles, sentences."""

_DE: Foreign = (
    {
        "name": phrases(
            "Anna, Peter, Jürgen, Käthe, Friedrich, Grete, Moritz, Lena, Sören, Ursula, Karl, Bärbel"
        ),
        "ort": phrases(
            "Lindau, Grünwald, Altstadt, Königsbrück, Mühlhausen, Seefeld, Bad Steben, Würzfeld, Neukirchen, Schönau"
        ),
        "nom": phrases(
            "der alte Bäcker, die junge Lehrerin, der Förster, die Nachbarin, der Müller, die Ärztin, der Gärtner, die Großmutter, der Fährmann, die Bürgermeisterin"
        ),
        "akk": phrases(
            "einen grünen Apfel, eine kleine Flöte, ein altes Buch, einen langen Brief, eine blaue Schürze, ein schönes Bild, einen Korb voller Pilze, eine Landkarte, ein Fahrrad"
        ),
        "wo": phrases(
            "im Wald, am Fluss, auf dem Marktplatz, in der Küche, hinter der Kirche, auf der Wiese, am Bahnhof, im Garten, neben der Mühle, über den Dächern"
        ),
        "wann": phrases(
            "am frühen Morgen, im Herbst, vor vielen Jahren, an einem Sonntag, nach dem Regen, im Frühling, während der Ferien, gegen Abend, im letzten Winter"
        ),
        "adj": phrases(
            "schön, ruhig, kühl, freundlich, müde, größer, fröhlich, nützlich, schwierig, billig"
        ),
        "essen": phrases(
            "frisches Brot, Kartoffelsuppe, Pflaumenkuchen, Käse mit Zwiebeln, Apfelstrudel, gebratenen Fisch, Linsen mit Spätzle"
        ),
        "dinge": phrases(
            "Äpfel, Nüsse, Bücher, Blumen, Kräuter, Schlüssel, Briefmarken, Vögel, Geschichten"
        ),
    },
    (
        "Ein Tag in {ort}",
        "{name} erzählt",
        "Neues aus {ort}",
        "Über {dinge} und {dinge}",
        "Spaziergang {wo}",
    ),
    (
        "{wann} ging {nom} {wo} spazieren und fand {akk}.",
        "{name} und {name} wohnen seit [drei|sieben|zwölf|zwanzig] Jahren in {ort}, weil es dort {adj} ist.",
        "{nom} hat {wann} {akk} gekauft, obwohl das Geld knapp war.",
        "Niemand wusste, warum {nom} {wo} stand und auf [den Zug|den Regen|seine Freunde|ein Zeichen] wartete.",
        "In {ort} gibt es {wann} {essen}, und alle Gäste sind zufrieden.",
        "Wir haben {wo} {dinge} und {dinge} gesehen, die [sehr alt|ganz neu|kaum bekannt|ziemlich selten] waren.",
        "„Das Wetter wird {adj}“, sagte {nom} und schaute {wo} nach oben.",
        "Für {essen} braucht man Geduld, gute Zutaten und [eine Stunde|den halben Tag|einen heißen Ofen].",
        "Früher war das Leben {wo} {adj}, aber heute ist es [eher|einfach nur|meistens] {adj}[, sagt {name}|].",
        "{name} möchte {wann} nach {ort} fahren, um dort {dinge} zu sammeln.",
        "Die Kinder spielten {wo}, während {nom} {essen} zubereitete.",
        "Man sollte nicht vergessen, dass {dinge} [teuer|wertvoll|empfindlich|nicht für alle da] sind.",
        "Als es dunkel wurde, hörten wir {wo} [eine leise Musik|das Läuten der Glocken|den Ruf einer Eule|das Rauschen des Wassers].",
        "{nom} kennt jeden Weg zwischen {ort} und {ort}, denn {wann} ist dort immer etwas los.",
        "Es dauerte [zwei|vier|fünf|zehn] Wochen, bis {name} {akk} endlich reparieren konnte.",
        "Außerdem hat die Gemeinde {ort} beschlossen, {wo} [eine Brücke|eine Schule|einen Spielplatz|ein Museum] zu bauen.",
        "Vielleicht kommt {name} {wann} zurück und bringt {akk} mit.",
        "Wer {dinge} liebt, der findet {wo} bestimmt [einen Freund|sein Glück|etwas Neues|eine Antwort].",
        "{name} schrieb {akk} auf die Liste und ging dann {wo} weiter.",
        "Am Ende waren alle {adj}, und {nom} lud sie zu {essen} ein.",
    ),
)
_FR: Foreign = (
    {
        "name": phrases(
            "Hélène, Pierre, François, Mathilde, Benoît, Chloé, Gérard, Noémie, Étienne, Sylvie, Luc, Agnès"
        ),
        "ville": phrases(
            "Montfleury, Saint-Aubin, Rivière-la-Haute, Beaulieu, Châteauvert, Pont-Martin, Grandpré, Villeneuve, Fontaine-sur-Lys"
        ),
        "sujet": phrases(
            "le vieux boulanger, la maîtresse d'école, le jardinier, la voisine, le pêcheur, la jeune fille, le médecin, la grand-mère, le facteur, la bergère"
        ),
        "objet": phrases(
            "une clé rouillée, un livre ancien, une lettre sans adresse, un panier de cerises, une lampe bleue, un vélo neuf, une boîte à musique, un tableau, une carte"
        ),
        "lieu": phrases(
            "dans la forêt, au bord de la rivière, sur la place du marché, dans la cuisine, derrière l'église, près de la gare, au jardin, sous le vieux chêne, à côté du moulin"
        ),
        "temps": phrases(
            "le matin, en automne, il y a longtemps, un dimanche, après la pluie, au printemps, pendant les vacances, vers le soir, l'hiver dernier"
        ),
        "adj": phrases(
            "tranquille, agréable, difficile, simple, utile, magnifique, étrange, célèbre, calme"
        ),
        "plat": phrases(
            "du pain frais, une soupe aux poireaux, une tarte aux prunes, du fromage de chèvre, un gâteau aux pommes, du poisson grillé, une omelette"
        ),
        "choses": phrases(
            "les pommes, les noix, les livres, les fleurs, les herbes, les oiseaux, les vieilles histoires, les photographies, les châtaignes"
        ),
    },
    (
        "Une journée à {ville}",
        "{name} raconte",
        "Nouvelles de {ville}",
        "Promenade {lieu}",
        "À propos de {ville}",
    ),
    (
        "{temps}, {sujet} se promenait {lieu} et trouva {objet}.",
        "{name} et {name} habitent à {ville} depuis [trois|sept|douze|vingt] ans, parce que la vie y est {adj}.",
        "{sujet} a acheté {objet}, bien que ce fût [trop cher|un jour de fête|la fin du mois].",
        "Personne ne savait pourquoi {sujet} attendait {lieu}, [sous la pluie|sans manteau|avec une valise|depuis l'aube].",
        "À {ville}, on mange {plat} {temps}, et tout le monde est content.",
        "Nous avons vu {choses} et {choses} {lieu}, ce qui était [très rare|une belle surprise|tout à fait normal].",
        "« Le temps sera {adj} », dit {sujet} en regardant [le ciel|les nuages|la fenêtre].",
        "Pour préparer {plat}, il faut de la patience, de bons produits et [une heure|un four bien chaud|une demi-journée].",
        "Autrefois la vie {lieu} était {adj}, mais aujourd'hui elle est devenue {adj}.",
        "{name} voudrait aller à {ville} {temps}, afin d'y chercher {objet}.",
        "Les enfants jouaient {lieu} pendant que {sujet} préparait {plat}.",
        "Il ne faut pas oublier que {choses} sont [fragiles|précieuses|à tout le monde|un trésor].",
        "Quand la nuit tomba, on entendit {lieu} [une musique douce|le son des cloches|le cri d'une chouette|le bruit de l'eau].",
        "{sujet} connaît tous les chemins entre {ville} et {ville}, car {temps} il s'y passe toujours quelque chose.",
        "Il a fallu [deux|quatre|cinq|dix] semaines à {name} pour réparer {objet}.",
        "La commune de {ville} a décidé de construire {lieu} [un pont|une école|un musée|une salle de concert].",
        "Peut-être que {name} reviendra {temps} avec {objet}.",
        "Celui qui aime {choses} trouvera {lieu} [un ami|son bonheur|une réponse|quelque chose de nouveau].",
        "C'était une chose {adj}, disait {name}, et {sujet} était du même avis.",
        "À la fin, tout le monde était heureux, et {sujet} offrit {plat} à ses amis.",
    ),
)
_ES: Foreign = (
    {
        "nombre": phrases(
            "Lucía, Pedro, José, Begoña, Andrés, Inés, Ramón, Elena, Álvaro, Sofía, Martín, Concha"
        ),
        "pueblo": phrases(
            "Villanueva, Peñafiel, Río Seco, San Martín, Monteviejo, Fuentefría, La Cañada, Puerto Claro, Almendral"
        ),
        "sujeto": phrases(
            "el viejo panadero, la maestra, el jardinero, la vecina, el pescador, la niña, el médico, la abuela, el cartero, la pastora"
        ),
        "objeto": phrases(
            "una llave de hierro, un libro antiguo, una carta sin nombre, una cesta de naranjas, un sombrero azul, una bicicleta, un cuadro pequeño, una guitarra, un mapa"
        ),
        "lugar": phrases(
            "en el bosque, junto al río, en la plaza, en la cocina, detrás de la iglesia, cerca de la estación, en el jardín, bajo el olivo, al lado del molino"
        ),
        "tiempo": phrases(
            "por la mañana, en otoño, hace muchos años, un domingo, después de la lluvia, en primavera, durante las vacaciones, al anochecer, el invierno pasado"
        ),
        "adj": phrases(
            "tranquila, difícil, alegre, sencilla, útil, hermosa, extraña, famosa, cómoda"
        ),
        "plato": phrases(
            "pan recién hecho, sopa de ajo, tarta de manzana, queso de oveja, arroz con verduras, pescado asado, tortilla de patatas"
        ),
        "cosas": phrases(
            "las manzanas, las nueces, los libros, las flores, las hierbas, los pájaros, los cuentos antiguos, las fotografías, los sellos"
        ),
    },
    (
        "Un día en {pueblo}",
        "{nombre} cuenta su vida",
        "Noticias de {pueblo}",
        "Un paseo {lugar}",
        "Historias de {pueblo}",
    ),
    (
        "{tiempo}, {sujeto} paseaba {lugar} y encontró {objeto}.",
        "{nombre} y {nombre} viven en {pueblo} desde hace [tres|siete|doce|veinte] años, porque allí la vida es {adj}.",
        "{sujeto} compró {objeto}, aunque [tenía poco dinero|no le hacía falta|ya era muy tarde].",
        "Nadie sabía por qué {sujeto} esperaba {lugar} [bajo la lluvia|con una maleta|desde el amanecer|sin decir nada].",
        "En {pueblo} se come {plato} {tiempo}, y todos quedan contentos.",
        "Vimos {cosas} y {cosas} {lugar}, lo cual fue [una sorpresa|muy raro|lo más normal del mundo].",
        "«Mañana será un día mejor», dijo {sujeto} mientras miraba [el cielo|las nubes|por la ventana].",
        "Para preparar {plato} hacen falta paciencia, buenos ingredientes y [una hora|un horno caliente|medio día].",
        "Antes la vida {lugar} era {adj}, pero hoy es más {adj} que nunca.",
        "{nombre} quiere viajar a {pueblo} {tiempo} para buscar {objeto}.",
        "Los niños jugaban {lugar} mientras {sujeto} preparaba {plato}.",
        "No hay que olvidar que {cosas} son [un tesoro|de todos|muy delicados|parte de nuestra historia].",
        "Cuando llegó la noche, se oía {lugar} [una música suave|el sonido de las campanas|el canto de un búho|el ruido del agua].",
        "{sujeto} conoce todos los caminos entre {pueblo} y {pueblo}, pues {tiempo} siempre ocurre algo.",
        "{nombre} tardó [dos|cuatro|cinco|diez] semanas en reparar {objeto}.",
        "El ayuntamiento de {pueblo} ha decidido construir {lugar} [un puente|una escuela|un museo|una biblioteca].",
        "Quizás {nombre} vuelva {tiempo} y traiga {objeto}.",
        "Quien ama {cosas} encontrará {lugar} [un amigo|la felicidad|una respuesta|algo nuevo].",
        "Fue una tarde {adj}, según {nombre}, y {sujeto} pensaba lo mismo.",
        "Al final todos estaban felices, y {sujeto} los invitó a comer {plato}.",
    ),
)
_IT: Foreign = (
    {
        "nome": phrases(
            "Giulia, Pietro, Niccolò, Chiara, Lorenzo, Beatrice, Matteo, Elisa, Tommaso, Paola, Ettore, Marta"
        ),
        "paese": phrases(
            "Montalto, Borgo San Pietro, Roccaverde, Castelnuovo, Acquachiara, Pietralunga, Vallefiorita, Ponte Vecchio, Collina"
        ),
        "chi": phrases(
            "il vecchio fornaio, la maestra, il giardiniere, la vicina, il pescatore, la ragazza, il medico, la nonna, il postino, la sarta"
        ),
        "cosa": phrases(
            "una chiave di ferro, un libro antico, una lettera senza nome, un cesto di ciliegie, un cappello blu, una bicicletta, un quadro, una chitarra, una mappa"
        ),
        "dove": phrases(
            "nel bosco, vicino al fiume, in piazza, in cucina, dietro la chiesa, davanti alla stazione, in giardino, sotto l'ulivo, accanto al mulino"
        ),
        "quando": phrases(
            "di mattina, in autunno, molti anni fa, una domenica, dopo la pioggia, in primavera, durante le vacanze, verso sera, l'inverno scorso"
        ),
        "agg": phrases(
            "tranquilla, difficile, allegra, semplice, utile, bellissima, strana, famosa, comoda"
        ),
        "piatto": phrases(
            "il pane fresco, la zuppa di cipolle, la torta di mele, il formaggio di pecora, il riso con i funghi, il pesce arrosto, la frittata"
        ),
        "oggetti": phrases(
            "le mele, le noci, i libri, i fiori, le erbe, gli uccelli, le vecchie storie, le fotografie, i francobolli"
        ),
    },
    (
        "Un giorno a {paese}",
        "{nome} racconta",
        "Notizie da {paese}",
        "Passeggiata {dove}",
        "Storie di {paese}",
    ),
    (
        "{quando} {chi} passeggiava {dove} e trovò {cosa}.",
        "{nome} e {nome} abitano a {paese} da [tre|sette|dodici|venti] anni, perché lì la vita è {agg}.",
        "{chi} ha comprato {cosa}, anche se [non ne aveva bisogno|costava troppo|era già tardi].",
        "Nessuno sapeva perché {chi} aspettasse {dove} [sotto la pioggia|con una valigia|fin dall'alba|senza parlare].",
        "A {paese} si mangia {piatto} {quando}, e tutti sono contenti.",
        "Abbiamo visto {oggetti} e {oggetti} {dove}, ed è stata [una sorpresa|una cosa rara|una gioia per tutti].",
        "«Domani farà bel tempo», disse {chi} guardando [il cielo|le nuvole|dalla finestra].",
        "Per preparare {piatto} ci vogliono pazienza, buoni ingredienti e [un'ora|un forno caldo|mezza giornata].",
        "Una volta la vita {dove} era {agg}, ma oggi è più {agg} che mai.",
        "{nome} vorrebbe andare a {paese} {quando} per cercare {cosa}.",
        "I bambini giocavano {dove} mentre {chi} preparava {piatto}.",
        "Non bisogna dimenticare che {oggetti} sono [un tesoro|di tutti|molto delicati|parte della nostra storia].",
        "Quando scese la notte, {dove} si sentiva [una musica dolce|il suono delle campane|il verso di un gufo|il rumore dell'acqua].",
        "{chi} conosce tutte le strade tra {paese} e {paese}, perché {quando} succede sempre qualcosa.",
        "{nome} ha impiegato [due|quattro|cinque|dieci] settimane per riparare {cosa}.",
        "Il comune di {paese} ha deciso di costruire {dove} [un ponte|una scuola|un museo|una biblioteca].",
        "Forse {nome} tornerà {quando} e porterà {cosa}.",
        "Chi ama {oggetti} troverà {dove} [un amico|la felicità|una risposta|qualcosa di nuovo].",
        "Era una giornata {agg}, diceva {nome}, e {chi} era della stessa idea.",
        "Alla fine erano tutti felici, e {chi} offrì a tutti {piatto}.",
    ),
)
_PT: Foreign = (
    {
        "nome": phrases(
            "João, Inês, Conceição, Rui, Tiago, Lurdes, Gonçalo, Mafalda, António, Beatriz, Simão, Catarina"
        ),
        "vila": phrases(
            "Vila Nova, Ribeira Brava, São João, Monte Claro, Ponte da Barca, Fonte Fria, Aldeia Velha, Porto Manso, Serra Alta"
        ),
        "quem": phrases(
            "o velho padeiro, a professora, o jardineiro, a vizinha, o pescador, a menina, o médico, a avó, o carteiro, a costureira"
        ),
        "coisa": phrases(
            "uma chave de ferro, um livro antigo, uma carta sem nome, um cesto de laranjas, um chapéu azul, uma bicicleta, um quadro, uma viola, um mapa"
        ),
        "onde": phrases(
            "na floresta, junto ao rio, na praça, na cozinha, atrás da igreja, perto da estação, no jardim, debaixo da oliveira, ao lado do moinho"
        ),
        "quando": phrases(
            "de manhã, no outono, há muitos anos, num domingo, depois da chuva, na primavera, durante as férias, ao anoitecer, no inverno passado"
        ),
        "adj": phrases(
            "tranquila, difícil, alegre, simples, útil, bonita, estranha, famosa, confortável"
        ),
        "prato": phrases(
            "pão fresco, caldo verde, tarte de maçã, queijo de ovelha, arroz com legumes, peixe assado, bolo de mel"
        ),
        "coisas": phrases(
            "as maçãs, as nozes, os livros, as flores, as ervas, os pássaros, as histórias antigas, as fotografias, os selos"
        ),
    },
    (
        "Um dia em {vila}",
        "{nome} conta a sua vida",
        "Notícias de {vila}",
        "Um passeio {onde}",
        "Histórias de {vila}",
    ),
    (
        "{quando}, {quem} passeava {onde} e encontrou {coisa}.",
        "{nome} e {nome} moram em {vila} há [três|sete|doze|vinte] anos, porque lá a vida é {adj}.",
        "{quem} comprou {coisa}, embora [tivesse pouco dinheiro|não precisasse|já fosse muito tarde].",
        "Ninguém sabia por que {quem} esperava {onde} [à chuva|com uma mala|desde a madrugada|sem dizer nada].",
        "Em {vila} come-se {prato} {quando}, e todos ficam contentes.",
        "Vimos {coisas} e {coisas} {onde}, o que foi [uma surpresa|muito raro|uma alegria para todos].",
        "«Amanhã será um dia melhor», disse {quem}, olhando para [o céu|as nuvens|a janela].",
        "Para preparar {prato} são precisos paciência, bons ingredientes e [uma hora|um forno quente|meio dia].",
        "Antigamente a vida {onde} era {adj}, mas hoje é mais {adj} do que nunca.",
        "{nome} gostaria de ir a {vila} {quando} para procurar {coisa}.",
        "As crianças brincavam {onde} enquanto {quem} preparava {prato}.",
        "Não devemos esquecer que {coisas} são [um tesouro|de todos nós|muito delicados|parte da nossa história].",
        "Quando a noite chegou, ouvia-se {onde} [uma música suave|o som dos sinos|o canto de uma coruja|o barulho da água].",
        "{quem} conhece todos os caminhos entre {vila} e {vila}, pois {quando} acontece sempre alguma coisa.",
        "{nome} levou [duas|quatro|cinco|dez] semanas a reparar {coisa}.",
        "A câmara de {vila} decidiu construir {onde} [uma ponte|uma escola|um museu|uma biblioteca].",
        "Talvez {nome} volte {quando} e traga {coisa}.",
        "Quem gosta de viver {onde} encontra [um amigo|a felicidade|uma resposta|algo de novo] com {coisas}.",
        "Foi uma tarde {adj}, dizia {nome}, e {quem} pensava o mesmo.",
        "No fim estavam todos felizes, e {quem} ofereceu {prato} aos amigos.",
    ),
)
_NL: Foreign = (
    {
        "naam": phrases(
            "Jan, Marijke, Pieter, Sanne, Willem, Loes, Daan, Geertje, Koen, Femke, Joost, Anouk"
        ),
        "plaats": phrases(
            "Oudewater, Bergendal, Nieuwkerk, Zonneveld, Lindenhoek, Waterland, Heidedorp, Molenbeek, Zuidhaven"
        ),
        "wie": phrases(
            "de oude bakker, de lerares, de tuinman, de buurvrouw, de visser, het meisje, de dokter, de grootmoeder, de postbode, de molenaar"
        ),
        "wat": phrases(
            "een roestige sleutel, een oud boek, een brief zonder naam, een mand met peren, een blauwe hoed, een nieuwe fiets, een klein schilderij, een landkaart, een doosje"
        ),
        "waar": phrases(
            "in het bos, langs de rivier, op het marktplein, in de keuken, achter de kerk, bij het station, in de tuin, onder de oude eik, naast de molen"
        ),
        "wanneer": phrases(
            "in de ochtend, in de herfst, lang geleden, op een zondag, na de regen, in het voorjaar, tijdens de vakantie, tegen de avond, vorige winter"
        ),
        "bijv": phrases(
            "rustig, moeilijk, vrolijk, eenvoudig, nuttig, prachtig, vreemd, bekend, gezellig"
        ),
        "eten": phrases(
            "vers brood, erwtensoep, appeltaart, oude kaas, gebakken vis, pannenkoeken, stamppot met worst"
        ),
        "dingen": phrases(
            "appels, noten, boeken, bloemen, kruiden, vogels, oude verhalen, foto's, postzegels"
        ),
    },
    (
        "Een dag in {plaats}",
        "{naam} vertelt",
        "Nieuws uit {plaats}",
        "Wandelen {waar}",
        "Over {dingen} en {dingen}",
    ),
    (
        "{wie} liep {wanneer} {waar} en vond {wat}.",
        "{naam} en {naam} wonen al [drie|zeven|twaalf|twintig] jaar in {plaats}, omdat het er {bijv} is.",
        "{wie} heeft {wat} gekocht, hoewel [het geld bijna op was|niemand erom vroeg|het al laat was].",
        "Niemand wist waarom {wie} {waar} stond te wachten, [in de regen|met een koffer|zonder jas|sinds de vroege ochtend].",
        "In {plaats} eet men {wanneer} {eten}, en iedereen is tevreden.",
        "Wij hebben {waar} {dingen} en {dingen} gezien, en dat was [een verrassing|heel zeldzaam|niets bijzonders].",
        "“Het weer wordt morgen {bijv}”, zei {wie}, en keek naar [de lucht|de wolken|het raam].",
        "Voor {eten} heb je geduld nodig, goede spullen en [een uur tijd|een hete oven|een halve dag].",
        "Vroeger was het leven {waar} {bijv}, maar tegenwoordig is het vooral {bijv}.",
        "{naam} wil {wanneer} naar {plaats} reizen om daar {wat} te zoeken.",
        "De kinderen speelden {waar}, terwijl {wie} {eten} klaarmaakte.",
        "Je moet niet vergeten dat {dingen} [kostbaar|van ons allemaal|erg kwetsbaar|niet te koop] zijn.",
        "Toen het donker werd, hoorden we {waar} [zachte muziek|het luiden van de klokken|de roep van een uil|het ruisen van het water].",
        "{wie} kent elke weg tussen {plaats} en {plaats}, want {wanneer} gebeurt er altijd iets.",
        "Het duurde [twee|vier|vijf|tien] weken voordat {naam} {wat} had hersteld.",
        "De gemeente {plaats} heeft besloten om {waar} [een brug|een school|een museum|een speeltuin] te bouwen.",
        "Misschien komt {naam} {wanneer} terug en brengt dan {wat} mee.",
        "Wie van {dingen} houdt, vindt {waar} zeker [een vriend|zijn geluk|een antwoord|iets nieuws].",
        "Het was een dag om niet te vergeten, zei {naam}, en {wie} vond dat ook.",
        "Aan het eind was iedereen blij, en {wie} gaf alle gasten {eten}.",
    ),
)

WEST: dict[str, Foreign] = {"de": _DE, "fr": _FR, "es": _ES, "it": _IT, "pt": _PT, "nl": _NL}
"""Language code to its words and sentences."""
