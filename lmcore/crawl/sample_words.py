"""The English lexicon of the sample crawl: word lists grouped by meaning.

A slot of a template names a list, so what fills it makes sense in its place.
The label sets use none of these lists (see sample_labels).
"""

from lmcore.crawl.sample_grammar import phrases

GIRLS = phrases(
    "Anna, Clara, Daisy, Ella, Flora, Grace, Hannah, Iris, Julia, Kate, Lily, Lucy, Maria, Mia, Nora, Olive, Penny, Rosa, Ruth, Sara, Sophie, Tessa, Vera, Wendy, Zoe, Alice, Bella, Emma, Hazel, Ivy, June, Molly, Nina, Polly, Amy"
)
BOYS = phrases(
    "Adam, Ben, Carl, Daniel, Eddie, Felix, George, Harry, Isaac, Jack, Karl, Leo, Max, Noah, Oscar, Paul, Peter, Ralph, Sam, Theo, Tom, Victor, Walter, Will, Henry, Hugo, Jonas, Luke, Mark, Martin, Oliver, Simon, Toby, Finn, Arthur"
)
SURNAMES = phrases(
    "Baker, Barnes, Bell, Brooks, Carter, Clark, Cole, Cooper, Dale, Dixon, Ellis, Fisher, Fletcher, Ford, Foster, Gardner, Grant, Green, Harper, Hill, Hunt, Keller, Lane, Marsh, Mason, Miller, Moore, Morris, Newton, Norton, Parker, Perry, Porter, Reed, Rivers, Shaw, Stone, Taylor, Turner, Walker, Ward, Webb, West, Winter, Wood, Young"
)
TOWNS = phrases(
    "Alderton, Ashford, Barley Bridge, Birchfield, Blackwater, Brookdale, Cedar Falls, Clearwater, Coldspring, Copper Hill, Eastbrook, Elmwood, Fairhaven, Fernhill, Foxley, Glenmore, Goldport, Greenford, Harborview, Hazelton, Highmoor, Ironbridge, Kingsmead, Lakeside, Larkfield, Lindale, Longmeadow, Maplewood, Millbrook, Millhaven, Northgate, Oakridge, Old Harbor, Pinecrest, Redcliff, Riverton, Rosewood, Saltmarsh, Silverlake, Southwick, Stonebridge, Sunfield, Thornbury, Two Rivers, Westhill, Whitecliff, Willowdale, Windmere, Woodside, Yarrow Bay"
)

LEXICON: dict[str, tuple[str, ...]] = {
    "girl": GIRLS,
    "boy": BOYS,
    "name": GIRLS + BOYS,
    "surname": SURNAMES,
    "town": TOWNS,
    "person": tuple(f"{n} {s}" for n in (GIRLS + BOYS)[::3] for s in SURNAMES[::4]),
    "month": phrases(
        "January, February, March, April, May, June, July, August, September, October, November, December"
    ),
    "weekday": phrases("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    "season": phrases("spring, summer, autumn, winter"),
    "daytime": phrases("morning, afternoon, evening"),
    "adj_good": phrases(
        "lovely, fine, gentle, bright, warm, quiet, cheerful, pleasant, wonderful, beautiful, splendid, happy, simple, clever, friendly"
    ),
    "adj_person": phrases(
        "kind, patient, careful, curious, brave, shy, cheerful, honest, stubborn, clever, quiet, lively, generous, thoughtful, gentle, proud, polite, clumsy, dreamy, hard-working"
    ),
    "feeling": phrases("happy, proud, glad, relieved, calm, hopeful, excited, thankful, content"),
    "badfeeling": phrases(
        "sad, worried, nervous, lonely, tired, disappointed, afraid, upset, ashamed, jealous"
    ),
    "color": phrases(
        "red, blue, green, yellow, white, black, brown, grey, orange, purple, pink, golden, silver"
    ),
    "size": phrases(
        "small, little, large, big, tiny, huge, tall, long, short, wide, narrow, round"
    ),
    "old": phrases("old, ancient, new, modern, worn, faded, dusty, polished"),
    "material": phrases(
        "wood, stone, clay, glass, wool, cotton, leather, copper, iron, tin, paper, straw, silk, brass, silver"
    ),
    "object": phrases(
        "basket, lantern, wooden box, blue kite, brass key, music box, silver coin, red scarf, leather notebook, paint box, compass, teapot, pocket watch, jar of buttons, toy boat, straw hat, telescope, glass marble, drum, whistle, picture book, woollen blanket, little mirror, fishing rod, walking stick, clay bowl, umbrella, sketchbook, penknife, bicycle bell"
    ),
    "tool": phrases(
        "hammer, saw, ladder, shovel, rake, bucket, brush, rope, screwdriver, wrench, wheelbarrow, needle, pair of scissors, spade, broom, chisel"
    ),
    "furniture": phrases(
        "kitchen table, wooden bench, armchair, bookshelf, old wardrobe, writing desk, rocking chair, chest of drawers, narrow bed, stool"
    ),
    "room": phrases(
        "kitchen, living room, attic, cellar, workshop, bedroom, hallway, pantry, study, porch"
    ),
    "building": phrases(
        "library, school, bakery, town hall, railway station, mill, church, museum, post office, market hall, lighthouse, barn, theatre, hospital, inn, harbour office"
    ),
    "wild": phrases(
        "forest, river, meadow, hill, lake, valley, beach, marsh, cliff, stream, orchard, field, moor, pond, wood"
    ),
    "weather": phrases(
        "a light rain was falling, the sun was shining, thick fog lay over the fields, the wind blew from the sea, snow covered the roofs, dark clouds hung over the hills, the air was cold and clear, a warm breeze moved the leaves, the sky was pale and still, frost sparkled on the grass, thunder rolled far away, the first stars came out"
    ),
    "food": phrases(
        "warm bread, vegetable soup, apple pie, cheese sandwiches, roast chicken, pancakes, tomato salad, lentil stew, honey cake, mushroom omelette, oat biscuits, plum jam, baked potatoes, fish soup, corn bread, cherry tart, rice pudding, noodle soup, fresh cheese, ginger cookies"
    ),
    "drink": phrases(
        "tea, coffee, hot chocolate, apple juice, lemonade, cold water, warm milk, mint tea"
    ),
    "fruit": phrases(
        "apples, pears, plums, cherries, grapes, strawberries, lemons, oranges, peaches, blackberries"
    ),
    "veg": phrases(
        "carrots, potatoes, onions, beans, peas, cabbages, tomatoes, leeks, beets, pumpkins"
    ),
    "pet": phrases("dog, cat, rabbit, parrot, pony, goat, duck, hen, tortoise, hamster, donkey"),
    "wildanimal": phrases(
        "fox, owl, hedgehog, squirrel, marten, heron, badger, otter, hare, robin, frog, crow"
    ),
    "relative": phrases(
        "grandmother, grandfather, mother, father, aunt, uncle, older sister, older brother, cousin"
    ),
    "job": phrases(
        "baker, teacher, farmer, carpenter, nurse, sailor, barber, tailor, gardener, blacksmith, librarian, doctor, shopkeeper, painter, shepherd, clockmaker, potter, cook, engineer, bus driver, beekeeper, miller"
    ),
    "craft": phrases(
        "baker, carpenter, tailor, blacksmith, clockmaker, potter, shoemaker, saddler, basket maker, cook"
    ),
    "hobby": phrases(
        "drawing, swimming, reading, baking, fishing, painting, gardening, singing, running, chess, sewing, cycling, dancing, collecting stamps, playing the piano, watching birds, building models"
    ),
    "instrument": phrases(
        "piano, violin, flute, guitar, drum, trumpet, cello, accordion, clarinet, harp"
    ),
    "sport": phrases(
        "football, tennis, rowing, swimming, running, hockey, cycling, basketball, volleyball, skating"
    ),
    "vehicle": phrases("bus, train, bicycle, boat, cart, tram, ferry, truck, wagon, car"),
    "sound": phrases(
        "the ticking of a clock, the song of a blackbird, the noise of the river, the laughter of children, the ringing of the church bell, the rustle of leaves, the barking of a dog, the whistle of a train, the humming of bees, the crackling of the fire"
    ),
    "smell": phrases(
        "fresh bread, cut grass, wood smoke, wet earth, roses, sea salt, hot coffee, pine needles, old books, ripe apples, soap, lavender"
    ),
    "virtue": phrases(
        "patience, kindness, courage, honesty, hard work, practice, friendship, curiosity, care, trust"
    ),
    "adverb": phrases(
        "slowly, quickly, carefully, quietly, gently, happily, suddenly, proudly, eagerly, calmly"
    ),
    "often": phrases("often, usually, sometimes, always, rarely, now and then, almost every day"),
    "time_ago": phrases(
        "many years ago, last year, last winter, a few weeks ago, long ago, last summer, two years ago, in the old days"
    ),
    "group": phrases(
        "neighbours, friends, children, visitors, students, workers, farmers, travellers, families, villagers"
    ),
    "said": phrases("said, answered, replied, explained, added"),
    "nice_thing": phrases(
        "a walk by the river, a warm meal, a good book, a long talk, an evening by the fire, a day without hurry, a song, a letter from a friend"
    ),
    "plant": phrases(
        "roses, tulips, ferns, daisies, sunflowers, lilies, ivy, lavender, oak trees, birch trees, willows, wild herbs, moss, poppies"
    ),
    "shop": phrases(
        "hardware store, bookshop, flower shop, grocery, cheese shop, toy shop, garden center, tea house"
    ),
    "clothes": phrases(
        "coat, jacket, sweater, hat, scarf, apron, pair of boots, shirt, dress, pair of gloves"
    ),
    "event": phrases(
        "spring fair, harvest festival, music evening, school concert, winter market, boat race, flower show, book fair, summer party, bread festival"
    ),
    "subject": phrases(
        "history, geography, music, biology, mathematics, drawing, chemistry, astronomy, literature"
    ),
    "body": phrases("hands, shoulders, face, feet, back, arms"),
    "because_good": phrases(
        "because everyone helped, because nobody gave up, because the plan was simple, because the weather stayed dry, because the work was done with care"
    ),
    "century": phrases("fifteenth, sixteenth, seventeenth, eighteenth, nineteenth"),
}
"""Slot name to the words that may fill it."""
