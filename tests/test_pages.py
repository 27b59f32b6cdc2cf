"""A page of every kind of text is learnt by heart, and comes out as it went in, character for character."""

import shlex
import unicodedata
from pathlib import Path

from d2lrnn import predict, train

import pytest

LEARN = shlex.split(
    "--heldout 0 --cell gru --hidden-dim 128 --batch-size 4 --num-steps 60 --lr 0.005 --dropout 0 "
    "--pred-period 1000"
)

PLAY = """QUEEN:
Who goes there, at this hour and in such snow?

KING:
A friend; and one who has not slept for it.
The harbour froze last night, and all our boats
Are held in it like flies in amber.

FOOL:
And I, who cannot swim, have walked upon the water!

[Exeunt.]
"""
PROGRAM = """def count(words):
\ttotal = {}
\tfor word in words:
\t\tif word not in total:
\t\t\ttotal[word] = 0
\t\ttotal[word] += 1
\treturn total


if __name__ == "__main__":
\tprint(count(["a\\\\n", 'b', "c"]))
"""
ARABIC = """كان في قديم الزمان صياد فقير يسكن قرب البحر.
خرج ذات صباح والريح ساكنة، فألقى شبكته ثلاث مرات.

في المرة الأولى لم يجد شيئًا؛
وفي الثانية وجد جرة من نحاس،
وفي الثالثة سمكة تلمع كالقمر\u200f!
"""
VIETNAMESE = """Thuyền về bến cũ chiều nay,
Sóng đưa tiếng hát, gió lay mái chèo.

Đêm qua trăng xuống lưng đèo,
Bóng ai còn đứng trông theo bên cầu?
"""
SONG = """雪落在旧车站
风吹过第三个站台

你说春天很近
我把信写到天亮

\u3000\u3000（副歌）
火车开走了\u2028灯还亮着
"""

# the file's bytes, the flags that read it, and the page that is to come out
PAGES = {
    "a play with the line ends of Windows": (PLAY.replace("\n", "\r\n").encode(), [], PLAY),
    "a play with the line ends of an old Mac": (PLAY.replace("\n", "\r").encode(), [], PLAY),
    "a program with tabs and backslashes": (PROGRAM.encode(), [], PROGRAM),
    "Arabic, with a mark of direction": (ARABIC.encode(), [], ARABIC),
    "decomposed letters, composed": (unicodedata.normalize("NFD", VIETNAMESE).encode(), [], VIETNAMESE),
    "decomposed letters, left alone": (
        unicodedata.normalize("NFD", VIETNAMESE).encode(),
        ["--normalize", "none"],
        unicodedata.normalize("NFD", VIETNAMESE),
    ),
    "Chinese in GB 18030, with a line separator": (SONG.encode("gb18030"), ["--encoding", "gb18030"], SONG),
}


def learn(page: str, data: bytes, flags: list[str], folder: Path) -> Path:
    """A run that has learnt the page, and was resumed on the way."""
    (folder / "page.txt").write_bytes(data * (2 + 400 // len(page)))  # its end is followed by its beginning
    run = folder / "run"
    beginning = folder / "beginning.txt"
    beginning.write_text(page[:12], encoding="utf-8", newline="")
    command = ["--corpus", str(folder / "page.txt"), *flags, *LEARN, "--out", str(run)]
    assert train.main([*command, "--epochs", "100", "--prefix-file", str(beginning)]) == 0
    assert train.main(["--resume", str(run), "--epochs", "170"]) == 0
    return run


@pytest.mark.slow
@pytest.mark.parametrize("kind", PAGES)
def test_a_page_comes_out_as_it_went_in(
    kind: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    data, flags, page = PAGES[kind]
    run = learn(page, data, flags, tmp_path)
    capfdbinary.readouterr()
    beginning = str(tmp_path / "beginning.txt")
    write = [str(run), "--temperature", "0", "--prefix-file", beginning, "--length", str(len(page) - 12)]
    assert predict.main(write) == 0
    written = capfdbinary.readouterr().out
    assert written.decode() == page + "\n"
