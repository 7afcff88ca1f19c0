"""Glossary and exercises: code that is there, links once a page, numbers that the code computes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from gegcore.gap import group_embedding_gap
from gegcore.rewards.reward import WeightedReward
from gegcore.training.scst import self_critical_advantage

ROOT = Path(__file__).resolve().parents[3]
GLOSSARY = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
ENTRIES = {
    term: re.sub(r"\s+", " ", text).strip()
    for block in re.findall(r"```{glossary}\n(.*?)```", GLOSSARY, re.S)
    for term, text in re.findall(r"^(\S.*)\n((?:  .*\n)+)", block, re.M)
}
PAGES = [
    ROOT / "book" / f"{name}.md"
    for name in (
        "intro", "method", "about", "preregistration", "play", "reproduce", "extend",
        "runs", "models/captioners",
    )
]  # fmt: skip
LINK = re.compile(r"{term}`(?:[^`<]*<)?([^`<>]+)>?`")
METHOD = (ROOT / "book" / "method.md").read_text(encoding="utf-8")


def test_there_are_terms_in_order() -> None:
    assert len(ENTRIES) > 40
    for block in re.findall(r"```{glossary}\n(.*?)```", GLOSSARY, re.S):
        terms = re.findall(r"^(\S.*)\n  ", block, re.M)
        assert terms == sorted(terms, key=str.lower)


@pytest.mark.parametrize("term", ENTRIES)
def test_a_term_is_explained_briefly_and_its_code_exists(term: str) -> None:
    text = ENTRIES[term]
    code = re.findall(r"(?<!})`([\w/.]+)`", text)
    assert code and all((ROOT / path).exists() for path in code), term
    assert 6 < len(text.split()) < 70
    assert re.search(r"[.;] (`[\w/.]+`(, )?)+$|is in `[\w/.]+`\.$", text), text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_prose_links_terms_at_their_first_use(page: Path) -> None:
    text = page.read_text(encoding="utf-8").partition("## Exercises")[0]
    linked = [term.lower() for term in LINK.findall(text)]
    assert linked and set(linked) <= {term.lower() for term in ENTRIES}
    assert len(set(linked)) == len(linked), "a term is linked where it comes first"


def exercise(label: str) -> tuple[list[float], str]:
    """Numbers that an exercise gives, and the text of its solution."""
    given = re.search(rf":label: {label}\n(.*?)\n:::", METHOD, re.S)
    solution = re.search(rf":::{{solution}} {label}\n(.*?)\n:::", METHOD, re.S)
    assert given and solution
    return [float(n) for n in re.findall(r"\d+\.\d+", given[1])], solution[1].replace("−", "-")


def unit(similarities: list[float]) -> torch.Tensor:
    """Images with these similarities to the caption (1, 0)."""
    cosine = torch.tensor(similarities, dtype=torch.float64)
    return torch.stack([cosine, (1 - cosine**2).sqrt()], -1)


def test_exercise_on_gaps() -> None:
    numbers, solution = exercise("ex-gaps")
    caption = torch.tensor([1.0, 0.0])
    said = re.findall(r"GEG-Avg (-?[\d.]+\d), GEG-Min (-?[\d.]+\d)", solution)
    assert len(numbers) == 12 and len(said) == 2
    for given, stated in zip((numbers[:6], numbers[6:]), said, strict=True):
        gap = group_embedding_gap(caption, unit(given[:1])[0], unit(given[1:]))
        assert (f"{gap.average:.2f}", f"{gap.minimum:.2f}") == stated
        assert gap.minimum > 0, "both are first in their bags"
        assert f"{sum(given[1:]) / 5:.2f}" in solution.partition("First")[0]
    assert float(said[1][0]) > float(said[0][0]) and float(said[1][1]) > float(said[0][1])
    assert numbers[6] < numbers[0], "and the similarity of the second is smaller"


def test_exercise_on_baselines() -> None:
    numbers, solution = exercise("ex-baselines")
    samples, greedy = torch.tensor([numbers[:3]]), torch.tensor(numbers[3:])
    for name, kind in (("Greedy", "greedy"), ("Mean of others", "mean_of_others")):
        advantage = self_critical_advantage(samples, greedy, kind)[0]  # type: ignore[arg-type]
        assert f"{name}: {', '.join(f'{value:.2f}' for value in advantage)}." in solution
    assert advantage.sum().abs() < 1e-6


def test_exercise_on_weights() -> None:
    numbers, solution = exercise("ex-price")
    alpha, cider = numbers
    (beta,) = (float(n) for n in re.findall(r"\\beta = (\d+)\$, a caption", METHOD))
    (said,) = (float(n) for n in re.findall(r"that is (0\.\d+)", solution))
    (smaller,) = (float(n) for n in re.findall(r"\$\\beta\$ of (\d\.\d+)", solution))
    fixed = {"cider": (alpha, None), "gap": (beta, None)}
    reward = WeightedReward(fixed)  # type: ignore[arg-type]
    values = {"cider": torch.tensor([cider, 0.0]), "gap": torch.tensor([0.0, said])}
    first, second = reward.combine(values)
    assert first == pytest.approx(second.item())
    assert 3 * smaller == pytest.approx(beta, abs=0.02)
