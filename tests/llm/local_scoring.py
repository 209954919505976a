"""Score made answers by a judge of this machine; imports no torch, so that a process is quick."""

from judged_data import EveryWordIsANoun, write_case

from harness.evaluation.evaluate import evaluate
from harness.evaluation.judging.annotators import Annotators, find_annotators


def scored(name, folder, model, replies=None):
    """Score eight answers to a benchmark."""
    case = write_case(name, folder)
    judge = find_annotators(f"local:{model}", folder).judge
    annotators = Annotators(judge, {"en_core_web_trf": EveryWordIsANoun()})
    return evaluate(case.benchmark, folder, folder / "answers.jsonl", annotators, replies)
