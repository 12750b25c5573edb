#!/usr/bin/env node
// A small trigger for builds and deployments: starts a command for each tag that is pushed, and needs nothing but Node.
//
//   SHIPLOG_URL=https://registry.example.com SHIPLOG_CREDENTIALS='robot$ci:secret' \
//   SHIPLOG_FILTER='project:shop tag:v*' node ci-trigger.mjs ./deploy.sh
//
// The command gets REPOSITORY, TAG, DIGEST and EVENT_ID in its environment. Where the trigger is, it keeps in a file: what
// happens while it is away is done when it is back. It writes the place down when the command has ended, so that after a
// crash in between the same event comes once more; whoever must not do a thing twice remembers EVENT_ID. A command that fails
// is tried again, ahead of all others.

import { spawn } from 'node:child_process';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const {
  SHIPLOG_URL,
  SHIPLOG_CREDENTIALS = '',
  SHIPLOG_FILTER = '',
  STATE_FILE = 'ci-trigger.state',
} = process.env;
const [command, ...args] = process.argv.slice(2);
if (SHIPLOG_URL === undefined || command === undefined) {
  console.error(
    'usage: SHIPLOG_URL=… [SHIPLOG_CREDENTIALS=name:secret] [SHIPLOG_FILTER=…] ci-trigger.mjs COMMAND…',
  );
  process.exit(2);
}

const wanted = new URL('/api/v2.0/events', SHIPLOG_URL);
wanted.searchParams.set('filter', `type:tag.assigned type:tag.moved ${SHIPLOG_FILTER}`);

// Without the file it begins with what happens next. One that cannot be read must not look like that.
let lastId = await readFile(STATE_FILE, 'utf8').then(
  (text) => text.trim(),
  (error) => {
    if (error.code !== 'ENOENT') throw error;
    return '';
  },
);
for (let pauseMs = 1000; ; ) {
  try {
    await follow(() => {
      pauseMs = 1000;
    });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}; again in ${pauseMs} ms`);
  }
  await sleep(pauseMs);
  pauseMs = Math.min(pauseMs * 2, 5000);
}

async function follow(isWell) {
  const headers = { accept: 'text/event-stream' };
  if (lastId !== '') headers['last-event-id'] = lastId;
  if (SHIPLOG_CREDENTIALS !== '')
    headers.authorization = `Basic ${Buffer.from(SHIPLOG_CREDENTIALS).toString('base64')}`;
  const answer = await fetch(wanted, { headers });
  if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) {
    // By itself this will not become right.
    console.error(`refused: ${answer.status} ${await answer.text()}`);
    process.exit(1);
  }
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  for await (const { id, event, data } of blocksIn(answer.body)) {
    isWell();
    if (event !== 'checkpoint') await run(JSON.parse(data));
    if (id !== undefined) await remember(id);
  }
}

/** The blocks of a stream of server-sent events. */
async function* blocksIn(body) {
  let rest = '';
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = {};
      for (const line of block.split('\n')) {
        const colon = line.indexOf(':');
        if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
      }
      if (fields.data !== undefined) yield fields;
    }
  }
}

/** Waits for the command, so that it runs once at a time and in order. */
async function run({ id, repository, tag, digest }) {
  const env = { ...process.env, REPOSITORY: repository, TAG: tag, DIGEST: digest, EVENT_ID: id };
  const child = spawn(command, args, { env, stdio: 'inherit' });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('exit', resolve));
  if (code !== 0) throw new Error(`the command has failed for ${repository}:${tag} with ${code}`);
}

/** In one step, so that a crash leaves the old place or the new one; on the disk ahead of that, for a loss of power. */
async function remember(id) {
  lastId = id;
  await writeFile(`${STATE_FILE}.new`, `${id}\n`, { flush: true });
  await rename(`${STATE_FILE}.new`, STATE_FILE);
}
