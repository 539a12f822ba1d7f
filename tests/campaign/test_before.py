"""The campaign that another is compared with: named by the key `against`, or refused with the remedy."""

from __future__ import annotations

import pytest

from benchmark_runner.campaign.recorded import REQUIRED, load_before
from benchmark_runner.errors import BenchmarkError

REMEDY = "name the folder of the campaign before with --config against=results/…"
OR_ENGINES = ", or two engines of this one with before=… after=…"


@pytest.mark.parametrize("absent", [None, "", "  "])
def test_without_a_folder_the_key_and_the_remedy_are_named(absent, tmp_path):
    with pytest.raises(BenchmarkError) as refused:
        load_before(absent, str(tmp_path))
    assert str(refused.value) == f"against: compare needs a campaign to compare with; {REMEDY}{OR_ENGINES}"


def test_a_folder_without_results_is_refused_with_what_it_lacks(tmp_path):
    with pytest.raises(BenchmarkError) as refused:
        load_before(str(tmp_path / "nothing"), str(tmp_path))
    for part in ("against: ", "nothing is no results folder", *REQUIRED, REMEDY):
        assert part in str(refused.value)


def test_a_campaign_is_not_compared_with_itself(tmp_path):
    for name in REQUIRED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(BenchmarkError, match="is the campaign that is compared itself"):
        load_before(str(tmp_path / "link"), str(tmp_path))
