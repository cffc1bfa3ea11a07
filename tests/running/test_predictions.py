"""What a runner could race: the formulas by their published values, and when they keep quiet."""

from datetime import date

import pytest

from keepsake.running.history import Effort
from keepsake.running.page import grounds
from keepsake.running.predictions import cameron, daniels, predict, riegel, vdot

TWENTY_MINUTES = 20 * 60


def effort(
    metres: float, seconds: float, record_id: int = 1, measured: float | None = None
) -> Effort:
    return Effort(metres, seconds, date(2026, 5, 4), record_id, measured or metres)


def races(*efforts: Effort) -> list[str]:
    return [prediction.race for prediction in predict(efforts)]


def test_riegel_doubles_5_km_to_10() -> None:
    assert riegel(5000, TWENTY_MINUTES, 10_000) == pytest.approx(41 * 60 + 42, abs=0.5)


def test_cameron_doubles_two_and_a_half_miles_to_five() -> None:
    mile = 1609.344
    assert cameron(2.5 * mile, 34.75 * 60, 5 * mile) == pytest.approx(72.5961 * 60, abs=0.01)


def test_20_minutes_over_5_km_are_worth_a_vdot_of_49_8() -> None:
    assert vdot(5000, TWENTY_MINUTES) == pytest.approx(49.8, abs=0.05)


@pytest.mark.parametrize(
    ("race", "minutes", "seconds"),
    [(10_000, 41, 21), (21_097.5, 91, 35), (42_195, 190, 49)],
)
def test_daniels_gives_what_his_table_has_for_a_vdot_of_50(
    race: float, minutes: int, seconds: int
) -> None:
    at_50 = 19 * 60 + 57  # over 5 km
    assert daniels(5000, at_50, race) == pytest.approx(minutes * 60 + seconds, abs=5)


def test_a_prediction_has_the_range_of_the_formulas_and_names_its_effort() -> None:
    ten = predict([effort(5000, TWENTY_MINUTES, 7)])[1]
    assert ten.race == "10 km"
    assert set(ten.seconds) == {"Riegel", "Cameron", "Daniels-Gilbert"}
    assert (ten.fastest, ten.slowest) == (min(ten.seconds.values()), max(ten.seconds.values()))
    assert (ten.from_metres, ten.from_seconds, ten.from_record) == (5000, TWENTY_MINUTES, 7)


def test_the_effort_worth_the_most_speaks() -> None:
    five = predict([effort(5000, 1300, 1), effort(10_000, 2500, 2)])[0]
    assert five.from_record == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (effort(400, 80), []),
        (effort(1000, 200), []),  # too short a time for Riegel's curve
        (effort(1609.344, 380), ["5 km"]),
        (effort(5000, 1300), ["5 km", "10 km", "Half marathon"]),
        (effort(10_000, 2700), ["5 km", "10 km", "Half marathon", "Marathon"]),
        (effort(42_195, 240 * 60), []),  # too long a time
    ],
)
def test_an_effort_speaks_only_for_races_near_it(given: Effort, expected: list[str]) -> None:
    assert races(given) == expected


def test_without_efforts_there_is_nothing_to_predict() -> None:
    assert predict([]) == []


class TestARunThatIsOnePerCentShort:
    """4,998 m in 24:10."""

    RUN = effort(5000, 1450, measured=4998)

    def test_predicts_its_own_distance_in_its_own_time(self) -> None:
        five = predict([self.RUN])[0]
        assert set(five.seconds.values()) == {1450}
        assert (five.fastest, five.slowest) == (1450, 1450)

    def test_speaks_for_other_races_with_what_was_measured(self) -> None:
        ten = predict([self.RUN])[1]
        assert ten.seconds["Riegel"] == round(riegel(4998, 1450, 10_000))

    def test_is_named_with_what_was_measured(self) -> None:
        assert grounds(predict([self.RUN])[0]) == "from 5 km (4998 m measured) in 24:10 on 4 May"


class TestNoPredictionIsSlowerThanWhatWasRun:
    def test_where_a_shorter_run_is_worth_more_and_formulas_differ(self) -> None:
        ten = predict([effort(10_000, 3008, 1), effort(5000, 1449, 2)])[1]
        assert ten.from_record == 2  # worth a little more by Daniels' measure
        assert ten.seconds["Riegel"] > 3008  # and by Riegel's less
        assert (ten.fastest, ten.slowest, ten.ran) == (ten.seconds["Daniels-Gilbert"], 3008, 3008)
        assert "no slower than the 50:08 that you ran on 4 May" in grounds(ten)

    def test_where_it_took_longer_than_the_formulas_hold_for(self) -> None:
        marathon = predict([effort(10_000, 3300), effort(42_195, 240 * 60, 2)])[-1]
        assert marathon.from_record == 1
        assert max(marathon.seconds.values()) > 240 * 60
        assert (marathon.fastest, marathon.slowest) == (
            min(*marathon.seconds.values(), 240 * 60),
            240 * 60,
        )

    def test_and_nothing_is_said_of_it_where_none_is(self) -> None:
        assert [race.ran for race in predict([effort(5000, 1450)])] == [None] * 3
