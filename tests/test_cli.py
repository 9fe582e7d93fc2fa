"""The command line: exit codes, clean output, no traceback; bad input from end to end."""

import json
import os
import pty
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from groundtune import __version__, cli, stages
from groundtune.project import Project
from groundtune.types import Json
from groundtune.workspace import Workspace
from tests import tiny as small
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME

GROUNDTUNE = Path(sys.executable).with_name("groundtune")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def groundtune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["groundtune", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return ended.value.code, out, err

    return run


@pytest.fixture
def echo(tiny: Tiny, tmp_path: Path) -> Path:
    """A project on the model without weights: a run of it takes a second."""
    return small.project(tmp_path / "shop", tiny, "echo")


def test_help_answers_in_less_than_half_a_second() -> None:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        done = subprocess.run([GROUNDTUNE, "--help"], capture_output=True, text=True)
        times.append(time.perf_counter() - began)
        assert done.returncode == 0
    assert "run" in done.stdout
    assert min(times) < 0.5


def test_every_verb_has_a_help_text(groundtune: Run) -> None:
    verbs = ["init", "doctor", "plan", "sync", "tune", "measure", "report", "run", "ask", "export", "demo"]
    code, out, _ = groundtune("--help")

    assert code == 0
    for verb in verbs:
        assert verb in out
        assert groundtune(verb, "--help")[0] == 0


def test_init_writes_a_config_that_run_takes_as_it_is(
    groundtune: Run, echo: Path, monkeypatch: pytest.MonkeyPatch, tiny: Tiny
) -> None:
    monkeypatch.chdir(echo.parent)
    echo.unlink()

    code, out, _ = groundtune("init", "--docs", "docs", "--examples", "questions.jsonl")

    assert code == 0
    assert "12 documents" in out
    text = echo.read_text()
    # The bundled models are for those who have them; all else stays as `init` wrote it.
    echo.write_text(text.replace('"smollm2-135m"', '"echo"') + f'[embedder]\nname = "{tiny.bert}"\n')
    code, out, err = groundtune("run")
    assert (code, "report: " in out) == (0, True), err


def test_json_is_alone_on_standard_output_and_the_rest_on_standard_error(
    groundtune: Run, tiny: Tiny, tmp_path: Path
) -> None:
    config = small.project(tmp_path / "shop", tiny)
    told = {}
    for verb in ("sync", "plan", "tune", "run", "report"):
        code, out, err = groundtune(verb, "-c", config, "--json")
        assert code == 0, err
        told[verb] = json.loads(out)
        assert out.count("\n") == 1
    code, out, err = groundtune("ask", "What does the red lamp cost?", "--approach", "hybrid", "-c", config, "--json")
    assert code == 0, err
    answer = json.loads(out)

    assert len(told["sync"]["added"]) == 12
    assert (told["plan"]["train"], told["plan"]["test"]) == (24, 12)
    assert told["plan"]["training"]["steps"] > 0
    (trained,) = told["tune"]["adapters"]["both"]
    assert trained["steps"] == trained["plan"]["steps"]
    verdict = json.loads((config.parent / ".groundtune" / "verdict.json").read_text())
    assert told["run"] == verdict
    assert told["report"]["approaches"].keys() == verdict["approaches"].keys()
    assert answer["approach"] == "hybrid"
    assert answer["prompt_tokens"] > 0


@pytest.mark.slow
def test_a_whole_run_in_a_process_of_its_own_prints_nothing_but_the_verdict(tiny: Tiny, tmp_path: Path) -> None:
    config = small.project(tmp_path / "shop", tiny)

    done = subprocess.run([GROUNDTUNE, "run", "-c", config, "--json"], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["approaches"]) == {"base", "rag", "tuned", "hybrid"}
    lines = done.stderr.splitlines()
    assert any(line.startswith("tuning on ") for line in lines)
    assert not [line for line in lines if "Warning" in line or "%|" in line or "it/s" in line]


def test_without_json_a_person_reads_the_verdict_and_where_the_report_is(groundtune: Run, echo: Path) -> None:
    code, out, _ = groundtune("run", "-c", echo)

    assert code == 0
    assert "approach" in out
    assert "12 held-out examples" in out
    assert out.rstrip().endswith(str(echo.parent / ".groundtune" / "report.html"))
    assert groundtune("measure", "-c", echo)[0] == 0
    assert "held out" in groundtune("plan", "-c", echo)[1]


def test_the_demo_is_laid_out_and_run(groundtune: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def run(project: Project) -> Json:
        ran.append(project.config.workspace.path)
        return {"approaches": {}}

    monkeypatch.setattr(stages, "run", run)

    code, out, _ = groundtune("demo", "--dir", tmp_path / "demo", "--json")

    assert (code, json.loads(out)) == (0, {"approaches": {}})
    assert ran == [tmp_path / "demo" / ".groundtune"]
    assert (tmp_path / "demo" / "handbook").is_dir()


def test_doctor_ends_with_2_where_something_is_missing(groundtune: Run, echo: Path) -> None:
    code, out, _ = groundtune("doctor", "-c", echo)
    lines = out.splitlines()
    assert code == (2 if any(line.startswith("bad ") for line in lines) else 0)
    assert any(line.startswith("ok   [model] name: echo") for line in lines)

    echo.write_text("[tune]\nminuts = 1\n[embedder]\nname = 'nowhere'\n[model]\nname = 'echo'\n")
    code, out, _ = groundtune("doctor", "-c", echo)
    assert code == 2
    assert "minuts" in out


# ---------------------------------------------------------------- bad input, from end to end


def rows(n: int, evidence: str = "") -> str:
    """Questions; `evidence`: how the names of the documents that they name begin."""
    lines = []
    for k in range(n):
        row: dict[str, Any] = {"question": f"What is {k} and {k * 3}?", "answers": [f"a{k}"]}
        lines.append(json.dumps(row | ({"evidence": [{"document": f"{evidence}{k}.md"}]} if evidence else {})))
    return "\n".join(lines) + "\n"


def labels() -> str:
    given = [{"text": f"message {n} about lamps", "label": "ab"[n % 2]} for n in range(20)] + [
        {"text": "odd", "label": "c"}
    ]
    return "".join(json.dumps(row) + "\n" for row in given)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[tune]", "[tune]\nminuts = 3", "[tune] minuts is unknown"),
        ("minutes = 0.5", 'minutes = "many"', '[tune] minutes = "many"'),
        ('kind = "folder"', 'kind = "foldr"', "'foldr'"),
        ("[measure]", '[retrieve]\nkind = "bm26"\n[measure]', "'bm26'"),
        ("[measure]", "[retrieve]\nweight = 2\n[measure]", "weight"),
        ("[prompt]", "[[prompt", "not TOML"),
        ('name = "echo"', 'name = "ecco"', "'ecco'"),
        ('path = "docs"', 'path = "dox"', "dox"),
        ('path = "questions.jsonl"', 'path = "questionz.jsonl"', "questionz.jsonl"),
        ("[measure]", '[decide]\nquality = "beauty"\n[measure]', "beauty"),
        ("[measure]", '[decide]\nfreshness = "soon"\n[measure]', "soon"),
    ],
)
def test_a_config_that_is_wrong_is_the_users_to_mend(
    groundtune: Run, echo: Path, old: str, new: str, message: str
) -> None:
    text = echo.read_text()
    assert old in text
    echo.write_text(text.replace(old, new))

    code, out, err = groundtune("run", "-c", echo, "--json")

    assert (code, out) == (2, "")
    assert message in err
    last = [line for line in err.splitlines() if line.startswith("groundtune: ")]
    assert len(last) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (rows(9), "9 examples; at least 10 are needed"),
        (rows(12, evidence="nowhere"), "no evidence is among the documents: examples name 'nowhere"),
        (rows(12)[:-20], "questions.jsonl line 12: malformed JSON"),
        ("", "questions.jsonl: empty"),
    ],
)
def test_examples_that_are_wrong_are_the_users_to_mend(groundtune: Run, echo: Path, content: str, message: str) -> None:
    (echo.parent / "questions.jsonl").write_text(content)

    code, out, err = groundtune("run", "-c", echo, "--json")

    assert (code, out) == (2, "")
    assert message in err


def test_a_label_seen_once_is_named_and_the_run_goes_on(groundtune: Run, echo: Path) -> None:
    (echo.parent / "questions.jsonl").write_text(labels())

    code, _, err = groundtune("run", "-c", echo, "--json")

    assert code == 0, err
    assert "seen only once, so for training and never tested: 'c'" in err


def test_an_empty_folder_forgets_nothing(groundtune: Run, echo: Path) -> None:
    assert groundtune("sync", "-c", echo)[0] == 0
    for path in (echo.parent / "docs").iterdir():
        path.unlink()

    code, _, err = groundtune("sync", "-c", echo)

    assert code == 2
    assert "no readable document in" in err
    (echo.parent / "docs" / "red-lamp.md").write_text("# The red lamp\n\nIt is new.\n")
    summary = json.loads(groundtune("sync", "-c", echo, "--json")[1])
    assert (summary["added"], summary["changed"], len(summary["removed"])) == ([], ["red-lamp.md"], 11)


def test_files_that_cannot_be_read_are_named_and_the_others_served(groundtune: Run, echo: Path) -> None:
    docs = echo.parent / "docs"
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7\n1 0 obj")
    (docs / "binary.txt").write_bytes(bytes(range(256)) * 40)
    (docs / "loop").symlink_to(docs)

    code, out, err = groundtune("sync", "-c", echo, "--json")

    summary = json.loads(out)
    assert code == 0
    assert len(summary["added"]) == 12
    assert {"broken.pdf", "binary.txt"} <= {item["id"] for item in summary["left_out"]}
    assert "left out: broken.pdf: " in err


def test_a_workspace_that_cannot_be_written_is_the_users_to_mend(groundtune: Run, echo: Path) -> None:
    (echo.parent / ".groundtune").write_text("a file")

    code, _, err = groundtune("run", "-c", echo)

    assert code == 2
    assert ".groundtune" in err


def test_an_endpoint_that_is_down_ends_with_1(
    groundtune: Run, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    config = small.project(tmp_path / "shop", tiny, "openai:m")
    config.write_text(config.read_text().replace("[model]", '[model]\nbase_url = "http://127.0.0.1:9/v1"'))

    code, out, err = groundtune("run", "-c", config, "--json")

    assert (code, out) == (1, "")
    assert "http://127.0.0.1:9/v1" in err
    workspace = config.parent / ".groundtune"
    written = [path.read_bytes() for path in workspace.rglob("*") if path.is_file()]
    assert b"sk-secret" not in b"".join(written) + err.encode()


@pytest.mark.parametrize("arguments", [["runn"], ["run", "--jsn"], ["ask"], ["run", "-c"], ["init", "--force=3"]])
def test_a_command_that_is_wrong_ends_with_2_and_one_line(groundtune: Run, arguments: list[str]) -> None:
    code, out, err = groundtune(*arguments)

    assert (code, out) == (2, "")
    assert "--help" in err
    assert len(err.strip().splitlines()) <= 2


def test_a_config_that_is_not_there_says_how_to_make_one(groundtune: Run, tmp_path: Path) -> None:
    for arguments in (["run"], ["ask", "What?"], ["report"]):
        code, out, err = groundtune(*arguments, "-c", tmp_path / "none.toml")
        assert (code, out) == (2, "")
        assert "none.toml: no such file" in err
        assert "groundtune init" in err


def test_a_report_before_a_run_is_refused(groundtune: Run, echo: Path) -> None:
    code, _, err = groundtune("report", "-c", echo)

    assert code == 2
    assert "is not measured yet" in err


def test_the_version_is_told(groundtune: Run) -> None:
    assert groundtune("--version") == (0, f"groundtune {__version__}\n", "")


# ---------------------------------------------------------------- one at a time


@pytest.mark.parametrize("verb", ["plan", "sync", "tune", "measure", "report", "run", "demo"])
def test_a_verb_that_writes_ends_where_another_is_at_work(
    groundtune: Run, echo: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "SYNC_PATIENCE", 0.5)
    place = ("--dir", echo.parent) if verb == "demo" else ("-c", echo)

    with Workspace(echo.parent / ".groundtune").alone():
        code, out, err = groundtune(verb, *place)

    assert (code, out) == (1, "")
    assert f"another groundtune is at work in {echo.parent / '.groundtune'}" in err


def test_asking_waits_for_nobody(groundtune: Run, echo: Path) -> None:
    with Workspace(echo.parent / ".groundtune").alone():
        code, _, err = groundtune("ask", "What is 3?", "-c", echo)

    assert code == 2
    assert "there is no verdict yet" in err


# ---------------------------------------------------------------- how it ends, and what it prints


def test_an_interrupted_verb_gives_the_terminal_its_cursor_back(
    groundtune: Run, echo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_interrupted(project: Project, *, rebuild: bool) -> None:
        project.progress.start("embedding", 3)
        raise KeyboardInterrupt

    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(stages, "sync_stage", is_interrupted)
    with open(theirs, "w") as terminal:  # noqa: PTH123
        monkeypatch.setattr(sys, "stderr", terminal)
        assert groundtune("sync", "-c", echo)[0] == cli.INTERRUPTED
    written = b""
    with suppress(OSError):  # where nothing is left
        while data := os.read(ours, 10_000):
            written += data
    os.close(ours)
    shown = written.decode()
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert shown.rindex("interrupted; run the same command again") > shown.rindex("\x1b[?25h")


@pytest.mark.parametrize(
    ("kind", "message"),
    [("a pipe", b""), ("a full disk", b"groundtune: standard output: No space left on device\n")],
)
def test_output_that_cannot_be_written_is_no_traceback_and_a_reader_who_left_is_no_news(
    echo: Path, tmp_path: Path, kind: str, message: bytes
) -> None:
    if kind == "a pipe":
        reader, out = os.pipe()
        os.close(reader)  # as `| head -1` does when it has its line
    else:
        out = os.open("/dev/full", os.O_WRONLY)
    config = tmp_path / "new.toml"

    done = subprocess.run(
        [GROUNDTUNE, "init", "--examples", echo.parent / "questions.jsonl", "-c", config],
        stdout=out,
        stderr=subprocess.PIPE,
    )

    os.close(out)
    assert (done.stderr, done.returncode) == (message, 1)
    assert config.exists()


def test_control_characters_in_names_and_values_do_nothing(groundtune: Run, echo: Path, tmp_path: Path) -> None:
    (echo.parent / "docs" / "\x1b[2J.xyz").touch()
    bad = tmp_path / "\x1b[2J.toml"
    bad.write_text('[model]\nname = "echo"\nnaem = 1\n')
    commands = (
        ("init", "--docs", echo.parent / "docs", "--examples", echo.parent / "questions.jsonl", "-c", tmp_path / "new"),
        ("doctor", "-c", bad),
        ("sync", "-c", "not there \x1b[2J.toml"),
    )
    for command in commands:
        _, out, err = groundtune(*command)
        assert "?[2J" in out + err
        assert "\x1b" not in out + err


# ---------------------------------------------------------------- init --columns


def test_columns_are_named_one_at_a_time(groundtune: Run, tmp_path: Path) -> None:
    table, config = tmp_path / "fragen.csv", tmp_path / "groundtune.toml"
    table.write_text("\n".join(["Frage,Antwort=1", *(f"Was ist {n}?,{n}" for n in range(12))]))
    columns = ("--columns", "question=Frage", "--columns", "answers=Antwort=1")

    assert groundtune("init", "--examples", table, *columns, "-c", config)[0] == 0

    written = tomllib.loads(config.read_text())
    assert written["examples"]["columns"] == {"question": "Frage", "answers": "Antwort=1"}


@pytest.mark.parametrize("given", ["question", "=Frage", "question="])
def test_columns_of_another_form_are_refused(groundtune: Run, echo: Path, given: str) -> None:
    code, _, err = groundtune("init", "--examples", echo.parent / "questions.jsonl", "--columns", given)

    assert code == 2
    assert f"--columns {given!r} is not of the form OURS=THEIRS" in err
