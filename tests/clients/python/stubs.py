"""Generates the messages and stubs with what Debian has: protoc and grpc_python_plugin."""
import shutil
import subprocess
import sys
import tempfile

import grpc


def generate(protos):
    out = tempfile.mkdtemp(prefix="serving-python-")
    plugin = shutil.which("grpc_python_plugin")
    files = [str(path.relative_to(protos)) for path in protos.rglob("*.proto")]
    subprocess.run(
        ["protoc", f"--proto_path={protos}", f"--python_out={out}", f"--grpc_python_out={out}",
         f"--plugin=protoc-gen-grpc_python={plugin}", *files], check=True)
    sys.path.insert(0, out)
    grpc.__path__.append(f"{out}/grpc")  # grpc.health and grpc.reflection, which Debian does not have.
