"""Small archives for data_archive_test.lua: python3 make_archives.py FOLDER. a.bin has 3000 bytes, b.bin 5000."""
import gzip
import io
import os
import sys
import tarfile
import zipfile

folder = sys.argv[1]
A, B = bytes(range(250)) * 12, os.urandom(5000)


def tar(name, members, compress="gz"):
    with tarfile.open(os.path.join(folder, name), "w:" + compress) as out:
        for path, content in members:
            info = tarfile.TarInfo(path)
            if isinstance(content, bytes):
                info.size = len(content)
                out.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                out.addfile(info)


def zipped(name, members):
    with zipfile.ZipFile(os.path.join(folder, name), "w", zipfile.ZIP_DEFLATED) as out:
        for path, content in members:
            out.writestr(path, content)


def damaged(name, source, at, cut=False):
    with open(os.path.join(folder, source), "rb") as file:
        content = bytearray(file.read())
    at = int(len(content) * at)
    content = content[:at] if cut else content[:at] + bytes(64) + content[at + 64 :]
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


good = [("in/readme.html", b"read me"), ("in/a.bin", A), ("in/b.bin", B)]
tar("good.tar.gz", good)
tar("dotted.tar.gz", [("./" + path, content) for path, content in good])
zipped("good.zip", good)
zipped("inner.zip", [("in/a.bin.gz", gzip.compress(A)), ("in/b.bin.gz", gzip.compress(B))])
outside = [("../outside", b"out"), ("in/../../outside", b"out"), (folder + "/outside", b"out")]
tar("outside.tar.gz", outside + good)
zipped("outside.zip", outside + good)
tar("traversal.tar.gz", [("in/../../a.bin", A), ("../in/a.bin", A), ("in/b.bin", B)])
tar("missing.tar.gz", good[:2])
zipped("missing.zip", good[:2])
tar("twice.tar.gz", good + good[1:2])
tar("symlink.tar.gz", [("in/a.bin", (tarfile.SYMTYPE, "/etc/hostname")), good[2]])
tar("hardlink.tar.gz", [good[2], ("in/a.bin", (tarfile.LNKTYPE, "in/b.bin"))])
tar("device.tar.gz", [("in/a.bin", (tarfile.CHRTYPE, "")), good[2]])
tar("linked_folder.tar.gz", [("in", (tarfile.SYMTYPE, folder))] + good)
tar("bomb.tar.gz", [("in/a.bin", bytes(30_000_000)), good[2]])
tar("bomb_beside.tar.gz", good + [("in/other", bytes(30_000_000))])
zipped("bomb.zip", [("in/a.bin", bytes(30_000_000)), good[2]])
tar("many.tar.gz", [("in/%d" % i, bytes(900)) for i in range(200)] + good)
damaged("damaged.tar.gz", "good.tar.gz", 0.5)
damaged("damaged.zip", "good.zip", 0.5)
damaged("truncated.tar.gz", "good.tar.gz", 0.6, cut=True)
damaged("truncated.zip", "good.zip", 0.6, cut=True)
damaged("empty.tar.gz", "good.tar.gz", 0, cut=True)
with open(os.path.join(folder, "text.tar.gz"), "w") as file:
    file.write("<html>Not found</html>\n" * 100)
for name, content in (("a", A), ("b", B)):
    with open(os.path.join(folder, name + ".bin"), "wb") as file:
        file.write(content)
