"""Whatever is changed between calls: nothing stale is shown, and nothing is made twice."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from story import ANSWERS, CHANGES, TRAINING, Story
from todays_servers import TodaysServer, completion

from harness.evaluation.held import is_finished, of_base, of_run
from harness.files.jsonlines import JsonLines
from harness.llm.messages import ChatSettings
from harness.reproduce.again import set_aside, set_aside_of


@given(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=7))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_made_is_what_had_to_be_made(changes):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        story = Story(Path(folder), patch)
        for change in [None, *changes]:
            if change is not None:
                first, second = CHANGES[change]
                story.state[change] = second if story.state[change] == first else first
            run = story.call()
            (row,) = JsonLines(of_run(run).responses("mm_vet")).read()
            assert row["response"] == f"{story.of(TRAINING)} {story.of(ANSWERS)}", "stale answers"
            for held in (of_run(run), of_base(run)):
                total = held.scorecards()["mm_vet"].official["total"]
                assert total == 100.0 * story.state["judge"], "a stale judgement"
        assert len(set(story.trained)) == len(story.trained), "trained twice"
        assert len(set(story.answered)) == len(story.answered), "answered twice"


@pytest.fixture
def story(tmp_path, monkeypatch):
    return Story(tmp_path, monkeypatch)


def test_a_judge_may_come_later_and_then_nothing_is_trained_or_answered(story):
    """As on a closed node, which trains and answers, and a machine with a network that judges."""
    run = story.call("evaluation.judge=later")
    assert is_finished(run)
    assert of_run(run).scorecards() == {}
    made = list(story.trained), list(story.answered)
    assert of_run(story.call()).scorecards()["mm_vet"].official["total"] == 0.0
    assert (story.trained, story.answered) == made


def test_what_is_set_aside_is_made_again_and_kept(story, capsys):
    run = story.call()
    set_aside([run], "judgements", ChatSettings())
    assert of_run(run).unjudged() == of_base(run).unjudged() == ["mm_vet"]
    assert of_run(story.call()).unjudged() == []
    assert (len(story.trained), len(story.answered)) == (1, 2)

    set_aside_of(of_run(run), run.out, "answers", ChatSettings())
    story.call()
    assert (len(story.trained), len(story.answered)) == (1, 3)

    set_aside([run], "training", ChatSettings())
    assert not run.folder.path.exists()
    set_aside(
        [run], "training", ChatSettings()
    )  # nothing finished is there: a call that was killed goes on
    story.call()
    assert (len(story.trained), len(story.answered)) == (2, 4)
    kept = [path.name for path in run.out.glob("history/*/*/model")]
    assert kept == ["model"]
    assert capsys.readouterr().err.count("set aside: ") == 6


def test_judgements_that_are_made_again_are_really_asked_for(story, monkeypatch):
    """Neither the store of replies nor a judgement by other code answers in the judge's place."""
    grade = ["0.5"]
    server = TodaysServer(
        lambda body, text, _: completion(body["model"], text), lambda _: grade[-1]
    )
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    (story.lab.data / "mm_vet" / "judge_prompt.txt").write_text("Table")
    asked = "evaluation.judge=openai:gpt-4o"
    try:
        run = story.call(asked)
        assert len(server.requests) == 2, "of the run and of its base"
        judged = of_run(run).judged("mm_vet")
        shutil.copytree(judged, judged.with_name("mm_vet-bycodeofbefore"))
        grade.append("1.0")
        story.call(asked)
        assert len(server.requests) == 2
        set_aside([run], "judgements", ChatSettings())
        run = story.call(asked)
        assert len(server.requests) == 4
        for held in (of_run(run), of_base(run)):
            assert held.scorecards()["mm_vet"].official["total"] == 100.0
    finally:
        server.close()
