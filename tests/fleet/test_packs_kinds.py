"""What goes into a release of the host agent: its sources, and nothing else that lies beside them."""

import io
import zipfile

from fleet import packs


def test_private_files_and_links_beside_the_sources_are_left_out(tmp_path):
    secret = tmp_path / "elsewhere.py"
    secret.write_text("PASSWORD = 'development'\n")
    source = tmp_path / "tree"
    for name in ("hostagent/cli.py", "hostagent/public/page.html", "cli/main.py", "firmware/stallmark/__init__.py"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("# here\n")
    (source / "hostagent" / ".env").write_text("TOKEN=development\n")
    (source / "hostagent" / "keys.json").write_text("{}\n")
    (source / "hostagent" / "borrowed.py").symlink_to(secret)
    with zipfile.ZipFile(io.BytesIO(packs.host_release(source, "1"))) as made:
        names = set(made.namelist()) - {packs.ABOUT}
    assert names == {"hostagent/cli.py", "hostagent/public/page.html", "cli/main.py", "stallmark/__init__.py"}
