import pytest

from evoca.errors import DataError
from evoca.runs import find_runs


def test_runs_are_found_by_name_and_not_searched_for_others(tmp_path):
    for name in ("b/fold0", "b", "a/deep", ".draft", "empty"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    for name in ("b/fold0", "b", "a/deep", ".draft"):
        (tmp_path / name / "run.json").write_text("{}")
    found = [path.relative_to(tmp_path).as_posix() for path in find_runs(tmp_path)]
    assert found == ["a/deep", "b"]
    assert list(find_runs(tmp_path / "b")) == [tmp_path / "b"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder of runs"):
        list(find_runs(tmp_path / "nowhere"))
