"""Generates the messages and stubs with what Debian has: protoc and grpc_python_plugin."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import grpc


GRPC_PROTOS = pathlib.Path("/usr/share/grpc-proto")  # Health and reflection, of the package grpc-proto.


def generate(protos):
    out = tempfile.mkdtemp(prefix="serving-python-")
    plugin = shutil.which("grpc_python_plugin")
    files = [str(path.relative_to(protos)) for path in protos.rglob("*.proto")]
    files += ["grpc/health/v1/health.proto", "grpc/reflection/v1/reflection.proto"]
    subprocess.run(
        ["protoc", f"--proto_path={protos}", f"--proto_path={GRPC_PROTOS}", f"--python_out={out}",
         f"--grpc_python_out={out}", f"--plugin=protoc-gen-grpc_python={plugin}", *files], check=True)
    sys.path.insert(0, out)
    grpc.__path__.append(f"{out}/grpc")  # grpc.health and grpc.reflection, which Debian does not have.
