"""The price catalogue: what is refused, set aside, widened."""

from __future__ import annotations

import copy
import datetime

import pytest
import yaml

from benchmark_runner.business.prices import aged, read_catalogue
from benchmark_runner.errors import BenchmarkError

ENTRY = {
    "id": "x.one",
    "provider": "X",
    "provider_kind": "hyperscaler",
    "instance": "one",
    "region": "here",
    "purchase": "on_demand",
    "cpu": {"vcpu": 4, "ram_gib": 16, "arch": "x86_64"},
    "price": {"usd_per_hour": 1.0, "low": 0.9, "high": 1.1, "basis": "sources"},
    "as_of": "2026-09-01",
    "max_age_days": 90,
    "sources": [{"name": "a page", "kind": "page", "read": "2026-09-01"}],
}
WIDENING = {"hyperscaler": 0.10, "neocloud": 0.25, "marketplace": 0.60}


def entry(**changes):
    made = copy.deepcopy(ENTRY)
    for key, value in changes.items():
        made[key] = {**made[key], **value} if isinstance(made.get(key), dict) and value is not None else value
    return {key: value for key, value in made.items() if value is not None or key == "region"}


@pytest.fixture
def catalogue(tmp_path):
    def read(*entries):
        path = tmp_path / "prices.yaml"
        content = {"schema": 1, "currency": "USD", "widening_per_90_days": WIDENING, "entries": list(entries)}
        path.write_text(yaml.safe_dump(content))
        return read_catalogue(path)

    return read


def test_the_shipped_catalogue_is_sound_and_has_processors_and_gpus(repository):
    found = read_catalogue(repository / "config" / "prices.yaml")
    assert found.quarantined == {}
    assert {entry.gpu is None for entry in found.entries} == {True, False}
    assert all(entry.sources and entry.url and entry.as_of <= datetime.date(2026, 11, 23) for entry in found.entries)
    assert len(found.entries) >= 40
    assert len({entry.provider for entry in found.entries}) >= 10


def test_a_date_written_bare_is_a_date(repository):
    found = read_catalogue(repository / "config" / "prices.yaml")
    c7i = next(entry for entry in found.entries if entry.instance == "c7i.4xlarge")
    assert (c7i.as_of, c7i.usd_per_hour) == (datetime.date(2025, 3, 2), 0.714)


def test_a_key_that_stands_twice_is_told_with_its_line(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("entries:\n  - id: x\n    price: 1\n    price: 2\n")
    with pytest.raises(BenchmarkError, match=r"mine\.yaml:4: entries\[0\]\.price: the key stands twice"):
        read_catalogue(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"entries: {'[' * 5000}{']' * 5000}\n", "mine.yaml: it is nested more than 64 levels deep"),
        ("entries:\n  - {id: x\n", "mine.yaml:3: this is not YAML"),
        ("entries: !!seq {id: x}\n", "is a tag that has no meaning here"),
        ("entries: !!bool perhaps\n", "mine.yaml:1: 'perhaps' is no value of YAML's type bool"),
        ("entries: [{price: .nan}]\n", "mine.yaml: entries[0].price: nan is not finite"),
        (f"entries: [{{price: 0x{'f' * 5000}}}]\n", "mine.yaml: entries[0].price: a whole number of 20000 bits"),
    ],
)
def test_a_catalogue_that_is_none_is_told_in_one_line_with_its_place(tmp_path, content, words):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(BenchmarkError) as error:
        read_catalogue(path)
    assert words in str(error.value)
    assert str(error.value).endswith("; set business.prices to the price catalogue")
    assert "\n" not in str(error.value)


def test_a_price_of_zero_is_set_aside(catalogue):
    found = catalogue(entry(price={"usd_per_hour": 0.0, "low": 0.0, "high": 0.0}))
    assert "not above 0" in found.quarantined["x.one"]
    assert found.entries == ()


def test_a_price_outside_its_own_range_is_set_aside(catalogue):
    assert "outside its own range" in catalogue(entry(price={"usd_per_hour": 2.0})).quarantined["x.one"]


def test_on_demand_below_spot_is_set_aside(catalogue):
    spot = entry(id="x.spot", purchase="spot", price={"usd_per_hour": 1.2, "low": 1.2, "high": 1.2})
    assert "below spot" in catalogue(entry(), spot).quarantined["x.one"]


@pytest.mark.parametrize(
    ("gpu", "reason"),
    [
        ({"model": "H100-SXM", "count": 12, "vram_gb": 80}, "12 GPUs is no size"),
        ({"model": "H100-SXM", "count": 8, "vram_gb": 94}, "has 80 GB, not 94"),
        ({"model": "H1000", "count": 1, "vram_gb": 80}, "is not one of"),
    ],
)
def test_gpus_that_no_provider_sells_are_set_aside(catalogue, gpu, reason):
    assert reason in catalogue(entry(gpu=gpu)).quarantined["x.one"]


def test_a_sixth_of_a_gpu_is_allowed(catalogue):
    assert catalogue(entry(gpu={"model": "A10", "count": 0.167, "vram_gb": 4})).quarantined == {}


def test_exactly_a_tenth_more_in_another_region_is_taken_for_dedicated_tenancy(catalogue):
    dearer = entry(id="x.two", region="there", price={"usd_per_hour": 1.1, "low": 1.1, "high": 1.1})
    assert set(catalogue(entry(), dearer).quarantined) == {"x.two"}


def test_regions_that_differ_by_more_than_half_are_set_aside(catalogue):
    dearer = entry(id="x.two", region="there", price={"usd_per_hour": 1.6, "low": 1.6, "high": 1.6})
    assert "more than regions differ" in catalogue(entry(), dearer).quarantined["x.two"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": [{"name": "a blog", "kind": "article", "read": "2026-09-01"}]}, "kind"),
        ({"as_of": "2026-13-01"}, "is no date"),
        ({"purchase": "owned"}, "entries.0"),
        ({"price": None}, "price"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_breaks_the_schema_is_refused_by_name(catalogue, changes, message):
    with pytest.raises(BenchmarkError, match=message):
        catalogue(entry(**changes))


def test_an_id_used_twice_is_refused(catalogue):
    with pytest.raises(BenchmarkError, match="used twice"):
        catalogue(entry(), entry())


def test_a_missing_catalogue_names_the_key_that_points_to_it(tmp_path):
    with pytest.raises(BenchmarkError, match=r"business\.prices"):
        read_catalogue(tmp_path / "none.yaml")


def price_on(catalogue, day, **changes):
    found = catalogue(entry(**changes))
    return aged(found.entries[0], found.widening, datetime.date.fromisoformat(day))


def test_a_price_stands_up_to_its_age(catalogue):
    found = price_on(catalogue, "2026-11-30")  # 90 days
    assert (found.state, found.low, found.high) == ("current", 0.9, 1.1)


@pytest.mark.parametrize(("kind", "share"), [("hyperscaler", 0.1), ("neocloud", 0.25), ("marketplace", 0.6)])
def test_an_older_price_is_widened_by_its_kind(catalogue, kind, share):
    found = price_on(catalogue, "2027-01-14", provider_kind=kind)  # 135 days: one and a half periods
    assert found.state == "widened"
    assert (found.low, found.high) == (pytest.approx(0.9 * (1 - 1.5 * share)), pytest.approx(1.1 * (1 + 1.5 * share)))
    assert found.usd_per_hour == 1.0
    assert "135 days old" in found.note


def test_beyond_twice_its_age_there_is_no_price(catalogue):
    found = price_on(catalogue, "2027-03-01")
    assert (found.state, found.usd_per_hour, found.low, found.high) == ("too_old", None, None, None)


def test_a_price_from_the_future_is_not_used(catalogue):
    found = price_on(catalogue, "2026-08-31")
    assert (found.state, found.usd_per_hour) == ("future", None)
    assert "correct as_of" in found.note
