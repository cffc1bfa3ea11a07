"""One name for a sport, whatever a file calls it; what a listing says in its language."""

from datetime import UTC, datetime

import pytest

from keepsake.running.listings import Listed, listed_date, read_listing
from keepsake.running.sports import sport_name


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("running", "running"),
        ("Running", "running"),
        ("Trail Run", "running"),
        ("street_running", "running"),
        ("9", "running"),
        ("Biking", "cycling"),
        ("Virtual Ride", "cycling"),
        ("hiking", "hiking"),
        ("Walk", "walking"),
        ("Rock\x00 Climbing", "rock climbing"),
        ("Lauf", "running"),
        ("Traillauf", "running"),
        ("Radfahrt", "cycling"),
        ("E-Bike-Fahrt", "cycling"),
        ("Schwimmen", "swimming"),
        ("Spaziergang", "walking"),
        ("Wanderung", "hiking"),
        ("Skilanglauf", "skilanglauf"),
        ("Eislauf", "eislauf"),
        ("Course à pied", "running"),
        ("Vélo", "cycling"),
        ("Randonnée", "hiking"),
        ("Marche", "walking"),
        ("Natation", "swimming"),
        ("Carrera", "running"),
        ("Ciclismo", "cycling"),
        ("Caminata", "walking"),
        ("Natación", "swimming"),
        ("Esquí de fondo", "esquí de fondo"),
        ("Corsa", "running"),
        ("Pedalata", "cycling"),
        ("Escursione", "hiking"),
        ("Camminata", "walking"),
        ("Nuoto", "swimming"),
        ("Corrida", "running"),
        ("Pedalada", "cycling"),
        ("Caminhada", "walking"),
        ("Natação", "swimming"),
        ("Hardloopsessie", "running"),
        ("Fietsrit", "cycling"),
        ("Wandeling", "walking"),
        ("Zwemmen", "swimming"),
        ("ラン", "running"),
        ("ライド", "cycling"),
        ("ウォーキング", "walking"),
        ("ハイキング", "hiking"),
        ("水泳", "swimming"),
        ("バランス", "バランス"),
        ("Backcountry Ski", "backcountry ski"),
        ("Snowshoe", "snowshoe"),
        ("generic", None),
        ("Other", None),
        ("", None),
    ],
)
def test_a_sport_has_one_name(said: str, name: str | None) -> None:
    assert sport_name(said) == name


@pytest.mark.parametrize(
    ("listed", "moment"),
    [
        ("Jun 7, 2026, 6:30:00\u202fPM", datetime(2026, 6, 7, 18, 30, tzinfo=UTC)),
        ("7 Jun 2026, 06:30:00", datetime(2026, 6, 7, 6, 30, tzinfo=UTC)),
        ("07.06.2026, 06:30:00", datetime(2026, 6, 7, 6, 30, tzinfo=UTC)),
        ("7. Juni 2026, 06:30:00", datetime(2026, 6, 7, 6, 30, tzinfo=UTC)),
        ("7 mars 2026 à 06:30:00", datetime(2026, 3, 7, 6, 30, tzinfo=UTC)),
        ("7 juil. 2026, 06:30:00", datetime(2026, 7, 7, 6, 30, tzinfo=UTC)),
        ("7 ene 2026, 6:30:00", datetime(2026, 1, 7, 6, 30, tzinfo=UTC)),
        ("7 giu 2026, 06:30:00", datetime(2026, 6, 7, 6, 30, tzinfo=UTC)),
        ("7 de out. de 2026, 06:30:00", datetime(2026, 10, 7, 6, 30, tzinfo=UTC)),
        ("7 mrt 2026, 06:30:00", datetime(2026, 3, 7, 6, 30, tzinfo=UTC)),
        ("2026/06/07 6:30:00", datetime(2026, 6, 7, 6, 30, tzinfo=UTC)),
        ("2026年6月7日 6:30:00", datetime(2026, 6, 7, 6, 30, tzinfo=UTC)),
        ("2026-06-07 06:30:00", datetime(2026, 6, 7, 6, 30, tzinfo=UTC)),
        ("07/06/2026, 06:30:00", None),  # June or July
        ("32.06.2026, 06:30:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_of_a_listing_is_read_in_its_language(listed: str, moment: datetime | None) -> None:
    assert listed_date(listed) == moment


def test_the_files_of_a_listing_are_found_whatever_its_headings() -> None:
    listing = (
        "アクティビティ ID,アクティビティの日付,アクティビティ名,アクティビティの種類,ファイル名\n"
        '1,"2026/06/07 6:30:00",朝.gpx,ラン,activities/1.fit.gz\n'
        '2,"2026/06/08 6:30:00",散歩,ウォーキング,\n'
    )
    assert read_listing(listing.encode()) == {
        "activities/1.fit.gz": Listed(datetime(2026, 6, 7, 6, 30, tzinfo=UTC), "朝.gpx", "ラン")
    }
