"""The grpc.testing messages, generated at run time by the installed protoc."""
import importlib
import pathlib
import subprocess
import sys
import tempfile

PROTOS = pathlib.Path(__file__).resolve().parents[2] / "InteropProtocol" / "protos"


def load():
    """Returns the modules (empty_pb2, messages_pb2)."""
    out = tempfile.mkdtemp(prefix="interop-pb2-")
    files = [str(path.relative_to(PROTOS)) for path in sorted(PROTOS.rglob("*.proto"))]
    subprocess.run(["protoc", f"--proto_path={PROTOS}", f"--python_out={out}", *files], check=True)
    package = pathlib.Path(out, "grpc", "testing")
    # The package "grpc" is the library's: the generated modules are put beside it under its name.
    import grpc
    grpc.__path__.append(str(package.parent))
    sys.path.insert(0, out)
    return (importlib.import_module("grpc.testing.empty_pb2"), importlib.import_module("grpc.testing.messages_pb2"))
