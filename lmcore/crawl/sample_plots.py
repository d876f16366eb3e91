"""The plots of the sample stories: a title, and six beats with two tellings each.

hero and friend have the pronouns he/him/his and he2/him2/his2; relative:1 has he3/him3.
"""

PLOTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "The lost {object:1}": (
        (
            "One {daytime} {hero} noticed that the {object:1} was gone. It had [always stood on|been lying on] the {furniture:1}, and now the place was empty.",
            "{his} {relative:1} had given {hero} a {object:1}, and {he} carried it everywhere. But on {weekday} it was [not in its place|nowhere to be seen|suddenly missing].",
        ),
        (
            "{he} looked under the {furniture}, behind the {furniture} and in the {room}, but {he} found only [dust|an old {clothes}|a button and a spoon].",
            "First {hero} searched the {room}. Then {he} searched the {room} and even the basket of the {pet}. There was no {object:1}.",
        ),
        (
            '{friend} came to help. "When did you see it last?" {he2} asked. {hero} thought hard. "[Yesterday|On {weekday}], when I was at the {building:1}," {he} said.',
            '{hero} ran to {friend} and told {him2} everything. "We will find it," said {friend}, "if we [think before we run|go back the same way|ask everyone]."',
        ),
        (
            "So they walked back to the {building:1} and asked the {job:1}. The {job:1} [scratched his chin|opened a drawer|shook his head at first] and said that a {wildanimal:1} had been in the yard that morning.",
            "Together they went the whole way again, past the {wild} and the {building}, to the {building:1}. The {job:1} there had heard a strange noise behind the wall.",
        ),
        (
            "Behind the {building:1}, under a heap of leaves, they found [a nest|a little hole|a hollow tree]. In it lay a spoon, {w#2-6} buttons and the {object:1}. The {wildanimal:1} had taken it because it [shone in the sun|was soft and warm].",
            "There, between two stones, something was shining. It was the {object:1}! A {wildanimal:1} had carried it away and hidden it with {w#3-9} other small things.",
        ),
        (
            "{hero} took the {object:1} and left [a piece of bread|a handful of nuts|an apple] in its place, so that the {wildanimal:1} would not be sad.",
            "They laughed so much that the {wildanimal:1} ran away. {hero} cleaned the {object:1} with {his} sleeve and put it safely in {his} pocket.",
        ),
    ),
    "The storm over {town:1}": (
        (
            "In the {daytime} the sky turned dark, and the wind grew stronger every minute. The {group} closed their windows and brought in the chairs.",
            "The old {job:1} had warned them. When the birds fly low, he said, a storm comes from the {wild}. And he was right.",
        ),
        (
            "Then the rain came. It beat against the {building} and filled the streets with water. The lamps went out [one after the other|all at once].",
            "Thunder shook the house. A branch broke and fell on the roof of the {building}. The {pet} hid under the {furniture}.",
        ),
        (
            "{hero} remembered that {friend} was alone [in the house by the {wild}|on the other side of the bridge|in the {building}]. Somebody had to go.",
            "Suddenly there was a knock at the door. It was the {job:1}, wet to the skin. {friend} had not come home, he said.",
        ),
        (
            "{he} put on a {clothes}, took a lantern and a rope, and went out with {his} {relative:1}. They held on to each other and walked [step by step|very slowly] against the wind.",
            "They took blankets, a rope and a lantern. The water on the road was already {w#2-4} hands deep, and they could hardly see the {building}.",
        ),
        (
            "At last they heard a voice. {friend} had climbed [onto a wall|into a tree|up the stairs of the {building}] and was waving {his2} {clothes}. They threw the rope and pulled {him2} to safety.",
            "They found {friend} beside the {building}, cold but not hurt. A fallen tree had blocked the way. Together they lifted the branches and helped {him2} out.",
        ),
        (
            "In the morning the storm was over. The whole town helped to [mend the roofs|clear the roads|dry the carpets], and nobody asked who was rich and who was poor.",
            "The next day the sun came out. {w#3-12} trees had fallen, but everybody was safe, and that was all that counted.",
        ),
    ),
    "The race at the {event:1}": (
        (
            "Every year there was a race at the {event:1} of {town:1}. This time {hero} wanted to take part, although {he} was the [smallest|youngest|slowest] of all.",
            "{hero} read the notice on the door of the {building}: the {event:1} needed runners. The first prize was a {object:1}.",
        ),
        (
            "{friend} laughed when {he2} heard about it. But then {he2} saw that {hero} meant it, and {he2} promised to help.",
            "Some {group} thought it was a joke. Only {friend} believed in {hero} from the beginning.",
        ),
        (
            "So {hero} trained every {daytime}. {he} ran along the {wild}, up the hill and back, first {w#2-4} times, then {w#5-9} times. After {w#2-6} weeks {his} legs were strong.",
            "They practised for {w#2-6} weeks. On the first day {hero} had to stop after ten minutes. On the last day {he} ran for a whole hour without a rest.",
        ),
        (
            "On the day of the race {w#12-40} runners stood at the start. A bell rang, and off they went. {hero} was [last|far behind|in the middle] at first, but {he} did not hurry.",
            "The {job:1} fired the starting gun. The others ran as fast as they could, but {hero} kept {his} own pace, just as {friend} had told {him}.",
        ),
        (
            "Near the {wild} the leader fell and hurt his knee. {hero} could have run past and won. Instead {he} stopped, helped him up, and they [walked on together|ran the last part side by side].",
            "On the last hill one after the other grew tired and slowed down. {hero} passed {w#2-9} of them, and when {he} saw {friend} waving, {he} ran even faster.",
        ),
        (
            "{hero} came in third, but the {group} clapped as if {he} had won. The {job:1} gave {him} the {object:1} all the same, for {virtue}.",
            "In the end {hero} won by a single step. {he} gave half of the prize to {friend}, because without a good teacher there is no good runner.",
        ),
    ),
    "The new neighbour": (
        (
            "A stranger moved into the empty house next to the {building}. It was an old {job:1} with a {size} {pet:1} and {w#3-12} boxes of books.",
            "In {month} somebody new came to {town:1}. Nobody knew his name. He was a {job:1}, people said, and he never spoke.",
        ),
        (
            "The children of the street were afraid of him. They told each other that he [hated noise|slept by day|kept {wildanimal:3}s in the cellar]. {hero} was not so sure.",
            "Some said he was rich and others said he was a thief. {hero} only saw that the old man looked {badfeeling} when he sat at his window.",
        ),
        (
            "One {daytime} {hero}'s ball flew over the wall and broke a window. Everyone ran away. {hero} stayed, although {his} knees were shaking.",
            "Then the {pet:1} ran away, and {hero} found it in the {wild}. {he} had to bring it back, whether {he} was afraid or not.",
        ),
        (
            "{he} knocked at the door and said {he} was sorry. The old man looked at {him} for a long time. Then he [began to smile|opened the door wide|laughed].",
            'The door opened slowly. "Come in," said the old man. "I have just made {food}, and it is too much for one."',
        ),
        (
            "Inside, the walls were covered with pictures of the {wild}. He had been a {job} on a ship and had seen {w#5-20} countries. He showed {hero} a {object:1} from the other side of the world.",
            "He was not angry at all. He told {hero} about his life as a {job}, and about a {object:1} that had once saved him in a storm.",
        ),
        (
            "After that {hero} and {friend} visited the old man every {weekday}. They brought him {food}, and he told them stories.",
            "Soon all the children came to hear his stories, and nobody in {town:1} called him a stranger any more.",
        ),
    ),
    "The garden behind the {building:1}": (
        (
            "Behind the {building:1} lay a piece of ground where nothing grew but stones and weeds. {hero} looked at it every day on {his} way to school and [thought that it was a pity|had an idea].",
            "Nobody wanted the dry field behind the {building:1}. But {hero}'s {relative:1} said that good earth only needs water, work and {virtue}.",
        ),
        (
            "{he} asked the {job:1} for permission. He laughed and said that {hero} could have it, for only a fool would plant {veg} there.",
            "With a {tool} and a {tool} {hero} and {friend} began to work. They carried away {w#10-40} buckets of stones.",
        ),
        (
            "In {season} they planted {veg:1}, {veg} and a row of {plant}. Every evening they brought water from the {wild}.",
            "They bought seeds with the money they had earned by selling {fruit}. They planted {veg:1} on the left and {plant} on the right.",
        ),
        (
            "For weeks nothing happened. Then came a dry month, and the leaves turned yellow. {friend} wanted to give up. {hero} [dug a small ditch|carried water twice a day|covered the earth with straw].",
            "One night {wildanimal:1}s came and ate half of the young plants. {hero} cried a little. Then {he} built a fence from old wood and planted everything once more.",
        ),
        (
            "And at last the first green leaves came out of the ground. By {month} the garden was full of {veg:1}, and bees flew from flower to flower.",
            "In the end the {veg:1} grew so well that people stopped to look. There were {w#20-60} of them, each as big as a {fruit:3} basket.",
        ),
        (
            "{hero} gave some of the {veg:1} to the {job:1}, who was ashamed of his laughter and bought the next seeds himself.",
            "At the {event} they sold soup made from their own {veg:1}. The money paid for a bench, so that everyone could sit in the garden.",
        ),
    ),
    "The hurt {wildanimal:1}": (
        (
            "On the way to the {building} {hero} heard a soft cry. Under a bush sat a young {wildanimal:1} with a hurt leg.",
            "It was {friend} who found the {wildanimal:1}. It lay beside the road near the {wild} and could not move.",
        ),
        (
            "{he} did not touch it at first. {he} had read that a frightened animal [may bite|needs quiet|should be kept warm]. So {he} put {his} {clothes} over it and ran home.",
            "They put it in a box with straw and carried it to the old {job:1}, who knew more about animals than anyone in {town:1}.",
        ),
        (
            "The {relative:1} looked at the leg and said it was not broken. It needed rest, water and a little food. They made a bed for it beside the stove.",
            'The {job:1} cleaned the wound and bound it with a strip of cloth. "Now it needs {w#2-5} weeks of rest," he said, "and somebody with {virtue}."',
        ),
        (
            "Every {daytime} {hero} brought it [seeds and berries|water and worms|small pieces of apple]. In the beginning it hid in the corner. After {w#4-9} days it ate from {his} hand.",
            "{hero} gave up {hobby} for a while and sat with the {wildanimal:1} instead. {he} read to it from a book, and it seemed to listen.",
        ),
        (
            "When the leg was healed, {hero} wanted to keep it. But at night it looked through the window towards the {wild:1}, and {hero} understood that it was {badfeeling}.",
            '"May I keep it?" asked {hero}. "Would you like to live in a box?" asked the {relative:1}. {hero} thought about it for a long time.',
        ),
        (
            "So they carried it to the {wild:1} and opened the box. The {wildanimal:1} looked back once and was gone. {hero} cried, but {he} was {feeling} too.",
            "On a {adj_good} morning they set it free by the {wild:1}. Now and then a {wildanimal:1} comes to the edge of the garden, and {hero} is sure that it is the same one.",
        ),
    ),
    "The broken {instrument:1}": (
        (
            "{hero} played the {instrument:1} in the school band. {w#2-9} days before the {event:1} it fell from the {furniture} and broke.",
            "In the {room} stood an old {instrument:1} which had belonged to {his} {relative:1}. {hero} was not allowed to play it. One {daytime} {he} tried it all the same, and something broke.",
        ),
        (
            "{he} was so {badfeeling} that {he} hid it under a blanket and said nothing. All through dinner {he} could not eat {his} {food}.",
            "At first {he} thought of saying that the {pet} had done it. But a lie would only [make things worse|break something else|grow bigger].",
        ),
        (
            "The next morning {he} told {friend} the truth. {friend} knew a {job:1} who could mend almost everything.",
            "In the night {he} could not sleep. In the morning {he} went to {his} {relative:1} and told {him} the truth, and {his} voice was very small.",
        ),
        (
            'The {job:1} turned the {instrument:1} in his hands. "It can be mended," he said, "but it takes {w#2-5} days, and it costs {w#20-60} coins." {hero} had only {w#3-9}.',
            "The {relative:1} was silent for a moment and then said that a broken {instrument:1} can be mended, but broken trust cannot. They went to the {job:1} together.",
        ),
        (
            "So {hero} worked for the {job:1}. {he} swept the floor, sorted {w#40-90} screws by size and carried {material}. On the last day the {instrument:1} was as good as new.",
            "To pay for it, {hero} sold {fruit} at the market and washed {w#5-15} carts. It was hard, but with every coin {he} felt lighter.",
        ),
        (
            "At the {event:1} {hero} played better than ever, and the {job:1} sat in the first row.",
            "When the {instrument:1} sounded again, the {relative:1} smiled and said that from now on {hero} could play it every {weekday}.",
        ),
    ),
    "The journey to {town:2}": (
        (
            "{hero} had a letter for {his} {relative:2} in {town:2}, and it had to be there before {weekday}. So {he} packed some {food}, a bottle of {drink} and a map.",
            "For the first time in {his} life {hero} was to travel alone. The {vehicle:1} to {town:2} left at {w#5-9} in the morning.",
        ),
        (
            "The {vehicle:1} was full of {group}. Beside {him} sat a {job:1} with a {object:1} on his knees, who told {him} about the old days.",
            "At first everything went well. Fields and {wild:3}s passed by the window, and {hero} counted {w#5-20} bridges.",
        ),
        (
            "Then, in the middle of nowhere, the {vehicle:1} stopped. Something was broken, and nobody knew how long it would take.",
            "But at the next station {hero} took the wrong {vehicle:1}. When {he} noticed it, {he} was already far from the right road.",
        ),
        (
            "{hero} looked at the map. The {wild:1} was on the left and the {building} on the right, so {town:2} could not be more than {w#3-9} miles away. {he} decided to walk, and {friend}, a {boyorgirl} from the same {vehicle:1}, came along.",
            "A {boyorgirl} named {friend} saw that {hero} was {badfeeling} and asked what was the matter. {he2} knew a path through the {wild:1}, and they went together.",
        ),
        (
            "They crossed a stream on stones, shared the {food}, and [sang to keep up their courage|talked about {hobby}|counted the {plant} beside the path]. Once they lost the way, but {sound} led them back.",
            "It grew dark, and they could hear {sound}. {friend} was afraid, so {hero} told a funny story until they saw the lights of {town:2}.",
        ),
        (
            "The {relative:2} was already standing at the door. The letter said that [a child had been born|the old quarrel was over|everyone should come home for the {event}], and they were all {feeling}.",
            "They reached {town:2} just in time. {hero} handed over the letter, and {his} {relative:2} read it {w#2-4} times and then put {food} on the table for two hungry travellers.",
        ),
    ),
    "A present for {his} {relative:1}": (
        (
            "It was {month}, and {his} {relative:1} would soon be {w#40-90} years old. {hero} wanted to give {him3} something special, but {he} had only {w#2-9} coins.",
            "What do you give to somebody who has everything? {hero} asked {friend}, because the birthday of {his} {relative:1} was on {weekday}.",
        ),
        (
            "In the window of the {shop:1} {hero} saw a {object:1}. It cost {w#20-70} coins. That was far too much.",
            "They went to the {shop:1} and looked at a {object:1}, at {w#3-8} hats and at a clock. Everything was too expensive.",
        ),
        (
            "{he} tried to earn money. {he} sold {fruit}, but it rained. {he} washed windows, but the ladder was too short. In the end {he} had {w#10-19} coins.",
            '"You could make something yourself," said {friend}. {hero} was not sure. {he} had never made anything but {food}.',
        ),
        (
            "Then {he} remembered that {his} {relative:1} {often} spoke of {nice_thing:1}. That cost nothing at all. {hero} began to make a plan.",
            "So they borrowed a {tool} and a {tool} from the {job:1}, found a piece of {material} in the {room}, and worked in secret for {w#2-6} days.",
        ),
        (
            "On the morning of the birthday {hero} carried the {furniture} into the garden, put {plant} on it and baked a cake. It was [a little burnt|rather flat|not very round], but it smelled of {smell}.",
            "The first try broke, the second was crooked, but the third was right: a small {object} with the name of the {relative:1} on it.",
        ),
        (
            '"This is the best present of my life," said the {relative:1}, and they had {nice_thing:1} together, just the two of them.',
            "The {relative:1} could not speak for a moment. Then {he3} put it on the {furniture}, where everybody could see it, and it is still there today.",
        ),
    ),
    "The secret of the old {building:1}": (
        (
            "The old {building:1} of {town:1} had been empty for {w#20-80} years. People said that at night a light moved behind its windows.",
            "{hero} did not believe in ghosts. But on {weekday} {he} saw a light in the old {building:1}, and it went out when a dog barked.",
        ),
        (
            "{friend} wanted to know the truth, and {hero} did not want {him2} to go alone. They met at {w#7-9} in the evening, with a lantern and a piece of {food}.",
            '"Shall we look?" asked {friend}. {hero} swallowed and nodded. They left their bicycles by the {wild} and went on foot.',
        ),
        (
            "The door was not locked. Inside, it smelled of {smell}, and dust lay on the floor. In the dust they saw footprints: {w#2-4} big ones and many small ones.",
            "They climbed through a window into the {room}. A broken {furniture} stood there, and on it a candle that was still warm.",
        ),
        (
            "Suddenly they heard a noise above them. Something was walking over the floor. The stairs creaked, and {hero} held {friend}'s hand very tightly.",
            "Then a voice began to sing, softly and sadly. It came from behind the wall. {hero} wanted to run, but {his} feet would not move.",
        ),
        (
            "A door opened, and there stood the {job:1} of {town:1} with a {pet:1} and {w#3-6} young ones. It had no home, he explained, and his wife did not like animals.",
            "It was only the old {job:1}. He came here every week to practise the {instrument}, because at home nobody was allowed to hear how badly he played.",
        ),
        (
            "They promised to keep his secret. But {w#2-5} weeks later the whole town knew, and nobody was angry. They painted the {building:1} together, and now there is light in it every evening.",
            "They laughed until their stomachs hurt. The ghost of {town:1} gave them {food}, and on the way home {hero} was not afraid of the dark at all.",
        ),
    ),
    "The {pet:1} that ran away": (
        (
            "{hero} had a {color} {pet:1} called {petname:1}. It followed {him} everywhere, except to the {building}.",
            "On {weekday} the gate was left open, and {petname:1}, the {pet:1} of {hero}'s {relative:1}, was gone.",
        ),
        (
            "{hero} called {petname:1} for an hour. Nothing moved but the wind in the trees.",
            "{he} ran through the streets and asked the {job:1}, the {job} and all the {group}. The {job:1} had seen something {color} near the {wild:1}.",
        ),
        (
            "{friend} painted {w#10-30} pictures of the {pet:1}, and they hung them on every door. Whoever found it would get a plate of {food}.",
            "They took a bowl of food and a bell, because {petname:1} always came when the bell rang. But this time it did not come.",
        ),
        (
            "At the {wild:1} they found footprints in the mud. They followed them for {w#2-6} miles, until they came to a fence with a hole in it.",
            "When it was almost dark, {friend} heard a sound from the {wild:1}. It was not {sound}. It was something small and {badfeeling}.",
        ),
        (
            "{petname:1} sat on the other side, stuck between two boards, beside a {wildanimal:1} that did not seem to mind. {hero} pulled, {friend} pushed, and with a crack it was free.",
            "There sat {petname:1} in an old barn, and beside it lay {w#3-6} tiny young ones, as {color} as itself. That was why it had run away.",
        ),
        (
            "They carried it home, and {hero} mended the gate with a {tool} and {w#5-15} nails before {he} even took off {his} {clothes}.",
            "From then on {hero} closed the gate twice every evening. {petname:1} looked at {him} as if it wanted to say that this was not necessary.",
        ),
    ),
    "The two {craft:1}s": (
        (
            "In {town:1} lived two {craft:1}s who had not spoken to each other for {w#5-30} years. Nobody remembered why. {hero}, who worked for one of them, found it [silly|sad|strange].",
            "{hero} learned the work of a {craft:1} from old Mr. {surname:1}. Across the street was the shop of Mr. {surname:2}, who did the same work, and the two men hated each other.",
        ),
        (
            "If one of them painted his door {color}, the other painted his door {color}. If one lowered his price, the other lowered his price even more.",
            "Mr. {surname:1} said that Mr. {surname:2} was lazy. Mr. {surname:2} said that Mr. {surname:1} was greedy. Both were wrong.",
        ),
        (
            "Then, in {month}, an order came from {town:2}. It was for {w#50-90} pieces, and it had to be ready in {w#5-12} days. That was too much for one shop.",
            "One day Mr. {surname:1} fell from a {tool:1} and hurt his hand. He could not work, and the {event} was near.",
        ),
        (
            "{hero} had an idea. {he} went across the street at night, when nobody could see {him}, and knocked at the other door. {friend}, who worked there, opened.",
            "{hero} and {friend}, who worked for the other one, made a plan. Each told his master that the other had asked for help.",
        ),
        (
            "The two men stood in front of each other and said nothing. At last one of them held out a {tool}. The other took it. They worked side by side for {w#2-6} days.",
            "At first they only shouted. Then they had to laugh, because they saw that they both held their {tool} in the same way. They had had the same teacher.",
        ),
        (
            "When the work was done, they painted a new sign with both names on it. And {hero} and {friend} got the first free day in {w#2-5} years.",
            "Today there is one big shop in place of two small ones, and on {weekday}s the two old men play chess in front of it and argue about the rules.",
        ),
    ),
    "A winter in {town:1}": (
        (
            "That winter the snow came early. By {weekday} it was as high as the fence, and no {vehicle} could reach {town:1}.",
            "Nobody in {town:1} had ever seen so much snow. It covered the {building}, the {wild} and the road to {town:2}.",
        ),
        (
            "At first the children were {feeling}. There was no school, and {hero} and {friend} built a house of snow with {w#2-5} rooms.",
            "{hero} and {friend} made a path from door to door with a {tool}. It took them {w#2-6} hours, and {his} {body} hurt.",
        ),
        (
            "But after {w#5-9} days the shops were empty. There was no more milk and hardly any bread, and old Mrs. {surname:1} had no wood for her stove.",
            "Then the stove in the {building} broke, and the {job:1} said that there was wood for only {w#2-5} more days.",
        ),
        (
            "{hero} went from house to house and wrote down what everyone had. One had {veg}, another had flour, and the {job:1} had {w#10-30} jars of {fruit}.",
            '"If everybody keeps what he has, we will all be hungry," said {hero}. "If we put it together, it is enough." {friend} agreed at once.',
        ),
        (
            "They cooked in one big pot in the {building:1}. Everybody came, told stories, and slept there, because it was warm.",
            "So the whole town moved into the {building:1}. The {job:1} played the {instrument}, the children did {hobby}, and in the evening there was {food} for everyone.",
        ),
        (
            "When the first {vehicle} came through, {w#2-4} weeks later, its driver was surprised. He had expected {badfeeling} people, and he found a party.",
            "In spring the snow melted. But the people of {town:1} still eat together once a month, and they say that it was the best winter of their lives.",
        ),
    ),
    "How {hero} learned {hobby:1}": (
        (
            "All the others could do it, only {hero} could not. Whenever somebody spoke of {hobby:1}, {he} looked out of the window.",
            "{friend} was very good at {hobby:1}. {hero} was not, and that made {him} {badfeeling}.",
        ),
        (
            "The first lesson was a disaster. {hero} [fell down|forgot everything|broke a {object}], and somebody laughed.",
            "{he} tried it once, and it went so badly that {he} said {he} would never try again.",
        ),
        (
            "Then {he} met a {job:1}, an old woman with {color} hair, who sat beside the {wild:1} every {weekday}. She had learned it when she was {w#60-80}, she said.",
            "{his} {relative:1} saw it and said nothing. But the next {daytime} a {object:1} lay on the {furniture}, and beside it a note with only {w#2-4} words: a little each day.",
        ),
        (
            "So {hero} practised for {w#10-20} minutes each day, no more and no less. On some days it went well, on others it did not.",
            "{he} made every mistake there was. But {he} wrote them down, and after {w#3-8} weeks no new ones came.",
        ),
        (
            "One {daytime} {friend} fell ill just before the {event:1}, and somebody had to take {his2} place. Everybody looked at {hero}.",
            "In {month} the {job:1} asked {hero} to show what {he} had learned, in front of all the {group} in the {building}.",
        ),
        (
            "{hero} was not perfect, but {he} was good, and {he} was not afraid. The {group} clapped for {w#2-5} minutes.",
            "It went so well that a small child came afterwards and asked {hero} for a lesson. {he} smiled and told the child: a little each day.",
        ),
    ),
}
