"""What the READMEs promise is there: commands, files, flags, numbers; and both languages promise the same."""

import re
from pathlib import Path

import pytest

from d2lrnn import load_corpus, train

ROOT = Path(__file__).parent.parent
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md")}


def _blocks(text: str) -> list[str]:
    """Code blocks; of `make` lines only the command, since what it does is said in each language."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.S)
    return [re.sub(r"(?m)^(make \w+) .*$", r"\1", block) for block in blocks]


def test_both_languages_show_the_same_code_samples_and_links() -> None:
    en, zh = READMES.values()

    assert _blocks(en) == _blocks(zh)
    assert re.findall(r"(?m)^> (.+)$", en) == re.findall(r"(?m)^> (.+)$", zh)
    links = [sorted(set(re.findall(r"\]\(([^)]+)\)", text)) - set(READMES)) for text in (en, zh)]
    assert links[0] == links[1]


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", READMES[name])

    assert len(links) > 10
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


@pytest.mark.parametrize("name", READMES)
def test_every_make_target_and_flag_exists(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    with pytest.raises(SystemExit):
        train.main(["--help"])
    train_flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    used = re.findall(r"d2lrnn\.train (.+)", READMES[name])

    assert set(re.findall(r"\bmake ([a-z]+)", READMES[name])) <= targets
    assert set(re.findall(r"--[a-z-]+", " ".join(used))) <= train_flags


@pytest.mark.parametrize("name", READMES)
def test_the_size_of_our_lyrics_is_as_printed(name: str) -> None:
    assert f"{len(load_corpus()):,}" in READMES[name]


def test_the_picture_is_the_one_that_the_text_describes() -> None:
    shown = re.search(r"training ([\d.,]+)", (ROOT / "benchmarks/curve.svg").read_text())

    assert shown, "the curve is labelled with its last value"
    assert all(f" {float(shown[1]):.2g}" in text for text in READMES.values())


@pytest.mark.slow
def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", READMES["README.md"], flags=re.S)

    exec(compile(code, "README.md", "exec"), {})

    assert "epoch 20, perplexity" in capsys.readouterr().out
