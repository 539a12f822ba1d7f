"""config/README.md is made from the schema."""

from benchmark_runner.configuration.reference import page


def test_the_page_in_the_repository_is_up_to_date(repository):
    assert (repository / "config" / "README.md").read_text(encoding="utf-8") == page(), "renew it: make docs"


def test_every_key_has_a_row_with_its_default_and_what_it_reruns():
    text = page()
    assert "| `system.cool_down_seconds` | a number, at least 0, at most 3600 s | `2` |" in text
    rows = [
        row.strip("| ").split(" | ") for row in text.splitlines() if row.startswith("| `") and "." in row.split("`")[1]
    ]
    assert len(rows) > 50
    assert [row[0] for row in rows if len(row) == 5 and not row[4]] == []
