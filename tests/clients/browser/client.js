// The example's page in Chromium: node client.js PAGE CHECKS.js SERVER CLOSED_SERVER, where PAGE is its address, CHECKS.js the
// bundle of checks.js, SERVER the HTTP address of a server that allows the page's origin, and CLOSED_SERVER that of one which
// does not. See run.sh for the lines that it prints.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [address, bundle, server, closedServer] = process.argv.slice(2);
const browser = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'chromium-')), {
  executablePath: '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});

/** Opens the page for a server, types, clicks, and waits for what it says. */
async function classify(target, text, tasks) {
  const page = await browser.newPage();
  const log = [];
  page.on('console', message => log.push(message.text()));
  await page.goto(`${address}/index.html?server=${encodeURIComponent(target)}`);
  await page.getByLabel('Text').fill(text);
  await page.getByLabel('Tasks').fill(tasks);
  await page.getByRole('button', { name: 'Classify' }).click();
  await page.waitForFunction(() => document.querySelector('#answers tr') || document.querySelector('#error').textContent);
  const answers = await page.locator('#answers tr').evaluateAll(rows => rows.map(row => [...row.cells].map(cell => cell.textContent)));
  const error = await page.locator('#error').textContent();
  await page.close();
  return { answers, error, log: log.join('\n') };
}

async function check(name, run) {
  try {
    await run();
    console.log('pass', name);
  } catch (error) { // Whatever it is, the other checks go on.
    console.log('fail', `${name}:`, String(error.message).replace(/\s+/g, ' '));
  }
}

await check('page', async () => {
  const { answers, error } = await classify(server, 'what a charming film', 'sentiment review');
  assert.equal(error, '');
  assert.deepEqual(answers.map(([task, label]) => [task, label]), [['sentiment', 'positive'], ['review', 'positive']]);
  assert.ok(Math.abs(Number(answers[0][2]) - 0.9972) <= 1e-3, `probability ${answers[0][2]}`);
});

await check('page_error', async () => {
  const { answers, error } = await classify(server, 'what a charming film', 'sentimen');
  assert.deepEqual(answers, []);
  assert.match(error, /^NotFound: There is no task 'sentimen'/);
});

await check('refused', async () => {
  const { answers, error, log } = await classify(closedServer, 'what a charming film', 'sentiment');
  assert.deepEqual(answers, []);
  assert.match(error, /Failed to fetch/);
  assert.match(log, /blocked by CORS policy/); // The server is there, but the browser may not have its answer.
});

const page = await browser.newPage();
await page.goto(`${address}/index.html`);
await page.addScriptTag({ path: bundle });
for (const line of await page.evaluate(target => globalThis.runChecks(target), server)) {
  console.log(line);
}
await browser.close();
