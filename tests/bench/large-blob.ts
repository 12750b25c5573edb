import { createHash, randomBytes } from 'node:crypto';
import type { Bench, Figure } from './bench.ts';
import { connect, type HttpClient, locationOf } from './http-client.ts';
import { cpuMsOf, residentBytesOf, watchResidentBytes } from './processes.ts';
import { besides, each, onEach, type Registry, type Shown } from './registries.ts';

const mebibyte = 2 ** 20;
const mebibytes = 256;
const repository = 'library/large';
const uploadsPath = `/v2/${repository}/blobs/uploads/`;
const octets = { 'content-type': 'application/octet-stream' };

/** One blob of 256 MiB up, in one PATCH of unknown length and in one PUT, and down. */
export const largeBlob: Bench = {
  name: 'large-blob',
  async run() {
    const shown = await onEach(transferAll);
    return works.flatMap((work) =>
      figuresOf(
        work,
        each(shown, (of) => of[work]),
      ),
    );
  },
};

const works = ['up, PATCH', 'up, PUT', 'down'] as const;
type Work = (typeof works)[number];

interface Transfer {
  readonly mebibytesPerSecond: number;
  readonly cpuMs: number;
  /** Of the process that answers, over what it had before the transfer. */
  readonly growth: number;
}

async function transferAll(registry: Registry): Promise<Record<Work, Transfer>> {
  const client = connect(registry);
  try {
    await warmUp(client);
    const streamed = contents('streamed', mebibytes);
    const whole = contents('whole', mebibytes);
    return {
      'up, PATCH': await measured(registry, () => push(client, streamed, 'PATCH')),
      'up, PUT': await measured(registry, () => push(client, whole, 'PUT')),
      down: await measured(registry, () => client.send('GET', pathOf(whole.digest), 200)),
    };
  } finally {
    client.close();
  }
}

/**
 * Each way once, and before that as much as is measured in an upload that is cancelled: on a virtual machine the first use
 * of memory, in which the files are kept, costs whoever comes first several times as much as the next.
 */
async function warmUp(client: HttpClient): Promise<void> {
  const { chunks } = contents('cancelled', 2 * mebibytes);
  const opened = await client.send('POST', uploadsPath, 202, { body: new Uint8Array() });
  const sent = await client.send('PATCH', locationOf(opened), 202, { headers: octets, body: chunks() });
  await client.send('DELETE', locationOf(sent), 204);
  await client.send('GET', await push(client, contents('warm-up', 16), 'PUT'), 200);
}

const pathOf = (digest: string): string => `/v2/${repository}/blobs/${digest}`;

async function measured({ pid }: Registry, transfer: () => Promise<unknown>): Promise<Transfer> {
  const before = residentBytesOf(pid);
  const memory = watchResidentBytes(pid);
  const cpuBefore = cpuMsOf(pid);
  const startedAt = performance.now();
  await transfer();
  const seconds = (performance.now() - startedAt) / 1000;
  return {
    mebibytesPerSecond: mebibytes / seconds,
    cpuMs: cpuMsOf(pid) - cpuBefore,
    growth: memory.stop() - before,
  };
}

async function push(client: HttpClient, { digest, size, chunks }: Contents, method: 'PATCH' | 'PUT') {
  let session = await client.send('POST', uploadsPath, 202, { body: new Uint8Array() });
  const whole = { headers: { ...octets, 'content-length': String(size) }, body: chunks() };
  if (method === 'PATCH')
    session = await client.send('PATCH', locationOf(session), 202, { headers: octets, body: chunks() });
  const closing = method === 'PATCH' ? { body: new Uint8Array() } : whole;
  await client.send('PUT', locationOf(session, digest), 201, closing);
  return pathOf(digest);
}

interface Contents {
  readonly digest: string;
  readonly size: number;
  chunks(): Iterable<Uint8Array>;
}

/** Bytes of `count` MiB that no disk compresses; each MiB differs from the others by its number. */
function contents(name: string, count: number): Contents {
  const block = randomBytes(mebibyte);
  function* chunks() {
    for (let number = 0; number < count; number++) {
      const chunk = Buffer.from(block);
      chunk.write(`${name} ${number} `);
      yield chunk;
    }
  }
  const hash = createHash('sha256');
  for (const chunk of chunks()) hash.update(chunk);
  return { digest: `sha256:${hash.digest('hex')}`, size: count * mebibyte, chunks };
}

function figuresOf(work: Work, shown: Shown<Transfer>): Figure[] {
  const { ours, peer } = shown;
  const least = work === 'down' ? 1 : 1.5;
  return [
    {
      work: `${mebibytes} MiB ${work}: rate`,
      ...besides(
        shown,
        ({ mebibytesPerSecond }) => `${Math.round(mebibytesPerSecond)} MiB/s`,
        ({ mebibytesPerSecond }) => mebibytesPerSecond,
      ),
      ...(peer && {
        goal: `≥ ${least} × the peer`,
        met: ours.mebibytesPerSecond >= least * peer.mebibytesPerSecond,
      }),
    },
    {
      work: `${mebibytes} MiB ${work}: CPU of the server`,
      ...besides(
        shown,
        ({ cpuMs }) => `${cpuMs} ms`,
        ({ cpuMs }) => cpuMs,
      ),
    },
    {
      work: `${mebibytes} MiB ${work}: growth in memory`,
      ...besides(shown, ({ growth }) => `${Math.round(growth / mebibyte)} MiB`),
      goal: '< 64 MiB',
      met: ours.growth < 64 * mebibyte,
    },
  ];
}
