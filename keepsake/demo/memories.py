"""What the demo family says: three recordings and two letters, written for this demo.

The days are fixed, so that the demo adds the same records whenever it runs.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

DATA = Path(__file__).parent / "data"

FAMILY = "The Marlows"
TIME_ZONE = "America/New_York"
SEARCH = "what to do when you are frightened"


@dataclass(frozen=True)
class Memory:
    """One response of the demo. `audio` is None for a written one; `text` is what is said in it."""

    name: str
    member: str
    recorded_at: datetime
    text: str
    audio: Path | None = None


MEMORIES = (
    Memory(
        "the-road-to-the-farm",
        "Rose",
        datetime(2026, 10, 4, 19, 30, tzinfo=UTC),
        "The winter I was nine, my father was ill, and I had to fetch the milk from the Hansen "
        "farm before school. It was two miles through the woods, and it was dark, and I was "
        "afraid of every sound. So I sang. I sang every song I knew, and when I ran out, I made "
        "up new ones about our cow. One morning old Mister Hansen was waiting for me at the gate. "
        "He said he could hear me coming for a mile, and that it was the best part of his day. I "
        "never felt brave, not once. But I learned that courage is only being afraid and going "
        "anyway. If something scares you, sing to it, and keep walking.",
        DATA / "rose.mp3",
    ),
    Memory(
        "the-ruined-plank",
        "Walter",
        datetime(2026, 10, 18, 15, 5, tzinfo=UTC),
        "I was sixteen when I started at the boat yard, and the first thing I did was ruin a "
        "plank. It was good white oak, and I cut it four inches short. I hid it behind the shed "
        "and said nothing for three days. I could not eat. On the fourth day I told the foreman, "
        "a big quiet man called Joseph. He looked at the plank, and then he looked at me, and he "
        "said, I can always buy wood, but I have to wait a long time for an honest man. He made "
        "that plank into a bench, and I ate my lunch on it for eleven years. So tell the truth "
        "early. It costs less on the first day than on the fourth.",
        DATA / "walter.m4a",
    ),
    Memory(
        "soup-for-the-street",
        "Ellen",
        datetime(2026, 11, 1, 21, 45, tzinfo=UTC),
        "When the big storm took the power, we had no lights for six days. We had a gas stove, "
        "though, and our neighbors did not. So my mother put the biggest pot we owned on the "
        "flame, and she told everybody on the street to bring whatever was in the freezer before "
        "it spoiled. By evening there were thirty people in our kitchen. There was soup with peas "
        "and fish, and somebody brought half of a wedding cake. A man from across the road, who "
        "never spoke to anyone, played the accordion until midnight. My mother always said, do "
        "not wait until you have enough to share. Open the door first, and then count the bowls.",
        DATA / "ellen.ogg",
    ),
    Memory(
        "twelve-seeds",
        "Sam",
        datetime(2026, 11, 8, 10, 20, tzinfo=UTC),
        "Last April Grandma Rose gave me twelve tomato seeds and told me not to ask her about "
        "them until August. I asked her the next day. On the third day I dug one up to see "
        "whether anything was happening, and of course that was the end of it. The others came "
        "up in the second week, crooked and pale, and I was sure I had done everything wrong. "
        "Grandma only laughed and moved the pots to the window. By August we had more tomatoes "
        "than plates to put them on. She told me that you can water a thing, but you cannot "
        "hurry it. I think of that whenever I want an answer at once. Do your part every day, "
        "and then leave it alone for a while.",
    ),
    Memory(
        "the-good-thing-first",
        "Walter",
        datetime(2026, 11, 15, 17, 0, tzinfo=UTC),
        "The year Rose and I were married we had forty dollars, a borrowed table, and a coffee "
        "can full of bills. We used to argue about that can every Friday night. Then Rose made a "
        "rule. Before we opened it, each of us had to name one good thing from the week, out "
        "loud. Some weeks all I could find was that the bus had been on time. But it is hard to "
        "be angry at someone who has just thanked you for carrying the coal. We did that every "
        "Friday for fifty one years, long after the bills were paid. Say thank you before you "
        "talk about money. We never became rich, but we always knew what we had.",
    ),
)

MEMBERS = tuple(dict.fromkeys(memory.member for memory in MEMORIES))
