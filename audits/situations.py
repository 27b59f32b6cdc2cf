"""Situations of people who bring their own text, tried one by one: a table of outcomes.

    python -m audits.situations [NAME …]      those whose name contains one of the words (all: some minutes)

Each is a bash script in an empty folder, in which `train`, `predict` and the other commands are ours; it
exits with 0 if all went as the user expects.
"""

# ruff: noqa: E501 (lines as somebody would type them)

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COMMANDS = ("train", "predict", "evaluate", "runs")
# a run of one second, on a page that takes a few more to memorise
PRELUDE = r"""
set -eo pipefail
FOREVER="--hidden-dim 16 --epochs 99999 --early-stop 0 --batch-size 4 --num-steps 20 --out run"
SMALL="--hidden-dim 16 --epochs 2 --batch-size 4 --num-steps 20 --out run"
HEART="--cell gru --hidden-dim 128 --epochs 150 --batch-size 4 --num-steps 60 --lr 0.005 --heldout 0 --dropout 0 --out run"
says() { grep -qF -- "$1" "$2" || { echo "«$1» is not in: $(tail -n 3 "$2")"; return 1; }; }
ends() { local code=$1; shift; local is=0; "$@" || is=$?; [ $is = $code ] || { echo "exit code $is, not $code"; return 1; }; }
clean() { ! grep -l Traceback "$@"; }
cat > play.txt <<'END'
QUEEN:
Who goes there, at this hour and in such snow?

KING:
A friend; and one who has not slept for it.
The harbour froze last night, and all our boats
Are held in it like flies in amber.

FOOL:
And I, who cannot swim, have walked upon the water!

[Exeunt.]
END
all_commands() {  # an epoch, and what one does with a run afterwards; the line ends are those of the text
  train --corpus "$@" --epochs 1 --hidden-dim 64 --dropout 0 --pred-len 200 --out run; train --resume run --epochs 2
  predict run --length 300 > out; [ $(wc -l < out) -ge 2 ]; ! grep -q $'\r' out; evaluate run; evaluate run "$1" > table; says erplexity table
  d2lrnn export run --out n.safetensors; d2lrnn export run --onnx --out n.onnx; predict n.safetensors --temperature 0 --length 99 > a
  predict run --temperature 0 --length 99 > b; diff a b; python onnx_writes.py n.onnx 99 > c; diff a c
}
cat > onnx_writes.py <<'END'
import json, sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
metadata = session.get_modelmeta().custom_metadata_map
chars, text = metadata["chars"], json.loads(metadata["prefixes"])[0]
states = {state.name: np.zeros((1, state.shape[1]), np.float32) for state in session.get_inputs()[1:]}
indices = [chars.index(char) for char in text]
for _ in range(int(sys.argv[2])):
    logits, *new_states = session.run(None, {"indices": np.array([indices]).T, **states})
    states, indices = dict(zip(states, new_states)), [int(logits[-1].argmax())]
    text += chars[indices[0]]
print(text)
END
for k in $(seq 40); do printf 'Day %s.\nSnow again; the road to the mill is closed.\n' $k > day-$k.text; done
"""

SITUATIONS = {
    # --- lines ---
    "a poem keeps its lines": r"""
        cat play.txt play.txt > two.txt; train --corpus two.txt $HEART
        predict run --temperature 0 --prefix 'QUEEN:' --length 252 > out
        diff out play.txt""",
    "a prefix is copied with its line end": r"""
        train --corpus play.txt $SMALL; predict run --prefix 'KING:\nA' --length 5 > out; says KING: out; [ $(wc -l < out) -ge 1 ]""",
    "a text ends at a blank line": r"""
        train --corpus play.txt $HEART; predict run --temperature 0 --prefix 'QUEEN:\n' --length 250 --stop '\n\n' > out
        head -n 2 play.txt | diff out -""",
    "a program keeps its tabs": r"""
        printf 'def f(x):\n\tif x:\n\t\treturn 1\n\treturn 2\n%.0s' 1 2 3 4 5 6 7 8 > f.py
        train --corpus f.py $HEART; predict run --temperature 0 --prefix 'def f' --length 32 > out; head -n 4 f.py | diff out -""",
    "lines end as on Windows": r"""
        sed 's/$/\r/' play.txt > dos.txt; train --corpus dos.txt $SMALL; predict run --length 99 --prefix Q > out; ! grep -q $'\r' out""",
    # --- files ---
    "--corpus is given twice": r"""
        train --corpus day-1.text --corpus day-2.text --heldout 0 $SMALL; says day-1.text run/config.json; says day-2.text run/config.json""",
    "a folder of forty files": r"""
        mkdir days; mv day-*.text days; train --corpus days $SMALL; says day-40.text run/config.json""",
    "a glob in quotes": r"""
        train --corpus 'day-*.text' $SMALL; says day-40.text run/config.json""",
    "a zip of many texts": r"""
        python -m zipfile -c days.zip day-?.text; train --corpus days.zip --heldout 0 $SMALL; says day-9 run/config.json""",
    "gz, bz2 and xz": r"""
        gzip -k play.txt; bzip2 -k day-1.text; xz -k day-2.text
        train --corpus play.txt.gz day-1.text.bz2 day-2.text.xz $SMALL; says xz run/config.json""",
    "records of JSON": r"""
        printf '{"id": 1, "body": "one line\\nand a second"}\n%.0s' 1 2 3 4 5 6 7 8 9 > r.jsonl
        train --corpus r.jsonl --field body $SMALL; ends 2 train --corpus r.jsonl --field boby --out other 2> err; says boby err""",
    "a text comes through a pipe, and the run resumes": r"""
        cat play.txt | train --corpus - $SMALL; train --resume run --epochs 3 < /dev/null""",
    "held-out text of one's own": r"""
        train --corpus play.txt --valid day-1.text day-2.text $SMALL || train --corpus play.txt day-3.text --valid day-1.text $SMALL""",
    "the first 500 characters of 20 MB": r"""
        for k in $(seq 50000); do cat play.txt; done | head -c 20000000 | xz -0 > big.xz
        train --corpus big.xz --max-chars 500 $SMALL""",
    "300 kB of a play, through all commands": r"""
        for k in $(seq 900); do sed "s/night/night $k/; s/boats/$((k * k)) boats/" play.txt; done | head -c 300000 > long.txt
        all_commands long.txt""",
    "300 kB of a program, through all commands": r"""
        find "$(python -c 'import d2lrnn; print(d2lrnn.__path__[0])')" -name '*.py' -not -path '*mistakes*' | sort | xargs cat > all
        head -c 300000 all > all.py
        all_commands all.py --prefix import""",
    "forty small files, through all commands": r"""
        mkdir days; mv day-*.text days; for f in days/*; do for k in $(seq 20); do cat "$f"; done > all; mv all "$f"; done; all_commands days""",
    "Arabic, through all commands": r"""
        printf 'كان في قديم الزمان صياد فقير.\nخرج ذات صباح، فألقى شبكته!\n\n%.0s' $(seq 200) > ar.txt; all_commands ar.txt""",
    "20 MB as .xz, stopped after a minute, through all commands": r"""
        for k in $(seq 50000); do cat play.txt; echo $k; done | head -c 20000000 | xz -0 > big.xz; rm -f run/*
        ends 130 timeout --preserve-status -s INT 60 train --corpus big.xz --out first --heldout 0.001; predict first --length 9
        all_commands big.xz --max-chars 300000""",
    # --- encodings ---
    "German in Latin-1": r"""
        printf 'Über den Wäldern hängt früh der Nebel, und die Bäche führen Eis.\n%.0s' 1 2 3 4 5 6 | iconv -t latin1 > de.txt
        ends 2 train --corpus de.txt $SMALL 2> err; ! says GBK err >/dev/null; says --encoding err; train --corpus de.txt --encoding latin-1 $SMALL
        predict run --prefix Ü --length 3""",
    "Japanese in Shift-JIS": r"""
        printf '雪が降っている。駅には誰もいない。汽車はまだ来ない。\n%.0s' 1 2 3 4 5 6 | iconv -t SHIFT-JIS > ja.txt
        ends 2 train --corpus ja.txt $SMALL 2> err; ! says GBK err >/dev/null; says 雪 err; train --corpus ja.txt --encoding shift-jis $SMALL""",
    "Korean in EUC-KR": r"""
        printf '눈이 내린다. 역에는 아무도 없다. 기차는 아직 오지 않는다.\n%.0s' 1 2 3 4 5 6 | iconv -t EUC-KR > ko.txt
        ends 2 train --corpus ko.txt $SMALL 2> err; ! says GBK err >/dev/null; says 눈 err; train --corpus ko.txt --encoding euc-kr $SMALL""",
    "accents in two pieces": r"""
        python -c "import unicodedata; print(unicodedata.normalize('NFD', 'été à Orléans, forêt, âme. ' * 9))" > fr.txt
        train --corpus fr.txt $SMALL; predict run --length 5 --prefix "$(printf 'e\xcc\x81te\xcc\x81')" > out; says été out""",
    "files joined, each with a mark at its start": r"""
        for k in 1 2 3; do printf '\xef\xbb\xbf'; cat play.txt; done > marks.txt; train --corpus marks.txt $SMALL; ! predict run --prefix "$(printf '\xef\xbb\xbf')" 2>/dev/null""",
    # --- what it is printed on ---
    "terminals of ascii, cp1252 and GBK": r"""
        printf '雪落在旧车站，风吹过。Über 🎈\n%.0s' 1 2 3 4 5 6 7 8 > all.txt
        for e in ascii latin-1 cp1252 gbk; do
          PYTHONUTF8=0 PYTHONIOENCODING=$e train --corpus all.txt $SMALL-$e > log 2>&1; PYTHONIOENCODING=$e predict run-$e --length 9 >> log 2>&1; clean log
        done""",
    "| head -1": r"""
        train --corpus play.txt $SMALL --epochs 4 2> err | head -n 1; clean err; train --resume run --epochs 5""",
    "| tee, and Ctrl-C": r"""
        interrupt="timeout --preserve-status -s INT 20"; set +e
        $interrupt train --corpus play.txt $FOREVER 2> err | $interrupt tee log; code=${PIPESTATUS[0]}; set -e
        clean err; [ $code = 130 ]; says saved err; train --resume run --epochs 3 --early-stop 1 || ends 2 train --resume run --epochs 3""",
    "the log on a full disk": r"""
        train --corpus play.txt $SMALL > /dev/full 2> err; clean err; ends 2 train --resume run""",
    "the terminal is closed": r"""
        train --corpus play.txt $FOREVER > log 2>&1 & pid=$!
        until grep -q 'epoch   2' log; do sleep 0.2; done; kill -HUP $pid; ends 129 wait $pid; clean log; says saved log""",
    "a text with marks of direction goes to a file": r"""
        printf 'abc\u200fdef\u2028ghi\fjkl\n%.0s' $(seq 30) > marks.txt; train --corpus marks.txt $HEART
        predict run --temperature 0 --prefix abc --length 12 > out; head -n 1 marks.txt | cmp - out""",
    # --- runs that move ---
    "the corpus lies elsewhere now": r"""
        train --corpus play.txt $SMALL; mkdir new; mv play.txt new/p.txt; mv run moved; ends 2 train --resume moved --epochs 3 2> err; says --corpus err
        train --resume moved --epochs 3 --corpus new/p.txt; train --resume moved --epochs 4""",
    "a new run from another's weights": r"""
        train --corpus play.txt $SMALL; train --corpus day-1.text day-2.text --init run --heldout 0 --epochs 2 --batch-size 2 --num-steps 9 --out tuned; predict tuned --length 5 --prefix Snow""",
    "which run is the newest": r"""
        mkdir runs; train --corpus play.txt --out runs/old $SMALL --out runs/old; train --corpus play.txt $SMALL --out runs/new; cp -r runs/old runs/copy
        predict --length 5 2> err; says runs/new err""",
    # --- what a practitioner looks for ---
    "how good is it on another file": r"""
        train --corpus play.txt $SMALL; evaluate run day-1.text day-2.text > out; says day-2.text out; says erplexity out""",
    "it stops when it gets no better": r"""
        train --corpus play.txt $SMALL --lr 0.05 --hidden-dim 64 --epochs 500 --early-stop 3 > log; says 'best held-out' log; [ $(wc -l < run/metrics.jsonl) -lt 500 ]
        predict run --length 5 2> best; predict run --last --length 5 2> last; ! diff -q best last > /dev/null""",
    "warm-up, cosine, weight decay": r"""
        train --corpus play.txt $SMALL --schedule cosine --warmup 5 --weight-decay 0.01""",
    "the same text twice, with a seed": r"""
        train --corpus play.txt $SMALL; predict run --length 40 > a 2> err; predict run --length 40 --seed $(grep -oE 'seed [0-9]+' err | grep -oE '[0-9]+') > b; diff a b""",
    "prefixes are typed": r"""
        train --corpus play.txt $SMALL; printf 'KING\nQUEEN\n' | predict run --interactive --length 9 > out; says KING out; says QUEEN out""",
    "two runs are compared": r"""
        train --corpus play.txt $SMALL; train --config run/config.json --hidden-dim 20 --out two; runs run two > list; says two list
        runs compare run two --out c.svg > out; says hidden out; grep -q '<svg' c.svg""",
}


def main(words: list[str]) -> int:
    """Print a line for each; 1 if one did not go as the user expects."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        tools = Path(folder, "bin")
        tools.mkdir()
        for name, arguments in {
            "python": "",
            "d2lrnn": "-m d2lrnn",
            **{name: f"-m d2lrnn.{name}" for name in COMMANDS},
        }.items():
            (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
            (tools / name).chmod(0o755)
        for number, (name, script) in enumerate(SITUATIONS.items(), 1):
            if not words or any(word in name for word in words):
                reason = attempt(script, tools, Path(folder, str(number)))
                failed += bool(reason)
                print(f"| {number} | {name} | {f'**{reason}**' if reason else 'as expected'} |", flush=True)
    return int(failed > 0)


def attempt(script: str, tools: Path, folder: Path) -> str:
    """Why the script failed, from its last line; empty if it succeeded."""
    folder.mkdir()
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", PRELUDE + script], cwd=folder, env=environment, capture_output=True, timeout=600
    )
    shutil.rmtree(folder)
    if done.returncode == 0:
        return ""
    lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines() or ["no word"]
    return f"{lines[-1]} (exit code {done.returncode})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
