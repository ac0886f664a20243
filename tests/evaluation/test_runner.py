"""Jobs in several processes: in order, journalled, and none stopped by another one's failure."""

import json
import os
import signal
import time

import pytest

from semapix.errors import ArgumentError, SemapixError
from semapix.evaluation.runner import Job, run_jobs

DIE, INTERRUPT = 99, 98


def square(number):
    if number == DIE:
        time.sleep(1)
        os._exit(1)
    if number == INTERRUPT:
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(1)
    if number == 13:
        raise ArgumentError("13 is\nunlucky")
    return [{"number": number, "square": number**2}]


def jobs(numbers):
    return [Job(f"number {number}", number, ["square", number]) for number in numbers]


def never(number):
    raise AssertionError("stands in the journal")


def test_rows_come_in_the_order_of_the_jobs(tmp_path):
    outcome = run_jobs(jobs(range(20)), square, tmp_path / "new" / "journal.jsonl", processes=2)
    assert [row["number"] for row in outcome.rows] == [n for n in range(20) if n != 13]
    assert [(failure.name, failure.reason) for failure in outcome.failures] == [("number 13", "13 is unlucky")]


def test_what_is_done_is_not_done_again(tmp_path, capsys):
    journal = tmp_path / "journal.jsonl"
    first = run_jobs(jobs([1, 2, 3]), square, journal, processes=1)
    again = run_jobs(jobs([3, 1]), never, journal, processes=1)
    assert [row["number"] for row in again.rows] == [3, 1]
    assert again.failures == []
    more = run_jobs(jobs([1, 2, 3, 4]), square, journal, processes=1)
    assert [*more.rows[:3]] == [*first.rows]
    assert len(journal.read_text().splitlines()) == 4
    assert "3 stand in the journal already" in capsys.readouterr().err


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_line_that_an_interruption_cut_is_measured_again(tmp_path, cut):
    journal = tmp_path / "journal.jsonl"
    run_jobs(jobs([1, 2]), square, journal, processes=1)
    whole = journal.read_text()
    journal.write_text(whole[:-cut])
    assert [row["square"] for row in run_jobs(jobs([1, 2]), square, journal, processes=1).rows] == [1, 4]
    assert sorted(json.loads(line)["job"] for line in journal.read_text().splitlines()) == ["number 1", "number 2"]


def test_a_damaged_journal_is_refused(tmp_path):
    journal = tmp_path / "journal.jsonl"
    run_jobs(jobs([1, 2]), square, journal, processes=1)
    first, second = journal.read_text().splitlines()
    journal.write_text(f"{first[:20]}\n{second}\n")
    with pytest.raises(ArgumentError, match="line 1 is damaged"):
        run_jobs(jobs([1, 2]), square, journal, processes=1)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_keeps_what_is_done(tmp_path):
    journal = tmp_path / "journal.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs([1, 2, INTERRUPT, 4, 5, 6, 7, 8]), square, journal, processes=1)
    done = [json.loads(line)["rows"][0]["number"] for line in journal.read_text().splitlines()]
    assert set(done) >= {1, 2, INTERRUPT}
    assert len(done) < 8


def test_a_process_that_dies_is_told_and_the_journal_kept(tmp_path):
    journal = tmp_path / "journal.jsonl"
    with pytest.raises(SemapixError, match=r"a process died.* what is done stands in the journal"):
        run_jobs(jobs([1, DIE]), square, journal, processes=1)
    assert "number 1" in journal.read_text()


def test_a_mistake_in_the_program_is_no_failure_of_a_job(tmp_path):
    with pytest.raises(AssertionError, match="stands in the journal"):
        run_jobs(jobs([1]), never, tmp_path / "journal.jsonl", processes=1)
