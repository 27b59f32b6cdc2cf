"""Which encoding a text that is not UTF-8 may have: a guess that the user can judge by how it would read."""

from __future__ import annotations

import re
import string
from typing import NamedTuple

ASCII = string.ascii_letters + " \n,."
WIDE = ("utf_16_le", "utf_16_be")
# What is frequent in what is written in an encoding, most frequent first.
LATIN = "éäüöñ’“”…áíóàèß¿¡êçôúÄÖÜÉâîûùãõåø‘–—«»œæ°§€„"
EASTERN = "ąćęłńóśźżáčěířšťůúůýžÁČĎŁŚŻŠŽďéňäöüßőűâăîșțşţ„”»«–"
TURKISH = "ıİşŞğĞöüçÖÜÇâ"
CYRILLIC = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфё«»—№"
GREEK = "αοιετσνηυρπκμλςωδγχθφβξζψίάόέύήώϊϋ«»"
HEBREW = "יוהלאמרתבשנכדםעחפקצגטזסןךץף"
ARABIC = "الينموربتعةدفكسقحجشهصطخضذزثءغظىأإآؤئ،؟"
KANA = (
    "のをにはがてとでたしいなかれるうもらこりっきさよくまけせえめあ、。ーンスルトクイ「」ラリ"
    "タシアコマテジカサレロどそみだつちやおわゆねろひじびへばゅょゃぬふほむべげずぞドッフバメ"
    "セノモチキハニオウミナソムプグダビブ日人一大年本東京中国時見行生出上事者前自下分方心間山"
    "水春風花月古池音海"
)
HANZI = (
    "，。的一是不在了有我他人这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之"
    "过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所"
    "本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工"
    "己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再"
    "平真风雨春好节吹岗亮等山河城草木深明月知：“”！？；、《》…"
)
HANJA = (
    "，。的一是不在了有我他人這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之"
    "過家學對可她裡後小麼心多天而能好都然沒日於起還發成事只作當想看文無開手十用主行方又如前所"
    "本見經頭面公同三已老從動兩長知民樣現分將外但身些與高意進把法此實回二理美點月明其種聲全工"
    "己話兒者向情部正名定女問力機給等幾很業最間新什打便位因重被走電四第門相次東政海口使教西再"
    "平真風雨春好節山河城草木深明月知望舉頭故鄉嗎：「」！？；、《》…"
)
HANGUL = (
    "이다는의에을가고하지로은를서한니나기어그도자사들아인리있게시해대일라만것오보으마내여수면"
    "정말과부와했던주되우세장때는스없전안원거무모신었러람생소야상조려았면적구제음화연위방문관"
    "동달래꽃길"
)
FAMILIAR = {
    "cp1252": LATIN,
    "mac_roman": LATIN,
    "cp850": LATIN,
    "cp1250": EASTERN,
    "iso8859_2": EASTERN,
    "cp1254": TURKISH,
    "cp1251": CYRILLIC,
    "koi8_r": CYRILLIC,
    "cp866": CYRILLIC,
    "iso8859_5": CYRILLIC,
    "cp1253": GREEK,
    "cp1255": HEBREW,
    "cp1256": ARABIC,
    "gb18030": HANZI,
    "big5": HANJA,
    "shift_jis": KANA,
    "euc_jp": KANA,
    "cp949": HANGUL,
}
# Of the thousands of characters in these, standards put a few thousand first: their first bytes.
LEVEL_1 = {
    "gb18030": ("gb2312", 0xB0, 0xD7),
    "big5": ("big5", 0xA4, 0xC6),
    "shift_jis": ("euc_jp", 0xB0, 0xCF),
    "euc_jp": ("euc_jp", 0xB0, 0xCF),
    "cp949": ("euc_kr", 0xB0, 0xC8),
}
ORDINARY = 0.45  # what these count where they are not frequent
TRIED_AS = {"shift_jis": "cp932"}  # a superset, which is what Windows writes
CALLED = {"gb18030": "gbk", "cp949": "euc_kr", "utf_16_le": "utf-16-le", "utf_16_be": "utf-16-be"}
SURE = 1.5  # times as familiar as the next one: then that one is not named
LEAST, POSSIBLE = 0.15, 0.5  # how familiar a guess has to be to be named; share of the best one
UNLIKELY = 0.5  # share of mess in what charset-normalizer has not measured, since it saw better ones
SHOWN = 30  # characters
MOST = 2**12  # bytes to guess from


class Guess(NamedTuple):
    """An encoding, how familiar what it makes of the bytes looks (0 to 1), and how that begins."""

    encoding: str
    score: float
    text: str


def guess(data: bytes, more: bytes, *, at_start: bool) -> str:
    """The end of a sentence about bytes that are not UTF-8: what they may be.

    data, more: the bytes, in two pieces. at_start: the text begins with them. "" if nothing is likely.
    """
    sample = data + more
    if _is_damaged(sample):
        return ", and all around it is: is the file damaged, or joined from several encodings?"
    found = guesses(sample)
    if not found:
        return ""
    begins = at_start and (b"\0" in data or not data.split(b"\n")[0][:SHOWN].isascii())
    ways = [
        f"{one.encoding}, and would then begin {one.text!r}"
        if begins
        else f"{one.encoding}, and would then read there {one.text!r}"
        for one in found[:3]
    ]
    if len(found) == 1 or found[0].score > SURE * found[1].score:
        ways = ways[:1]
    return f", perhaps {'; or '.join(ways)}: name its encoding (--encoding {found[0].encoding})"


def guesses(data: bytes) -> list[Guess]:
    """The likeliest encodings of some bytes, best first."""
    from charset_normalizer import from_bytes

    sample = _telling(data)
    names = WIDE if b"\0" in sample else (*FAMILIAR, *WIDE)
    tried = {TRIED_AS.get(name, name): name for name in names}
    matches = from_bytes(sample, cp_isolation=list(tried), threshold=1, preemptive_behaviour=False)
    mess = {
        tried[name]: match.chaos for match in matches for name in match.could_be_from_charset if name in tried
    }
    found: dict[str, Guess] = {}
    for encoding, name in tried.items():
        text = sample.decode(encoding, errors="replace")
        if text.count("\ufffd") <= 1:  # the sample may end within a character
            score = _score(text, name) * (1 - min(mess.get(name, UNLIKELY), 1))
            if text not in found or score > found[text].score:
                found[text] = Guess(CALLED.get(name, name), score, _shown(text))
    best = sorted(found.values(), key=lambda one: -one.score)
    return [one for one in best if one.score > max(POSSIBLE * best[0].score, LEAST)]


def _telling(data: bytes) -> bytes:
    """The lines with more than ASCII: what all encodings share is no evidence."""
    if b"\0" in data:
        return data[:MOST]
    lines = re.findall(rb"[^\n]{0,99}[\x80-\xff][^\n]*\n?", data)
    sample = b"".join(lines)[:MOST]
    return sample[: sample.rfind(b"\n") + 1] or sample


def _score(text: str, name: str) -> float:
    """The share, 0 to 1, of non-ASCII characters that are frequent in texts of an encoding."""
    if name in WIDE:  # all of it is evidence there
        return max(_share(text, each, ASCII) for each in FAMILIAR)
    foreign = re.sub("[\0-\x7f]", "", text)
    if FAMILIAR[name] not in (CYRILLIC, GREEK, HEBREW, ARABIC):
        return _share(foreign, name)
    mixed = len(
        re.findall("[^\0-\x7f](?=[A-Za-z])|(?<=[A-Za-z])[^\0-\x7f]", text)
    )  # no word has two alphabets
    return _share(foreign, name) * (1 - mixed / max(len(foreign), mixed, 1))


def _share(text: str, name: str, more: str = "") -> float:
    familiar = FAMILIAR[name] + more
    lower = {char: 1 - i / (2 * len(familiar)) for i, char in enumerate(familiar)}
    weight = {char.upper(): value / 2 for char, value in lower.items()} | lower
    for char in set(text) - weight.keys():
        weight[char] = ORDINARY * _is_ordinary(char, name)
    return sum(weight[char] for char in text) / max(len(text), 1)


def _is_ordinary(char: str, name: str) -> bool:
    codec, first, last = LEVEL_1.get(name, ("ascii", 1, 0))
    data = char.encode(codec, errors="ignore")
    return len(data) == 2 and first <= data[0] <= last


def _shown(text: str) -> str:
    """The first line that is not ASCII, as far as it is shown."""
    line = next((line for line in text.splitlines() if not line.isascii()), text).strip()
    first = next((i for i, char in enumerate(line) if not char.isascii()), 0)
    return line[:SHOWN] if first < SHOWN - 9 else line[max(0, first - SHOWN) : first + 9]


def _is_damaged(data: bytes) -> bool:
    """Whether this is UTF-8 except for a few bytes."""
    text = data.decode("utf-8", errors="replace")
    bad, good = text.count("\ufffd"), len(re.findall(r"[^\0-\x7f\ufffd]", text))
    return good > 4 * bad
