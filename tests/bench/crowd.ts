import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { askTokens } from './ask-tokens.ts';
import { type Bench, type Figure, measure, milliseconds, percentile, ratio } from './bench.ts';
import { connect, type HttpClient, locationOf, WrongStatus } from './http-client.ts';
import { residentBytesOf, watchResidentBytes } from './processes.ts';
import { type Registry, startShiplog } from './registries.ts';

const mebibyte = 2 ** 20;
const repository = 'library/crowd';
const uploadsPath = `/v2/${repository}/blobs/uploads/`;
/** How long tokens are asked for before anything else happens. */
const quietMs = 2_000;
const uploads = 1_000;
const uploadBytes = 256 * 1024;
const transfers = 200;
/** What each of the pushes sends. */
const pushedBytes = 16 * mebibyte;
/** How large the blob is that is pulled, and how much of it each pull takes before it goes away. */
const blobBytes = 100 * mebibyte;
const takenBytes = 16 * mebibyte;
const mostBytes = 400 * mebibyte;

/** Many clients at once: what it does to those who ask for a token meanwhile, and to the memory of the gateway. */
export const crowd: Bench = {
  name: 'crowd',
  async run(scope) {
    return [
      ...(await uploadTogether(await startShiplog(scope))),
      ...(await transferTogether(await startShiplog(scope))),
    ];
  },
};

/** Uploads of one project, all under way at the same time. */
async function uploadTogether(registry: Registry): Promise<Figure[]> {
  const client = connect(registry, uploads);
  const scope = `repository:${repository}:pull,push`;
  try {
    const quiet = await askTokens(registry, scope);
    await setTimeout(quietMs);
    const before = await quiet.stop();
    const memory = watchResidentBytes(registry.pid);
    const failures: unknown[] = [];
    const asker = await askTokens(registry, scope);
    const { allMs } = await measure(uploads, uploads, () =>
      push(client).catch((error: unknown) => failures.push(error)),
    );
    const during = await asker.stop();
    const serverErrors = failures.filter(
      (error) => error instanceof WrongStatus && Number(error.status) >= 500,
    );
    const show = (times: readonly number[]) =>
      `${milliseconds(percentile(times, 0.5))}, ${milliseconds(percentile(times, 0.99))}`;
    const name = `${uploads.toLocaleString('en')} uploads of ${uploadBytes / 1024} KiB at once`;
    return [
      { work: `${name}: time for all`, ours: milliseconds(allMs) },
      {
        work: `${name}: answers 5xx, other failures`,
        ours: `${serverErrors.length}, ${failures.length - serverErrors.length}`,
        goal: 'none',
        met: failures.length === 0,
      },
      { work: `a token before them: p50, p99 (of ${before.length})`, ours: show(before) },
      {
        work: `a token meanwhile: p50, p99 (of ${during.length})`,
        ours: show(during),
        ratio: ratio(percentile(during, 0.5), percentile(before, 0.5)),
      },
      { work: `${name}: the most memory of the gateway`, ours: mebibytes(memory.stop()) },
    ];
  } finally {
    client.close();
  }
}

/** Pushes one small blob in the requests of a streamed upload. */
async function push(client: HttpClient): Promise<void> {
  const body = randomBytes(uploadBytes);
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
  const opened = await client.send('POST', uploadsPath, 202, { body: new Uint8Array() });
  const sent = await client.send('PATCH', locationOf(opened), 202, { body: [body] });
  await client.send('PUT', locationOf(sent, digest), 201, { body: new Uint8Array() });
}

/** Large pushes, then large pulls, all under way at the same time. */
async function transferTogether(registry: Registry): Promise<Figure[]> {
  const client = connect(registry, transfers);
  try {
    const block = randomBytes(mebibyte);
    const before = residentBytesOf(registry.pid);
    const pushing = watchResidentBytes(registry.pid);
    await measure(transfers, transfers, async (index) => {
      const opened = await client.send('POST', uploadsPath, 202, { body: new Uint8Array() });
      const sent = await client.send('PATCH', locationOf(opened), 202, { body: blocks(block, index) });
      await client.send('DELETE', locationOf(sent), 204);
    });
    const mostOfPushes = pushing.stop();

    const blob = Buffer.concat(Array.from({ length: blobBytes / mebibyte }, () => block));
    const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`;
    const opened = await client.send('POST', uploadsPath, 202, { body: new Uint8Array() });
    await client.send('PUT', locationOf(opened, digest), 201, { body: blob });
    const pulling = watchResidentBytes(registry.pid);
    await measure(transfers, transfers, () => takePart(registry, `/v2/${repository}/blobs/${digest}`));
    const mostOfPulls = pulling.stop();
    const figure = (work: string, most: number): Figure => ({
      work: `${transfers} ${work}: the most memory of the gateway`,
      ours: `${mebibytes(most)} (before: ${mebibytes(before)})`,
      goal: `≤ ${mebibytes(mostBytes)}`,
      met: most <= mostBytes,
    });
    return [
      figure(`pushes of ${mebibytes(pushedBytes)} at once`, mostOfPushes),
      figure(`pulls of ${mebibytes(blobBytes)} at once, ${mebibytes(takenBytes)} of each taken`, mostOfPulls),
    ];
  } finally {
    client.close();
  }
}

function* blocks(block: Uint8Array, index: number): Generator<Uint8Array> {
  for (let sent = 0; sent < pushedBytes; sent += block.length) {
    const chunk = Buffer.from(block);
    chunk.write(`${index} ${sent} `);
    yield chunk;
  }
}

/** Reads the beginning of the answer, and goes. */
async function takePart({ port, headers }: Registry, path: string): Promise<void> {
  const agent = new Agent();
  const sent = request({ agent, host: '127.0.0.1', port, path, headers });
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  if (answer.statusCode !== 200) throw new Error(`GET ${path}: ${answer.statusCode}`);
  let taken = 0;
  for await (const chunk of answer) {
    taken += chunk.length;
    if (taken >= takenBytes) break;
  }
  sent.destroy();
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / mebibyte)} MiB`;
