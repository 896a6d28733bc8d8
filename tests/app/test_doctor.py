import json
import os
import sys
from pathlib import Path

import pytest

from rsvlm import assets
from rsvlm.app import doctor, doctor_machine
from rsvlm.app.doctor_check import Check, pip, try_out
from rsvlm.errors import AssetError


def test_a_child_process_reports_its_last_line() -> None:
    assert try_out("print('noise'); print('fine')") == (True, "fine")
    assert try_out("raise OSError('no   such\\n library')") == (False, "library")
    assert try_out("import nowhere_to_be_found") == (
        False,
        "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
    )


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_library_that_kills_the_interpreter_is_survived() -> None:
    assert try_out("import os; os.kill(os.getpid(), 9)") == (False, "ended by signal 9")
    code = "import time; time.sleep(60)"
    assert try_out(code, timeout=0.2) == (False, "no answer within 0 s")


def test_pip_that_fails_says_why() -> None:
    with pytest.raises(OSError, match="pip frobnicate failed: ERROR: unknown command"):
        pip("frobnicate")


@pytest.mark.parametrize(
    ("number", "status"),
    [((3, 10), "fault"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 99), "warn")],
)
def test_python(
    number: tuple[int, int], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (*number, 0, "final", 0))
    assert doctor_machine.python().status == status


def test_lost_links_are_restored(tmp_path: Path) -> None:
    assert doctor_machine.links(tmp_path).found == "installed as a package"
    (tmp_path / "pyproject.toml").touch()
    for name in ("rsvlm", "app", "eval", "retrieval"):
        (tmp_path / name).mkdir()
    (tmp_path / "rsvlm" / "eval").symlink_to(Path("..") / "eval")
    (tmp_path / "rsvlm" / "app").write_text("../app")  # git without links
    check = doctor_machine.links(tmp_path)
    assert check.status == "warn"
    assert check.found.startswith("no link to app, retrieval below")
    assert check.fix is not None
    check.fix()
    assert (tmp_path / "rsvlm" / "retrieval").resolve() == tmp_path / "retrieval"
    assert doctor_machine.links(tmp_path).status == "ok"


def test_the_cache_folder_must_be_writable_and_roomy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr(doctor_machine, "FREE", 0)
    assert doctor_machine.cache().status == "ok"
    assert not (tmp_path / "not").exists()  # looking changes nothing
    monkeypatch.setattr(doctor_machine, "FREE", 10**18)
    assert doctor_machine.cache().status == "warn"
    (tmp_path / "file").touch()
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "file" / "below"))
    check = doctor_machine.cache()
    assert (check.status, check.found.split(": ")[1]) == ("fault", "Not a directory")


def test_default_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name, asset in assets.table().items() if asset.default]
    monkeypatch.setattr(assets, "cached", lambda name: Path())
    monkeypatch.setattr(assets, "verify", lambda name: Path())
    assert doctor_machine.fetched().found == f"{len(names)} verified"
    monkeypatch.setattr(assets, "cached", lambda name: None)
    check = doctor_machine.fetched()
    assert (check.status, check.found) == ("warn", f"not fetched: {', '.join(names)}")

    def damaged(name: str) -> Path:
        raise AssetError("damaged")

    monkeypatch.setattr(assets, "cached", lambda name: Path())
    monkeypatch.setattr(assets, "verify", damaged)
    assert doctor_machine.fetched().status == "fault"


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("fpu avx2 amx_bf16", "with bfloat16 instructions (amx_bf16, avx2)"),
        ("fpu avx2", "without bfloat16 instructions (avx2)"),
        ("fpu", "without bfloat16 instructions (no vector units)"),
    ],
)
def test_processor(
    flags: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr(doctor_machine, "_CPUINFO", tmp_path / "cpuinfo")
    assert doctor_machine.processor().found == found
    monkeypatch.setattr(doctor_machine, "_CPUINFO", tmp_path / "none")
    assert "unknown" in doctor_machine.processor().found


@pytest.mark.parametrize(
    ("limit", "count"),
    [("150000 100000", 1.5), ("max 100000", 8.0), ("1600000 100000", 8.0)],
)
def test_cores_count_the_limits_of_a_container(
    limit: str, count: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        os, "sched_getaffinity", lambda process: set(range(8)), raising=False
    )
    monkeypatch.setattr(doctor_machine, "_CGROUP", tmp_path)
    assert doctor_machine.cores() == 8.0
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert doctor_machine.cores() == count
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(
        limit.split()[0].replace("max", "-1")
    )
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text(limit.split()[1])
    assert doctor_machine.cores() == count


@pytest.mark.parametrize(
    ("asked", "limit", "status"),
    [
        ("", 8, "ok"),
        ("", 2, "warn"),
        ("2", 2, "ok"),
        ("16", 8, "warn"),
        ("4,2", 8, "ok"),
    ],
)
def test_threads(
    asked: str, limit: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        os, "sched_getaffinity", lambda process: set(range(8)), raising=False
    )
    monkeypatch.setattr(doctor_machine, "_CGROUP", tmp_path)
    (tmp_path / "cpu.max").write_text(f"{limit}00000 100000")
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert doctor_machine.threads().status == status


class Patient:
    """A check whose fault is gone once it has been repaired."""

    def __init__(self, error: str = "") -> None:
        self.error, self.repaired = error, 0

    def __call__(self) -> Check:
        if self.repaired:
            return Check("patient", "ok", "well")
        return Check("patient", "fault", "ill", "Take care.", self.fix)

    def fix(self) -> str:
        if self.error:
            raise PermissionError(13, self.error)
        self.repaired += 1
        return "Gave medicine."


def healthy() -> Check:
    return Check("healthy", "ok", "fine")


def test_the_report_names_faults_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    patient = Patient()
    monkeypatch.setattr(doctor, "CHECKS", (healthy, patient))
    assert [check.status for check in doctor.checks()] == ["ok", "fault"]
    assert doctor.run() == 1
    assert patient.repaired == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ok", "healthy", "fine"]
    assert lines[1].split() == ["fault", "patient", "ill"]
    assert lines[2].strip() == "-> Take care."
    assert lines[3] == "1 fault found. Run: rsvlm doctor --fix."


def test_repairing_says_what_it_changed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (healthy, Patient()))
    assert doctor.run(fix=True) == 0
    out = capsys.readouterr().out
    assert "-> Gave medicine." in out
    assert out.endswith("No faults found.\n")


def test_a_repair_that_fails_leaves_the_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (Patient("Permission denied"),))
    assert doctor.run(fix=True) == 1
    assert "Could not be repaired: [Errno 13] Permission denied." in (
        capsys.readouterr().out
    )


def test_json_is_one_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (healthy, Patient()))
    assert doctor.run(as_json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "rsvlm.doctor/1"
    assert report["ok"] is False
    assert report["checks"][1] == {
        "name": "patient",
        "status": "fault",
        "found": "ill",
        "advice": "Take care.",
        "repairable": True,
        "changed": "",
    }
