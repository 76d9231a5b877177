// Runs the interop cases with @grpc/grpc-js: node client.js HOST:PORT [--certificate-file FILE] [CASE ...].
// Prints "CASE pass", "CASE n/a WHY" or "CASE FAIL WHY" for each case; the exit code is 1 if any failed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];
const SPECIAL_MESSAGE = '\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n';
const NO_COMPRESS = 2;

class NotPossible extends Error {}

const argumentsLeft = process.argv.slice(2);
let credentials = grpc.credentials.createInsecure();
const certificateAt = argumentsLeft.indexOf('--certificate-file');
if (certificateAt >= 0) {
  credentials = grpc.credentials.createSsl(readFileSync(argumentsLeft[certificateAt + 1]));
  argumentsLeft.splice(certificateAt, 2);
}
const [address, ...wanted] = argumentsLeft;

const protos = fileURLToPath(new URL('../../InteropProtocol/protos', import.meta.url));
const definition = loader.loadSync('grpc/testing/test.proto', { includeDirs: [protos], keepCase: true, defaults: false });
const { TestService, UnimplementedService } = grpc.loadPackageDefinition(definition).grpc.testing;
const client = new TestService(address, credentials);
const unknown = new UnimplementedService(address, credentials);

// grpc-js compresses by channel; a message of a compressing call is exempt by a flag that an interceptor can set.
const exempting = (options, nextCall) => {
  const call = new grpc.InterceptingCall(nextCall(options));
  const send = call.sendMessageWithContext.bind(call);
  call.sendMessageWithContext = (context, message) =>
    send(message.expect_compressed?.value === false ? { ...context, flags: NO_COMPRESS } : context, message);
  return call;
};
const gzipClient = new TestService(address, credentials, {
  'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip,
  interceptors: [exempting]
});

const payload = size => ({ body: Buffer.alloc(size) });
const largeRequest = () => ({ response_size: 314159, payload: payload(271828) });
const ping = (requestSize, responseSize) =>
  ({ payload: payload(requestSize), response_parameters: [{ size: responseSize }] });
const unary = (on, name, request, metadata = new grpc.Metadata()) => new Promise((resolve, reject) => {
  const result = {};
  const call = on[name](request, metadata, (error, response) => {
    if (error) {
      reject(error);
      return;
    }
    result.response = response;
  });
  call.on('metadata', headers => { result.headers = headers; });
  call.on('status', status => {
    if (status.code === grpc.status.OK) {
      resolve({ ...result, trailers: status.metadata });
    }
  });
});
const clientStream = (on, requests) => new Promise((resolve, reject) => {
  const call = on.StreamingInputCall((error, response) => (error ? reject(error) : resolve(response)));
  requests.forEach(request => call.write(request));
  call.end();
});
const collect = call => new Promise((resolve, reject) => {
  const result = { responses: [] };
  call.on('data', response => result.responses.push(response));
  call.on('metadata', headers => { result.headers = headers; });
  call.on('error', reject);
  call.on('status', status => {
    if (status.code === grpc.status.OK) {
      resolve({ ...result, trailers: status.metadata });
    }
  });
});
const sizes = responses => responses.map(response => response.payload.body.length);
const expect = async (code, promise) => {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.code, code, `${error.code} ${error.details ?? error.message}, expected ${code}`);
    return error;
  }
  throw new Error(`succeeded, expected ${code}`);
};
const checkStatus = async message => {
  const request = { response_status: { code: 2, message } };
  const error = await expect(grpc.status.UNKNOWN, unary(client, 'UnaryCall', request));
  assert.equal(error.details, message);
};

const cases = {
  async empty_unary() {
    assert.deepEqual({ ...(await unary(client, 'EmptyCall', {})).response }, {});
  },
  async large_unary() {
    assert.equal((await unary(client, 'UnaryCall', largeRequest())).response.payload.body.length, 314159);
  },
  async client_streaming() {
    const response = await clientStream(client, REQUEST_SIZES.map(size => ({ payload: payload(size) })));
    assert.equal(response.aggregated_payload_size, REQUEST_SIZES.reduce((sum, size) => sum + size));
  },
  async server_streaming() {
    const request = { response_parameters: RESPONSE_SIZES.map(size => ({ size })) };
    assert.deepEqual(sizes((await collect(client.StreamingOutputCall(request))).responses), RESPONSE_SIZES);
  },
  async ping_pong() {
    const call = client.FullDuplexCall();
    const finished = collect(call);
    for (let i = 0; i < REQUEST_SIZES.length; i++) {
      const response = new Promise(resolve => call.once('data', resolve));
      call.write(ping(REQUEST_SIZES[i], RESPONSE_SIZES[i]));
      assert.equal((await response).payload.body.length, RESPONSE_SIZES[i]);
    }
    call.end();
    assert.equal((await finished).responses.length, REQUEST_SIZES.length);
  },
  async empty_stream() {
    const call = client.FullDuplexCall();
    call.end();
    assert.equal((await collect(call)).responses.length, 0);
  },
  async cancel_after_begin() {
    await expect(grpc.status.CANCELLED, new Promise((resolve, reject) => {
      client.StreamingInputCall((error, response) => (error ? reject(error) : resolve(response))).cancel();
    }));
  },
  async cancel_after_first_response() {
    const call = client.FullDuplexCall();
    const finished = collect(call);
    call.once('data', () => call.cancel());
    call.write(ping(REQUEST_SIZES[0], RESPONSE_SIZES[0]));
    await expect(grpc.status.CANCELLED, finished);
  },
  async timeout_on_sleeping_server() {
    const call = client.FullDuplexCall(new grpc.Metadata(), { deadline: Date.now() + 1 });
    const finished = collect(call);
    call.write({ payload: payload(REQUEST_SIZES[0]) });
    await expect(grpc.status.DEADLINE_EXCEEDED, finished);
  },
  async custom_metadata() {
    const metadata = new grpc.Metadata();
    metadata.set('x-grpc-test-echo-initial', 'test_initial_metadata_value');
    metadata.set('x-grpc-test-echo-trailing-bin', Buffer.from([0xab, 0xab, 0xab]));
    const check = ({ headers, trailers }) => {
      assert.deepEqual(headers.get('x-grpc-test-echo-initial'), ['test_initial_metadata_value']);
      assert.deepEqual(trailers.get('x-grpc-test-echo-trailing-bin'), [Buffer.from([0xab, 0xab, 0xab])]);
    };
    check(await unary(client, 'UnaryCall', largeRequest(), metadata));
    const call = client.FullDuplexCall(metadata);
    const finished = collect(call);
    call.write(ping(271828, 314159));
    call.end();
    check(await finished);
  },
  async status_code_and_message() {
    await checkStatus('test status message');
    const call = client.FullDuplexCall();
    const finished = collect(call);
    call.write({ response_status: { code: 2, message: 'test status message' } });
    call.end();
    assert.equal((await expect(grpc.status.UNKNOWN, finished)).details, 'test status message');
  },
  async special_status_message() {
    await checkStatus(SPECIAL_MESSAGE);
  },
  async unimplemented_service() {
    await expect(grpc.status.UNIMPLEMENTED, unary(unknown, 'UnimplementedCall', {}));
  },
  async unimplemented_method() {
    await expect(grpc.status.UNIMPLEMENTED, unary(client, 'UnimplementedCall', {}));
  },
  async client_compressed_unary() {
    const request = { ...largeRequest(), expect_compressed: { value: true } };
    await expect(grpc.status.INVALID_ARGUMENT, unary(client, 'UnaryCall', request));
    assert.equal((await unary(gzipClient, 'UnaryCall', request)).response.payload.body.length, 314159);
    request.expect_compressed = { value: false };
    assert.equal((await unary(gzipClient, 'UnaryCall', request)).response.payload.body.length, 314159);
  },
  async client_compressed_streaming() {
    const first = { payload: payload(27182), expect_compressed: { value: true } };
    const second = { payload: payload(45904), expect_compressed: { value: false } };
    await expect(grpc.status.INVALID_ARGUMENT, clientStream(client, [first]));
    assert.equal((await clientStream(gzipClient, [first, second])).aggregated_payload_size, 73086);
  },
  async server_compressed_unary() {
    for (const value of [true, false]) {
      const request = { ...largeRequest(), response_compressed: { value } };
      assert.equal((await unary(client, 'UnaryCall', request)).response.payload.body.length, 314159);
    }
    throw new NotPossible('payloads pass; grpc-js does not show whether a message came compressed');
  },
  async server_compressed_streaming() {
    const request = {
      response_parameters: [{ size: 31415, compressed: { value: true } }, { size: 58979, compressed: { value: false } }]
    };
    assert.deepEqual(sizes((await collect(client.StreamingOutputCall(request))).responses), [31415, 58979]);
    throw new NotPossible('payloads pass; grpc-js does not show whether a message came compressed');
  }
};

let failed = false;
for (const name of wanted.length > 0 ? wanted : Object.keys(cases)) {
  try {
    await cases[name]();
    console.log(`${name} pass`);
  } catch (error) {
    failed ||= !(error instanceof NotPossible);
    const verdict = error instanceof NotPossible ? 'n/a' : `FAIL ${error.name}:`;
    console.log(`${name} ${verdict} ${error.message.replaceAll('\n', ' ')}`);
  }
}
process.exit(failed ? 1 : 0);
