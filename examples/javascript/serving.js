// The services of protos/serving/v1, read from the .proto files when a program starts: nothing is generated.
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const definition = loader.loadSync(
  ['classifier', 'tasks', 'datasets', 'jobs'].map(name => `serving/v1/${name}.proto`),
  {
    includeDirs: [fileURLToPath(new URL('../../protos', import.meta.url))], // Where you have put the .proto files.
    longs: Number, // int64 as numbers instead of strings; ours stay below 2^53.
    enums: String, // Names instead of numbers.
    defaults: true, // Fields that were not sent have their defaults, instead of being undefined.
    oneofs: true, // The name of a oneof, such as "outcome", says which of its fields is set.
  });

/** The stubs Classifier, Tasks, Datasets and Jobs; make one of each, and keep it. */
export const { Classifier, Tasks, Datasets, Jobs } = grpc.loadPackageDefinition(definition).serving.v1;

// Plain HTTP/2, as the server does without a certificate; with one, grpc.credentials.createSsl().
export const insecure = () => grpc.credentials.createInsecure();

/** Calls a method with one request and one response as a promise. Without a deadline it would wait for as long as it takes. */
export const call = (client, method, request, seconds = 10) => new Promise((resolve, reject) => {
  const options = { deadline: Date.now() + seconds * 1000 };
  client[method](request, options, (error, response) => (error ? reject(error) : resolve(response)));
});

/** Calls a method with many requests, from an iterable, and one response. */
export const upload = (client, method, requests, seconds = 60) => new Promise((resolve, reject) => {
  const options = { deadline: Date.now() + seconds * 1000 };
  const stream = client[method](options, (error, response) => (error ? reject(error) : resolve(response)));
  send(stream, requests).catch(error => { // The requests' source failed.
    stream.cancel();
    reject(error);
  });
});

/** Writes requests no faster than the server takes them. */
export async function send(stream, requests) {
  for await (const request of requests) {
    if (stream.destroyed) {
      return;
    }
    if (!stream.write(request)) {
      await new Promise(resolve => stream.once('drain', resolve).once('close', resolve));
    }
  }
  stream.end();
}
