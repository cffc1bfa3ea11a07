"""Reading the logs of the parts."""

from pathlib import Path

import pytest

from keepsake.errors import InvalidInput
from keepsake.local.part_logs import Following, find_log, last_lines, part_logs
from keepsake.settings import HomeSettings


@pytest.fixture
def settings(tmp_path: Path) -> HomeSettings:
    """A data folder with the logs of two parts."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/worker.log").write_text("one\ntwo\nthree\n")
    (tmp_path / "logs/Dagster-daemon.log").write_text("\x1b[32mgreen\x1b[0m\n")
    return HomeSettings(keepsake_home=tmp_path)


def test_logs_are_found_by_the_names_of_the_parts(settings: HomeSettings) -> None:
    assert [log.part for log in part_logs(settings)] == ["Dagster-daemon", "worker"]
    assert find_log(settings, "dagster daemon").part == "Dagster-daemon"
    with pytest.raises(InvalidInput, match="known: Dagster-daemon, worker"):
        find_log(settings, "../up")


def test_without_logs_it_is_said_what_writes_them(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="`keepsake up` writes them"):
        find_log(HomeSettings(keepsake_home=tmp_path), "worker")


def test_the_last_lines_are_read_from_the_end(
    settings: HomeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepsake.local.part_logs._BLOCK", 4)
    file = find_log(settings, "worker").file
    assert last_lines(file, 2) == ["two", "three"]
    assert last_lines(file, 9) == ["one", "two", "three"]
    assert last_lines(find_log(settings, "dagster-daemon").file, 1) == ["green"]


def test_a_log_is_followed_line_by_line_also_when_it_begins_again(settings: HomeSettings) -> None:
    file = find_log(settings, "worker").file
    following = Following(file)
    with file.open("a") as log:
        log.write("four\nfi")
        log.flush()
        assert list(following.new_lines()) == ["four"]
        log.write("ve\n")
    assert list(following.new_lines()) == ["five"]
    file.write_text("again\n")
    assert list(following.new_lines()) == ["again"]
