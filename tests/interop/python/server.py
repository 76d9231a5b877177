"""grpc.testing.TestService on grpcio: server.py prints its port and serves until its standard input closes."""
import concurrent.futures
import sys
import time

import grpc

import messages

empty_pb2, pb2 = messages.load()


def echo_metadata(context):
    metadata = dict(context.invocation_metadata())
    if "x-grpc-test-echo-initial" in metadata:
        context.send_initial_metadata((("x-grpc-test-echo-initial", metadata["x-grpc-test-echo-initial"]),))
    if "x-grpc-test-echo-trailing-bin" in metadata:
        context.set_trailing_metadata((("x-grpc-test-echo-trailing-bin", metadata["x-grpc-test-echo-trailing-bin"]),))


def end_with_status(request, context):
    if request.response_status.code:
        code = next(code for code in grpc.StatusCode if code.value[0] == request.response_status.code)
        context.abort(code, request.response_status.message)


def empty_call(request, context):
    echo_metadata(context)
    return request


def unary_call(request, context):
    if request.response_compressed.value:
        context.set_compression(grpc.Compression.Gzip)
    echo_metadata(context)
    end_with_status(request, context)
    return pb2.SimpleResponse(payload=pb2.Payload(body=bytes(request.response_size)))


def respond(request, context):
    for parameters in request.response_parameters:
        time.sleep(parameters.interval_us / 1e6)
        if parameters.HasField("compressed") and not parameters.compressed.value:
            context.disable_next_message_compression()
        yield pb2.StreamingOutputCallResponse(payload=pb2.Payload(body=bytes(parameters.size)))
    end_with_status(request, context)


def streaming_output_call(request, context):
    if any(parameters.compressed.value for parameters in request.response_parameters):
        context.set_compression(grpc.Compression.Gzip)
    echo_metadata(context)
    yield from respond(request, context)


def streaming_input_call(requests, context):
    echo_metadata(context)
    return pb2.StreamingInputCallResponse(
        aggregated_payload_size=sum(len(request.payload.body) for request in requests))


def full_duplex_call(requests, context):
    echo_metadata(context)
    for request in requests:
        yield from respond(request, context)


def handlers():
    def handle(make, behavior, request):
        return make(behavior, request_deserializer=request.FromString,
                    response_serializer=lambda message: message.SerializeToString())

    return grpc.method_handlers_generic_handler("grpc.testing.TestService", {
        "EmptyCall": handle(grpc.unary_unary_rpc_method_handler, empty_call, empty_pb2.Empty),
        "UnaryCall": handle(grpc.unary_unary_rpc_method_handler, unary_call, pb2.SimpleRequest),
        "StreamingOutputCall": handle(
            grpc.unary_stream_rpc_method_handler, streaming_output_call, pb2.StreamingOutputCallRequest),
        "StreamingInputCall": handle(
            grpc.stream_unary_rpc_method_handler, streaming_input_call, pb2.StreamingInputCallRequest),
        "FullDuplexCall": handle(
            grpc.stream_stream_rpc_method_handler, full_duplex_call, pb2.StreamingOutputCallRequest)})


server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers((handlers(),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
server.stop(grace=None)
