"""The machine for tests keeps its deadline, and is looked for where it is said to be."""

from pathlib import Path

import pytest

from vm.guest import LATE, run_in_guest
from vm.initramfs import cpio
from vm.kernel import missing_requirements, unpacked_kernel
from vm.tier import test_files as files_for_the_guest


def processes_with(word: str) -> list[str]:
    """Return the command lines of running processes that contain *word*."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if word in line]


def test_guest_that_is_late_is_ended_and_leaves_no_process(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline counts from the start, whatever the guest does by then; emulator and file server are gone."""
    kernel = unpacked_kernel()
    if (lacks := missing_requirements()) or kernel is None:
        pytest.skip(f"needs {' and '.join(lacks)}")
    folder = tmp_path_factory.mktemp("vm")
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    status = run_in_guest(kernel, ["sleep", "600"], directory=folder, environment={}, deadline=1)

    assert status == LATE
    assert processes_with(str(folder)) == []
    assert list(folder.iterdir()) == []


def test_archive_is_laid_out_as_the_kernel_reads_it() -> None:
    """Every header, name and content begins at a multiple of four bytes, and a trailer ends the archive."""
    archive = cpio([("a", 0o100644, b"12345"), ("folder", 0o040755, b"")])

    starts = [place for place in range(len(archive)) if archive.startswith(b"070701", place)]
    assert [place % 4 for place in starts] == [0, 0, 0]
    assert archive[starts[0] + 110 :].startswith(b"a\0")
    assert archive[starts[1] - 8 :].startswith(b"12345\0\0\0")
    assert archive[starts[2] + 110 :].startswith(b"TRAILER!!!\0")


def test_files_with_needs_of_the_kernel_are_found() -> None:
    """The guest collects the matrix, which asks for VLAN devices."""
    assert "tests/e2e/test_matrix.py" in files_for_the_guest()
