// Classifies what is typed, by gRPC-Web: browsers can't speak gRPC itself. The page comes from another origin than the
// server, which must allow that: --Server:CorsOrigins:0=http://localhost:8000.
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { Classifier } from './gen/serving/v1/classifier_pb.js';

// The server's HTTP port; index.html?server=http://... names another.
const server = new URLSearchParams(location.search).get('server') ?? 'http://localhost:5051';
const classifier = createClient(Classifier, createGrpcWebTransport({ baseUrl: server, defaultTimeoutMs: 10_000 }));

const element = id => document.getElementById(id);

element('form').addEventListener('submit', async event => {
  event.preventDefault();
  element('error').textContent = '';
  element('answers').replaceChildren();
  try {
    const response = await classifier.classify({
      inputs: [{ text: element('text').value }],
      tasks: element('tasks').value.trim().split(/\s+/).map(task => ({ task })),
    });
    // One result for each input, in it one classification for each task, both in the request's order.
    for (const answer of response.results[0].classifications) {
      const best = answer.scores.find(score => score.label === answer.label);
      const row = element('answers').insertRow();
      for (const cell of [answer.task, answer.label, best.probability.toFixed(4)]) {
        row.insertCell().textContent = cell;
      }
    }
  } catch (failure) {
    const error = ConnectError.from(failure);
    element('error').textContent = `${Code[error.code]}: ${error.rawMessage}`;
  }
});
