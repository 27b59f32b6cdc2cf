"""`make notebook`: JupyterLab opens a chapter as a notebook, runs it, and changes no settings of its user."""

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
import websocket
from browser import chromium
from packaging.utils import canonicalize_name

from setup.check import read_lock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[1]
TOKEN = "a-token-for-the-test"
CHAPTER = "chapters/zh/04-rnn.md"


class Lab:
    """A JupyterLab server, as `make notebook` starts it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data, headers, method=method), timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Started with the command of the Makefile, on a free port, with a home of its own."""
    home = tmp_path_factory.mktemp("home")
    recipe = re.search(r"^notebook:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.M)
    assert recipe
    options = "--no-browser --ip=127.0.0.1 --port=0 --allow-root --ServerApp.open_browser=False"
    shell = (
        recipe[1].replace("$(CURDIR)", str(ROOT)).replace("$(BIN)/jupyter", f"{sys.executable} -m jupyter")
    )
    shell = shell.replace("$(ARGS)", f"{options} --IdentityProvider.token={TOKEN}").replace("$$", "$")
    log = home / "log"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))
    }
    environment |= {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home / ".jupyter")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("w") as file:
        server = subprocess.Popen(
            ["sh", "-c", "exec env " + shell.replace("\\\n", " ").strip()],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
        )
    try:
        yield _when_it_answers(server, log)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _when_it_answers(server: subprocess.Popen[bytes], log: Path) -> Lab:
    """The server at the address in its log. It writes that line before it listens."""
    for _ in range(1200):
        assert server.poll() is None, log.read_text()
        if found := re.search(r"(http://127\.0\.0\.1:\d+)/", log.read_text()):
            lab = Lab(found[1])
            with suppress(URLError):
                lab.ask("GET", "/api/status")
                return lab
        time.sleep(0.1)
    raise AssertionError(f"no answer within two minutes:\n{log.read_text()}")


def test_a_chapter_opens_as_a_notebook(lab: Lab) -> None:
    answer = lab.ask("GET", f"/api/contents/{CHAPTER}?type=notebook")

    assert answer["type"] == "notebook"
    assert {cell["cell_type"] for cell in answer["content"]["cells"]} == {"markdown", "code"}
    assert answer["content"]["metadata"]["kernelspec"]["name"] == "python3"


def test_a_double_click_opens_it_as_a_notebook_by_default(lab: Lab) -> None:
    settings = lab.ask("GET", "/lab/api/settings/@jupyterlab/docmanager-extension:plugin")

    viewers = settings["schema"]["properties"]["defaultViewers"]["default"]
    assert viewers["markdown"] == "Jupytext Notebook"


def test_the_first_cells_run_in_a_kernel(lab: Lab) -> None:
    notebook = lab.ask("GET", f"/api/contents/{CHAPTER}?type=notebook")["content"]
    cells = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"][:3]
    session = {"path": CHAPTER, "name": "04-rnn", "type": "notebook", "kernel": {"name": "python3"}}
    session = lab.ask("POST", "/api/sessions", session)
    kernel = session["kernel"]["id"]
    address = lab.url.replace("http", "ws") + f"/api/kernels/{kernel}/channels?token={TOKEN}"
    socket = websocket.create_connection(address, timeout=120)
    try:
        printed = "".join(_execute(socket, cell) for cell in cells)
    finally:
        socket.close()
        lab.ask("DELETE", f"/api/sessions/{session['id']}")

    assert "len(vocab) = 2493" in printed
    assert lab.ask("GET", "/api/kernels") == []


def _execute(socket: websocket.WebSocket, code: str) -> str:
    """Run a cell and return what it prints; an error of the cell fails the test."""
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "version": "5.3"}
    header["session"] = header["msg_id"]
    message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
    socket.send(json.dumps(message))
    printed, replied, idle = "", False, False
    while not (replied and idle):
        answer = json.loads(socket.recv())
        if answer["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        kind, content = answer["header"]["msg_type"], answer["content"]
        assert kind != "error", content
        printed += str(content["text"]) if kind == "stream" else ""
        replied = replied or kind == "execute_reply"
        idle = idle or (kind == "status" and content["execution_state"] == "idle")
    return printed


def test_students_do_not_see_the_extensions_that_come_with_the_tests(lab: Lab) -> None:
    locked = [requirement for group in ("train", "notebook") for requirement in read_lock(group)]
    packages = {canonicalize_name(requirement.name) for requirement in locked}
    with urlopen(f"{lab.url}/lab?token={TOKEN}", timeout=60) as answer:
        html = answer.read().decode()
    config = json.loads(re.search(r'type="application/json">\s*(\{.*?\})\s*</script>', html, flags=re.S)[1])  # type: ignore[index]
    shown = {extension["name"] for extension in config["federated_extensions"]}
    shown -= set(config["disabledExtensions"])

    package_of = _packages_of_extensions()
    assert "jupyterlab-jupytext" in shown
    assert "nbgrader" in package_of.values()
    assert [name for name in shown if package_of[name] not in packages] == []


@pytest.mark.parametrize("path", ["formgrader", "assignments", "courses", "tree"])
def test_the_server_has_no_pages_of_nbgrader_and_of_notebook(path: str, lab: Lab) -> None:
    with pytest.raises(HTTPError, match="404") as refused:
        lab.ask("GET", f"/{path}")
    refused.value.close()  # Python 3.14 warns of an answer that nobody closes


def _packages_of_extensions() -> dict[str, str]:
    """For each extension of JupyterLab that is installed, the package that brings it."""
    folder = re.compile(r"share/jupyter/labextensions/((?:@[^/]+/)?[^/@]+)/package\.json$")
    return {
        found[1]: canonicalize_name(package.metadata["Name"])
        for package in metadata.distributions()
        for file in package.files or []
        if (found := folder.search(file.as_posix()))
    }


def test_in_the_browser_a_chapter_is_a_notebook(lab: Lab) -> None:
    with chromium() as page:
        page.open(f"{lab.url}/lab/tree/{CHAPTER}?token={TOKEN}")
        cells = "document.querySelectorAll('.jp-NotebookPanel .jp-Cell').length"

        page.wait(lambda: page.evaluate(cells), "the notebook", 120)
    for session in lab.ask("GET", "/api/sessions"):
        lab.ask("DELETE", f"/api/sessions/{session['id']}")


def test_nothing_is_written_beside_the_chapters(lab: Lab) -> None:
    assert not list((ROOT / "book" / "jupyter").rglob("*.jupyterlab-settings"))
    assert sorted(path.name for path in (ROOT / "book" / "jupyter").rglob("*") if path.is_file()) == [
        "default_setting_overrides.json",
        "page_config.json",
        "students.json",
    ]
