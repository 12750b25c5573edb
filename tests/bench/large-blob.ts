import { createHash, randomBytes } from 'node:crypto';
import { type Bench, type Figure, ratio } from './bench.ts';
import { connect, type HttpClient, locationOf } from './http-client.ts';
import { cpuMsOf, residentBytesOf, watchResidentBytes } from './processes.ts';
import { onEach, type Registry } from './registries.ts';

const mebibyte = 2 ** 20;
const mebibytes = 1024;
const repository = 'library/large';

/** One blob of 1 GiB up, in one PATCH of unknown length and in one PUT, and down. */
export const largeBlob: Bench = {
  name: 'large-blob',
  async run() {
    const [ours, peer] = await onEach(transferAll);
    return [...ours].flatMap(([work, transfer]) => figuresOf(work, transfer, peer?.get(work)));
  },
};

interface Transfer {
  readonly mebibytesPerSecond: number;
  readonly cpuMs: number;
  /** Of the process that answers, over what it had before the transfer. */
  readonly growth: number;
}

async function transferAll(registry: Registry): Promise<Map<string, Transfer>> {
  const client = connect(registry);
  const transfers = new Map<string, Transfer>();
  try {
    await push(client, contents('warm-up', 16), 'PUT');
    const streamed = contents('streamed', mebibytes);
    transfers.set('up, PATCH', await measured(registry, () => push(client, streamed, 'PATCH')));
    const whole = contents('whole', mebibytes);
    transfers.set('up, PUT', await measured(registry, () => push(client, whole, 'PUT')));
    const path = `/v2/${repository}/blobs/${whole.digest}`;
    transfers.set('down', await measured(registry, () => client.send('GET', path, 200)));
    return transfers;
  } finally {
    client.close();
  }
}

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
  let session = await client.send('POST', `/v2/${repository}/blobs/uploads/`, 202, {
    body: new Uint8Array(),
  });
  const headers = { 'content-type': 'application/octet-stream' };
  const whole = { headers: { ...headers, 'content-length': String(size) }, body: chunks() };
  if (method === 'PATCH')
    session = await client.send('PATCH', locationOf(session), 202, { headers, body: chunks() });
  const closing = method === 'PATCH' ? { body: new Uint8Array() } : whole;
  await client.send('PUT', locationOf(session, digest), 201, closing);
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

function figuresOf(work: string, ours: Transfer, peer: Transfer | undefined): Figure[] {
  const least = work === 'down' ? 1 : 1.5;
  const rate = ({ mebibytesPerSecond }: Transfer) => `${Math.round(mebibytesPerSecond)} MiB/s`;
  const memory = ({ growth }: Transfer) => `${Math.round(growth / mebibyte)} MiB`;
  return [
    {
      work: `1 GiB ${work}: rate`,
      ours: rate(ours),
      ...(peer && {
        peer: rate(peer),
        ratio: ratio(ours.mebibytesPerSecond, peer.mebibytesPerSecond),
        goal: `≥ ${least} × the peer`,
        met: ours.mebibytesPerSecond >= least * peer.mebibytesPerSecond,
      }),
    },
    {
      work: `1 GiB ${work}: CPU of the server`,
      ours: `${ours.cpuMs} ms`,
      ...(peer && { peer: `${peer.cpuMs} ms`, ratio: ratio(ours.cpuMs, peer.cpuMs) }),
    },
    {
      work: `1 GiB ${work}: growth in memory`,
      ours: memory(ours),
      ...(peer && { peer: memory(peer) }),
      goal: '< 64 MiB',
      met: ours.growth < 64 * mebibyte,
    },
  ];
}
