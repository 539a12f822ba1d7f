"""Prices read anew: what replaces an entry's price, and which rows are refused."""

from __future__ import annotations

import datetime

import pytest

from benchmark_runner.business.prices import read_catalogue
from benchmark_runner.business.refresh import main
from benchmark_runner.errors import BenchmarkError

HEAD = "id,usd_per_hour,as_of,source\n"


@pytest.fixture
def refresh(repository, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark_runner.business.refresh._latest_day", lambda: datetime.date(2026, 11, 21))

    def run(rows):
        (tmp_path / "read.csv").write_text(HEAD + rows)
        flags = ["--prices", str(repository / "config" / "prices.yaml"), "--read", str(tmp_path / "read.csv")]
        assert main([*flags, "--out", str(tmp_path / "prices.yaml")]) == 0
        return read_catalogue(tmp_path / "prices.yaml")

    return run


def test_a_row_replaces_price_date_and_source_and_leaves_the_rest(refresh, repository):
    before = {entry.id: entry for entry in read_catalogue(repository / "config" / "prices.yaml").entries}
    after = {entry.id: entry for entry in refresh("lambda.1x-a10.on_demand,1.5,2026-11-20,my invoice\n").entries}
    changed = after.pop("lambda.1x-a10.on_demand")
    assert (changed.low, changed.usd_per_hour, changed.high, str(changed.as_of)) == (1.5, 1.5, 1.5, "2026-11-20")
    assert changed.sources == ({"name": "my invoice", "kind": "user", "read": "2026-11-20"},)
    assert all(after[name] == before[name] for name in after)


def test_a_price_that_cannot_be_right_is_set_aside_and_told(refresh, capsys):
    assert "lambda.1x-a10.on_demand" in refresh("lambda.1x-a10.on_demand,0,2026-11-20,my invoice\n").quarantined
    assert "set aside: lambda.1x-a10.on_demand" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"\xff", "is not UTF-8"), (b"id\n" + b"x" * 200_000, "field larger than")],
)
def test_a_file_that_is_no_table_is_named(repository, tmp_path, content, message):
    (tmp_path / "read.csv").write_bytes(content)
    flags = ["--prices", str(repository / "config" / "prices.yaml"), "--read", str(tmp_path / "read.csv")]
    with pytest.raises(BenchmarkError, match=rf"read\.csv: .*{message}"):
        main([*flags, "--out", str(tmp_path / "prices.yaml")])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("lambda.1x-a11.on_demand,1.5,2026-11-20,page", "no entry with a price"),
        ("lambda.1x-a10.on_demand,1.5,2025-11-20,page", "is older than"),
        ("lambda.1x-a10.on_demand,1_5,2026-11-20,page", "no number of USD"),
        ("lambda.1x-a10.on_demand,cheap,2026-11-20,page", "no number of USD"),
        ("lambda.1x-a10.on_demand,inf,2026-11-20,page", "'inf' is not finite"),
        ("lambda.1x-a10.on_demand,1e999,2026-11-20,page", "'1e999' is not finite"),
        ("lambda.1x-a10.on_demand,1.5,20261120,page", "write 2026-11-20"),
        ("lambda.1x-a10.on_demand,1.5,2026-W47-5,page", "write 2026-11-20"),
        ("lambda.1x-a10.on_demand,1.5,2026-11-22,page", "2026-11-22 is still to come"),
        ("lambda.1x-a10.on_demand,1.5,2026-11-20", "has not the columns"),
    ],
)
def test_a_row_that_fits_no_entry_is_refused_with_its_line(refresh, row, message):
    with pytest.raises(BenchmarkError, match=rf"line 2.*{message}"):
        refresh(f"{row}\n")


def test_a_refused_table_leaves_no_catalogue(refresh, tmp_path):
    row = "lambda.1x-a10.on_demand,{},2026-11-20,page\n"
    with pytest.raises(BenchmarkError, match=r"line 3: .* has a price already, in line 2"):
        refresh(row.format("1.5") + row.format("1.6"))
    with pytest.raises(BenchmarkError, match=r"read\.csv has no row with a price"):
        refresh("")
    assert not (tmp_path / "prices.yaml").exists()
