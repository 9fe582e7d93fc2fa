"""An export as a user gets it: what lies in the folder, what its card says, and when there is none."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundtune import cli, stages
from groundtune.config import load
from groundtune.errors import UserError, WorkFailed
from groundtune.export import Format, gguf
from groundtune.export.gguf import write_gguf
from groundtune.export.merged import write_merged
from groundtune.export.modelfile import context_for
from groundtune.models.hf.backend import HFBackend
from groundtune.project import Project
from groundtune.prompts import trained
from groundtune.stages import export_stage
from groundtune.stages.build import max_tokens
from groundtune.tune.lineage import LINEAGE
from groundtune.types import Json
from groundtune.workspace import read_json, read_jsonl
from tests import tiny as small
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME

FORMATS: list[Format] = ["adapter", "merged", "gguf"]


def opened(config: Path) -> Project:
    return Project(load(config))


def rewrite(path: Path, change: Callable[[Json], Any]) -> None:
    """Changes each line of a JSONL file."""
    rows = read_jsonl(path)
    for row in rows:
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def record(config: Path, name: str, change: Callable[[int, Json], Any]) -> None:
    """Changes the answers that were measured: number, answer."""
    numbers = iter(range(1000))
    path = config.parent / ".groundtune" / "records" / f"{name}.jsonl"
    rewrite(path, lambda row: change(next(numbers), row["answer"]))


def test_the_recommended_approach_is_exported_where_none_is_named(project: Project, tmp_path: Path) -> None:
    told = export_stage(project, tmp_path / "out")

    assert told["approach"] == "hybrid"
    assert (told["asked"], told["same"], told["differences"]) == (8, 8, [])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "groundtune-export.json", LINEAGE,
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_an_export_names_no_place_of_this_machine(project: Project, tmp_path: Path, form: Format, tiny: Tiny) -> None:
    export_stage(project, tmp_path / "out", "tuned", form)

    texts = [path.read_text() for path in (tmp_path / "out").iterdir() if path.suffix != ".safetensors"]
    places = [str(place) for place in (tmp_path, project.workspace.root.resolve(), tiny.llama.parent)]
    assert [place for place in places for text in texts if place in text] == []


def test_the_lineage_comes_along_and_the_card_counts_it(project: Project, tmp_path: Path) -> None:
    told = export_stage(project, tmp_path / "out", "tuned")

    kept = project.workspace.adapter(told["adapter"]) / LINEAGE
    assert (tmp_path / "out" / LINEAGE).read_bytes() == kept.read_bytes()
    text = (tmp_path / "out" / "README.md").read_text()
    assert f"the {len(read_jsonl(kept))} rows that were learnt from" in text
    assert f"`{told['adapter']}`" in text


def test_the_card_says_the_scores_with_their_intervals(project: Project, tmp_path: Path) -> None:
    export_stage(project, tmp_path / "out", "hybrid")

    text = (tmp_path / "out" / "README.md").read_text()
    verdict = read_json(project.workspace.verdict)
    quality = verdict["approaches"]["hybrid"]["quality"]
    row = f"| **hybrid** | {quality['mean']:.3f} | {quality['low']:.3f} to {quality['high']:.3f} |"
    assert row in text
    assert f"On {quality['n']} questions" in text
    assert f"General text is {verdict['forgetting'][0]['ratio']:.2f}" in text
    assert "8 of 8 questions of the test are answered as measured" in text
    assert "calibration" in text.partition("## What stays behind")[2]


def test_the_card_of_a_hybrid_says_where_passages_stand_and_that_of_a_tuned_model_knows_none(
    project: Project, tmp_path: Path
) -> None:
    for name in ("hybrid", "tuned"):
        export_stage(project, tmp_path / name, name)
    hybrid, tuned = ((tmp_path / name / "README.md").read_text() for name in ("hybrid", "tuned"))

    assert "<passage 3>\n\n<passage 2>\n\n<passage 1>\n\nQ: <question>\nA:" in hybrid
    assert "```\nQ: <question>\nA:\n```" in tuned
    assert "passage 1" not in tuned


@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_the_program_in_the_card_answers_as_the_measured_model(
    project: Project, tmp_path: Path, form: Format, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    base = small.advised(tiny.llama, tmp_path / "base")
    told = export_stage(project, tmp_path / "out", "tuned", form)
    text = (tmp_path / "out" / "README.md").read_text()
    [program] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path / "out")

    exec(program.replace("the folder of the base model", str(base)), {})

    backend: Any = project.backend
    generator = backend.generator(project.workspace.adapter(told["adapter"]))
    prompt = trained("qa").prompt("How long may I send it back?")
    [measured] = generator.generate([prompt], trained("qa").limits(6))
    assert measured.text.strip()
    assert capsys.readouterr().out == measured.text.strip() + "\n"


def test_the_card_tells_the_settings_of_training_not_those_that_the_config_has_since(
    mine: Path, tmp_path: Path
) -> None:
    mine.write_text(mine.read_text().replace("rank = 2", "rank = 64"))

    export_stage(opened(mine), tmp_path / "out", "tuned")

    text = (tmp_path / "out" / "README.md").read_text()
    assert "| `rank` | `2` |" in text
    assert re.search(r"\| `precision` \| `(fp32|bf16)` \|", text)  # not "auto"


def test_words_of_the_users_data_are_quoted_in_the_card(mine: Path, tmp_path: Path) -> None:
    def change(number: int, answer: Json) -> None:
        if number == 0:
            answer["text"] = "a|b `c`\n# <script>alert(1)</script>\x1b[2J"

    record(mine, "tuned", change)

    export_stage(opened(mine), tmp_path / "out", "tuned")

    text = (tmp_path / "out" / "README.md").read_text()
    assert "| `a\\|b 'c' # <script>alert(1)</script>?[2J` |" in text


# ---------------------------------------------------------------- held to what was measured


def test_a_modelfile_has_room_for_the_longest_prompt_that_was_measured_asked_again_or_not(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = len(read_jsonl(mine.parent / ".groundtune" / "records" / "tuned.jsonl"))
    record(mine, "tuned", lambda number, answer: answer.update(prompt_tokens=5000) if number == measured - 1 else None)
    held: list[int] = []

    def noted(tokens: int, room: int | None) -> int:
        held.append(tokens)
        return context_for(tokens, room)

    monkeypatch.setattr("groundtune.stages.export.context_for", noted)

    export_stage(opened(mine), tmp_path / "out", "tuned", "gguf")

    assert held == [5000 + max_tokens(opened(mine))]


def test_a_difference_is_told_and_stands_in_the_card(mine: Path, tmp_path: Path) -> None:
    record(mine, "tuned", lambda number, answer: number or answer.update(text="nine"))

    told = export_stage(opened(mine), tmp_path / "out", "tuned")

    [difference] = told["differences"]
    assert (told["same"], difference["measured"]) == (7, "nine")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "7 of 8 questions of the test are answered as measured" in text
    assert "| `nine` |" in text


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_that_answers_otherwise_is_none(mine: Path, tmp_path: Path, form: Format) -> None:
    record(mine, "tuned", lambda number, answer: number % 2 or answer.update(text="nine"))

    with pytest.raises(WorkFailed, match=r"only 4 of 8 questions.* in place of 'nine'"):
        export_stage(opened(mine), tmp_path / "out", "tuned", form)

    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_what_was_withheld_is_compared_as_it_would_have_been_said(mine: Path, tmp_path: Path) -> None:
    record(mine, "tuned", lambda _, answer: answer.update(unsaid=answer["text"], text="I don't know.", withheld=True))

    assert export_stage(opened(mine), tmp_path / "out", "tuned")["same"] == 8


# ---------------------------------------------------------------- folders


def test_a_folder_of_the_users_is_left_alone(project: Project, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear")

    with pytest.raises(UserError, match="no export of Groundtune's"):
        export_stage(project, tmp_path, "tuned", force=True)
    with pytest.raises(UserError, match="is a file"):
        export_stage(project, tmp_path / "letter.txt", "tuned", force=True)

    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_an_earlier_export_is_written_over_by_force_alone(project: Project, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export_stage(project, tmp_path / "out", "tuned")
    with pytest.raises(UserError, match="already") as refused:
        export_stage(project, tmp_path / "out", "tuned", "merged")
    assert "--force" in refused.value.hint

    export_stage(project, tmp_path / "out", "tuned", "merged", force=True)

    assert (tmp_path / "out" / "model.safetensors").exists()
    assert not (tmp_path / "out" / "adapter_model.safetensors").exists()


def test_files_that_were_put_beside_an_export_are_not_deleted(project: Project, tmp_path: Path) -> None:
    export_stage(project, tmp_path / "out", "tuned")
    (tmp_path / "out" / "mine.gguf").write_text("q4")

    with pytest.raises(UserError, match=r"holds files besides the export \(mine.gguf\)"):
        export_stage(project, tmp_path / "out", "tuned", force=True)

    assert (tmp_path / "out" / "mine.gguf").read_text() == "q4"


def test_the_folder_that_one_is_in_is_not_taken_from_under_ones_feet(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UserError, match="is the folder that you are in"):
        export_stage(project, Path(), "tuned")


@pytest.mark.parametrize(
    ("form", "left"),
    [("adapter", 24_576), ("merged", 24_576), ("gguf", 24_576), ("gguf", 270_336)],  # the last is full while converting
)
def test_a_full_disk_leaves_nothing_half(project: Project, small_disk: Path, form: Format, left: int) -> None:
    room = os.statvfs(small_disk)
    (small_disk / "full").write_bytes(bytes(room.f_bavail * room.f_frsize - left))
    before = sorted(small_disk.iterdir())

    with pytest.raises(WorkFailed, match="the disk is full"):
        export_stage(project, small_disk / "out", "tuned", form)

    assert sorted(small_disk.iterdir()) == before


# ---------------------------------------------------------------- what cannot be exported


@pytest.mark.parametrize(
    ("name", "message"),
    [("rag", "rag has no adapter"), ("best", "'best' is unknown; one of: base, rag, tuned, hybrid")],
)
def test_an_approach_without_an_adapter_is_refused(project: Project, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        export_stage(project, tmp_path / "out", name)


def test_what_is_not_measured_is_not_exported(tiny: Tiny, tmp_path: Path) -> None:
    project = opened(small.project(tmp_path / "shop", tiny))

    with pytest.raises(UserError, match="tuned is not measured yet"):
        export_stage(project, tmp_path / "out", "tuned")
    with pytest.raises(UserError, match="no verdict"):
        export_stage(project, tmp_path / "out")


def test_an_adapter_that_was_trained_after_measuring_is_not_exported(mine: Path, tmp_path: Path) -> None:
    mark = mine.parent / ".groundtune" / "done" / "tune.json"
    made = read_json(mark)
    made["result"]["adapters"]["both"][0]["adapter"] = "another"
    mark.write_text(json.dumps(made))

    with pytest.raises(UserError, match="tuned anew since it was measured"):
        export_stage(opened(mine), tmp_path / "out", "tuned")


def test_a_model_that_was_measured_with_another_config_is_not_exported(mine: Path, tmp_path: Path) -> None:
    mine.write_text(mine.read_text().replace("max_tokens = 6", "max_tokens = 3"))

    with pytest.raises(UserError, match=r"hybrid was measured with another \[prompt\] max_tokens than 3"):
        export_stage(opened(mine), tmp_path / "out", "hybrid")


def test_scores_of_an_earlier_run_are_not_put_on_the_card(mine: Path, tmp_path: Path) -> None:
    (mine.parent / ".groundtune" / "records" / "tuned.jsonl").unlink()
    mine.write_text(mine.read_text().replace("latency_on = 3", "latency_on = 2"))
    stages.measure_stage(opened(mine))

    with pytest.raises(UserError, match="the verdict is older than what was measured last"):
        export_stage(opened(mine), tmp_path / "out", "tuned")


def test_a_number_format_is_for_gguf_alone(project: Project, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--type q8_0 is for --format gguf"):
        export_stage(project, tmp_path / "out", "tuned", "merged", "q8_0")


@pytest.mark.parametrize("form", ["merged", "gguf"])
def test_weights_in_4_bits_are_not_merged(mine: Path, tmp_path: Path, form: Format) -> None:
    mine.write_text(mine.read_text().replace("[model]\n", "[model]\nbits = 4\n"))

    with pytest.raises(UserError, match=f"--format {form}: with .* bits = 4 the adapter is not merged"):
        export_stage(opened(mine), tmp_path / "out", "tuned", form)


def test_a_missing_extra_names_its_install_line(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf, "NEEDED", (*gguf.NEEDED, "not_installed"))

    with pytest.raises(UserError) as refused:
        export_stage(project, tmp_path / "out", "tuned", "gguf")

    assert refused.value.hint == "run: pip install 'groundtune[gguf]'"


def test_a_model_that_the_converter_does_not_know_is_said_so(tiny: Tiny, tmp_path: Path) -> None:
    config = json.loads((tiny.llama / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["Novel"]}))

    with pytest.raises(WorkFailed, match=r"cannot make GGUF of this model .*Novel"):
        write_gguf(tmp_path, tmp_path / "model.gguf", "f16", "novel")


def test_a_tokenizer_that_cuts_in_a_way_of_its_own_is_not_guessed_at(tiny: Tiny, tmp_path: Path) -> None:
    for path in tiny.llama.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    tokenizer["pre_tokenizer"]["use_regex"] = False
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))

    with pytest.raises(WorkFailed, match="pre-tokenizer was not recognized"):
        write_gguf(tmp_path, tmp_path / "model.gguf", "f16", "odd")


def test_a_merged_folder_asks_nobody_to_run_a_models_own_code(tiny: Tiny, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for path in tiny.llama.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    for name in ("config.json", "tokenizer_config.json"):
        told = json.loads((own / name).read_text())
        (own / name).write_text(json.dumps({**told, "auto_map": {"AutoConfig": "evil.Config"}}))
    adapter = small.adapter(own, tmp_path / "adapter", seed=1)

    write_merged(HFBackend(str(own), "own", threads=1), adapter, tmp_path / "merged")

    assert "auto_map" in (own / "config.json").read_text()
    assert [path.name for path in (tmp_path / "merged").iterdir() if "auto_map" in path.read_text("latin-1")] == []


# ---------------------------------------------------------------- labels, and the command


def test_labels_are_compared_as_they_were_chosen_and_the_card_says_that_this_stays_behind(
    tiny: Tiny, tmp_path: Path
) -> None:

    shop = tmp_path / "shop"
    shop.mkdir()
    rows = [
        {"text": f"The lamp {n} is {'red' if n % 2 else 'green'}", "label": f"{'re' if n % 2 else 'gre'}|d"}
        for n in range(40)
    ]
    (shop / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = shop / "groundtune.toml"
    config.write_text(small.settings(tiny, sources=False) + "[approaches.tuned]\ngenerator = 'tuned'\n")
    project = opened(config)
    stages.run(project)

    told = export_stage(project, tmp_path / "out", "tuned", "merged")

    assert (told["same"], told["differences"]) == (told["asked"], [])
    behind = (tmp_path / "out" / "README.md").read_text().partition("## What stays behind")[2]
    assert "most probable of them" in behind
    assert "`gre|d`, `re|d`" in behind


def test_the_command_says_how_many_answers_are_as_measured(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["groundtune", "export", "-c", str(done), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().out

    out = tmp_path / "out"
    assert run(out) == (0, f"{out}: hybrid as adapter; 8 of 8 questions of the test are answered as measured\n")
    code, text = run(out, "--format", "merged", "--approach", "tuned", "--force", "--json")
    assert (code, json.loads(text)["format"]) == (0, "merged")
    assert run(out, "--format", "onnx")[0] == 2
